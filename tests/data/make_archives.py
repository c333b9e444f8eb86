#!/usr/bin/env python3
"""Writes shards/ beside this script: tar archives of images and classes, by webdataset's own writer, GNU tar
and Python's tarfile, for test_webdataset.c and test_tarfile.c.

    python3 make_archives.py      (needs numpy, Pillow and webdataset)

Image i is 3x2, and each of its bytes is 10 i."""
import io
import pathlib
import subprocess
import tarfile
import tempfile

import numpy as np
import webdataset
from PIL import Image

HERE = pathlib.Path(__file__).parent / "shards"
LONG = "a-folder-with-a-long-name/" * 5 + "in it"


def png(i):
    out = io.BytesIO()
    Image.fromarray(np.full((2, 3, 3), 10 * i, "u1")).save(out, "PNG")
    return out.getvalue()


def by_webdataset():
    with webdataset.ShardWriter(str(HERE / "wds-%03d.tar"), maxcount=4, verbose=0) as sink:
        for i in range(6):
            sink.write({"__key__": f"sample{i:04d}", "png": png(i), "cls": 10 + i % 3})
    with webdataset.TarWriter(str(HERE / "train-json.tar")) as sink:
        for i in range(3):
            sink.write({"__key__": f"j{i}", "png": png(i), "json": {"label": "cba"[i], "id": i}})
    with webdataset.TarWriter(str(HERE / "val-json.tar")) as sink:
        sink.write({"__key__": "j9", "png": png(9), "json": {"label": "b"}})


def by_gnu_tar():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / LONG).mkdir(parents=True)
        for i, name in enumerate(("cat", "dog")):
            (root / LONG / f"{i}.png").write_bytes(png(i))
            (root / LONG / f"{i}.cls").write_text(f"{name}\n")
        (root / "read.me").write_text("neither")
        for form in ("gnu", "pax"):
            subprocess.run(["tar", f"--format={form}", "--sort=name", "--owner=0", "--group=0",
                            "--mtime=2020-01-01", "-C", folder, "-cf", HERE / f"{form}.tar", "."],
                           check=True)


def by_tarfile():
    with tarfile.open(HERE / "ustar.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in (("a/x.0.png", png(1)), ("a/x.cls", b"7"), ("a/y.png", png(2)),
                           ("a/z.cls", b"8")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


HERE.mkdir(exist_ok=True)
by_webdataset()
by_gnu_tar()
by_tarfile()
