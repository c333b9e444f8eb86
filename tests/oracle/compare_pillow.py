#!/usr/bin/env python3
"""Compares the images that librescl reads with those that Pillow reads, byte for byte.

    python3 tests/oracle/compare_pillow.py build/librescl.so [FILE|FOLDER ...]

Needs Pillow. Besides the files given (folders are searched for images) it makes its own: JPEG
gray, RGB and CMYK, baseline and progressive, with every sampling, quality and EXIF orientation,
PNG with every orientation, and WebP, TIFF, BMP and PNM of every mode and compression that Pillow writes. Both
sides must use the same libjpeg: its decoders differ in last bits."""
import ctypes
import io
import os
import sys

from PIL import Image, ImageOps


SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".jif", ".webp", ".tif", ".tiff", ".bmp", ".dib",
            ".ppm", ".pgm", ".pbm", ".pnm")


class Pixels(ctypes.Structure):
    _fields_ = [("width", ctypes.c_size_t), ("height", ctypes.c_size_t),
                ("pixels", ctypes.c_void_p)]


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("message", ctypes.c_char * 1024)]


def load(path):
    lib = ctypes.CDLL(os.path.abspath(path))
    lib.rescl_last_error.restype = ctypes.POINTER(Error)
    lib.rescl_image_free.argtypes = [ctypes.POINTER(Pixels)]
    lib.rescl_image_decode.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p,
                                       ctypes.POINTER(Pixels)]
    return lib


def ours(lib, data, name):
    image = Pixels()
    if lib.rescl_image_decode(data, len(data), name.encode(), ctypes.byref(image)):
        return lib.rescl_last_error().contents.message.decode()
    size = image.width, image.height
    pixels = ctypes.string_at(image.pixels, 3 * size[0] * size[1])
    lib.rescl_image_free(ctypes.byref(image))
    return size, pixels


def theirs(data):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image.mode in ("RGBA", "LA", "PA"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    return image.size, image.tobytes()


def files_of(paths):
    for path in paths:
        for folder, _, names in os.walk(path):
            for name in sorted(names):
                if name.lower().endswith(SUFFIXES):
                    yield os.path.join(folder, name)
        if os.path.isfile(path):
            yield path


def read(path):
    with open(path, "rb") as f:
        return f.read()


def encoded(image, orientation, form, **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    image.save(out, form, exif=exif, **options)
    return out.getvalue()


def made():
    base = Image.effect_mandelbrot((123, 77), (-2.2, -1.4, 1.0, 1.4), 60)
    base = Image.merge("RGB", (base, base.rotate(180), Image.radial_gradient("L").resize(base.size)))
    for orientation in range(1, 9):
        for mode in ("RGB", "L", "P"):
            yield f"PNG {mode} {orientation}", encoded(base.convert(mode), orientation, "PNG")
        for mode in ("RGB", "L", "CMYK"):
            for how in ((q, p, s) for q in (30, 75, 95) for p in (False, True) for s in (0, 1, 2)):
                data = encoded(base.convert(mode), orientation, "JPEG", quality=how[0],
                               progressive=how[1], subsampling=how[2])
                yield f"JPEG {mode} {how} {orientation}", data


def made_of_others():
    base = Image.effect_mandelbrot((61, 37), (-2.2, -1.4, 1.0, 1.4), 60)
    colour = Image.merge("RGB", (base, base.rotate(180), base.transpose(Image.Transpose.FLIP_TOP_BOTTOM)))
    for how in ({"quality": 40}, {"quality": 95}, {"lossless": True}):
        for orientation in (1, 6):
            yield f"WebP {how} {orientation}", encoded(colour, orientation, "WEBP", **how)
    tiff = [(mode, how) for mode in ("1", "L", "P", "RGB", "CMYK")
            for how in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma")]
    tiff += [("1", how) for how in ("group3", "group4", "tiff_ccitt")]
    tiff += [(mode, "jpeg") for mode in ("L", "RGB", "CMYK")]
    for mode, how in tiff:
        yield f"TIFF {mode} {how}", encoded(colour.convert(mode), 5, "TIFF", compression=how)
    for form, modes in (("BMP", ("1", "L", "P", "RGB")), ("PPM", ("1", "L", "RGB"))):
        for mode in modes:
            out = io.BytesIO()
            colour.convert(mode).save(out, form)
            yield f"{form} {mode}", out.getvalue()


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    lib = load(sys.argv[1])
    count = bad = 0
    for name, data in [*made(), *made_of_others(), *((p, read(p)) for p in files_of(sys.argv[2:]))]:
        count += 1
        mine, other = ours(lib, data, name), theirs(data)
        if mine != other:
            bad += 1
            print(f"{name}: {mine if isinstance(mine, str) else 'other pixels'}")
    print(f"{count - bad} of {count} images are equal to Pillow's")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
