#!/usr/bin/env python3
"""Writes the archives of zips/ with Python's zipfile, for test_zipfile.c.

    python3 make_zips.py
"""
import pathlib
import struct
import zipfile

HERE = pathlib.Path(__file__).parent / "zips"
DATE = (2024, 1, 1, 0, 0, 0)
TEXT = b"".join(b"line %d\n" % i for i in range(1000))


def info(name, method):
    entry = zipfile.ZipInfo(name, DATE)
    entry.compress_type = method
    return entry


def write(path, entries, zip64=False):
    with zipfile.ZipFile(HERE / path, "w") as archive:
        for name, method, data in entries:
            with archive.open(info(name, method), "w", force_zip64=zip64) as out:
                out.write(data)


def patched(path, source, edits):
    data = bytearray((HERE / source).read_bytes())
    for at, value in edits(bytes(data)):
        data[at:at + len(value)] = value
    (HERE / path).write_bytes(data)


def directory(data):
    """The offsets of the headers in the central directory."""
    at, found = data.find(b"PK\1\2"), []
    while data[at:at + 4] == b"PK\1\2":
        found.append(at)
        name, extra, comment = struct.unpack_from("<HHH", data, at + 28)
        at += 46 + name + extra + comment
    return found


def sizes(data, index, packed=None, unpacked=None):
    """Edits of an entry's sizes in both its headers."""
    at = directory(data)[index]
    local = struct.unpack_from("<I", data, at + 42)[0]
    for base in (at + 20, local + 18):
        if packed is not None:
            yield base, struct.pack("<I", packed)
        if unpacked is not None:
            yield base + 4, struct.pack("<I", unpacked)


HERE.mkdir(exist_ok=True)
STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
both = [("a/", STORED, b""), ("a/deflated.txt", DEFLATED, TEXT),
        ("a/stored.bin", STORED, bytes(range(256))), ("empty", STORED, b"")]
write("both.zip", both)
write("zip64.zip", both, zip64=True)
write("none.zip", [])
write("bzip2.zip", [("packed", zipfile.ZIP_BZIP2, TEXT)])
write("arrays.npz", [("conv1.weight.npy", STORED, b"\x93NUMPY\1\0"), ("fc.bias.npy", STORED, b"")])
write("holds.zip", [("folder/", STORED, b""), ("folder/weights.pth", STORED, b"\x80\2}.")])
write("zeros.zip", [("zeros", DEFLATED, bytes(1 << 20))])
patched("encrypted.zip", "both.zip", lambda d: [
    (directory(d)[1] + 8, b"\1"),
    (struct.unpack_from("<I", d, directory(d)[1] + 42)[0] + 6, b"\1")])
patched("checksum.zip", "both.zip", lambda d: [(d.find(bytes(range(1, 256))), b"\7")])
patched("bomb.zip", "both.zip", lambda d: sizes(d, 1, unpacked=1 << 30))
patched("shorter.zip", "both.zip", lambda d: sizes(d, 1, unpacked=100))
patched("longer.zip", "both.zip", lambda d: sizes(d, 1, unpacked=len(TEXT) + 1))
patched("stored_sizes.zip", "both.zip", lambda d: sizes(d, 2, unpacked=1 << 20))
patched("beyond.zip", "both.zip", lambda d: sizes(d, 2, packed=1 << 20, unpacked=1 << 20))
write("twice.zip", [("same", STORED, b"1"), ("sama", STORED, b"2")])
patched("twice.zip", "twice.zip", lambda d: [
    (at, b"same") for at in range(len(d)) if d[at:at + 4] == b"sama"])

# Eight entries whose headers give one local header: the bytes are there once.
write("overlap.zip", [(f"entry{i}", STORED, bytes(64 if i else 4096)) for i in range(8)])
first = directory((HERE / "overlap.zip").read_bytes())[0]
patched("overlap.zip", "overlap.zip", lambda d: [
    edit for at in directory(d)[1:]
    for edit in ((at + 16, d[first + 16:first + 28]), (at + 42, struct.pack("<I", 0)))])
(HERE / "cut.zip").write_bytes((HERE / "both.zip").read_bytes()[:-40])
