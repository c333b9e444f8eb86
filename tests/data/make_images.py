#!/usr/bin/env python3
"""Writes images/ beside this script: small files of each format as its own library or tool writes them, and
beside each what it shows, as Pillow reads it, in a PNG of the same name.

    python3 make_images.py      (needs numpy, Pillow, tifffile and imagecodecs, and ImageMagick's convert for what
                                 these do not write)

Of 16-bit samples the upper byte is shown, alpha is laid on white, and images are upright."""
import ctypes
import ctypes.util
import pathlib
import subprocess

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).parent / "images"
W, H = 13, 7
RGB = np.stack([np.add.outer(np.arange(H) * 31, np.arange(W) * 17) % 256,
                np.add.outer(np.arange(H) * 7, np.arange(W) * 19) % 256,
                np.multiply.outer(np.arange(H), np.arange(W)) * 3 % 256], -1).astype("u1")
ALPHA = np.linspace(0, 255, W * H).round().astype("u1").reshape(H, W)
RGBA = np.dstack([RGB, ALPHA])
GREY16 = (np.arange(W * H) * 719 % 65536).astype("u2").reshape(H, W)
RGB16 = RGB.astype("u2") * 256 + 100
CMYK = np.dstack([RGB, RGB[::-1, :, 0]])


def image(array, mode=None):
    return Image.fromarray(array, mode) if mode else Image.fromarray(array)


def on_white(array):
    a = array[..., 3:].astype(int)
    return ((array[..., :3] * a + 255 * (255 - a) + 127) // 255).astype("u1")


def shown(path):
    with Image.open(path) as picture:
        picture = ImageOps.exif_transpose(picture)
        if picture.mode in ("RGBA", "LA", "PA"):
            return on_white(np.array(picture.convert("RGBA")))
        return np.array(picture.convert("RGB"))


def expect(name, array=None):
    path = HERE / name
    Image.fromarray(shown(path) if array is None else array).save(f"{path}.png", optimize=True)


def save(name, picture, expected=None, **options):
    picture.save(HERE / name, **options)
    expect(name, expected)


def run(*command):
    subprocess.run([str(c) for c in command], check=True)


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data


def webp():
    save("lossy.webp", image(RGB), quality=80)
    save("lossless.webp", image(RGB), lossless=True)
    save("alpha.webp", image(RGBA), quality=80)
    save("alpha_lossless.webp", image(RGBA), lossless=True, exact=True)
    save("turned.webp", image(RGB), lossless=True, exif=exif(6))
    second = image(RGBA[::-1].copy())
    save("frames.webp", image(RGBA), lossless=True, exact=True, save_all=True,
         append_images=[second], duration=50)


def tiff_of_pillow():
    picture = image(RGB)
    save("raw.tif", picture)
    for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        save(f"{name.removeprefix('tiff_')}.tif", picture, compression=name)
    save("jpeg.tif", picture, compression="jpeg", quality=90)
    save("grey.tif", image(RGB[..., 0]), compression="tiff_lzw")
    save("palette.tif", picture.quantize(16))
    save("bits.tif", picture.convert("1"))
    save("fax4.tif", picture.convert("1"), compression="group4")
    save("cmyk.tif", image(CMYK, "CMYK"))
    save("alpha.tif", image(RGBA))
    save("grey_alpha.tif", picture.convert("LA"))
    save("turned.tif", picture, exif=exif(8))
    save("pages.tif", picture, save_all=True, append_images=[image(RGB[::-1].copy())])


def tiff_of_others():
    top16 = np.repeat((GREY16 >> 8).astype("u1")[..., None], 3, -1)
    tifffile.imwrite(HERE / "grey16.tif", GREY16)
    expect("grey16.tif", top16)
    tifffile.imwrite(HERE / "grey16_big_endian.tif", GREY16, byteorder=">")
    expect("grey16_big_endian.tif", top16)
    tifffile.imwrite(HERE / "rgb16.tif", RGB16, photometric="rgb", compression="zlib", predictor=True)
    expect("rgb16.tif", (RGB16 >> 8).astype("u1"))
    tifffile.imwrite(HERE / "planes.tif", np.moveaxis(RGB, -1, 0), photometric="rgb",
                     planarconfig="separate", rowsperstrip=3)
    expect("planes.tif", RGB)
    tifffile.imwrite(HERE / "white_is_0.tif", RGB[..., 0], photometric="miniswhite")
    expect("white_is_0.tif", np.repeat(255 - RGB[..., :1], 3, -1))
    tifffile.imwrite(HERE / "big.tif", RGB, photometric="rgb", bigtiff=True)
    expect("big.tif", RGB)
    wide = np.tile(RGB, (5, 3, 1))
    tifffile.imwrite(HERE / "tiles.tif", wide, photometric="rgb", tile=(16, 16), compression="zlib")
    expect("tiles.tif", wide)
    tifffile.imwrite(HERE / "tiles_planes.tif", np.moveaxis(wide, -1, 0), photometric="rgb",
                     planarconfig="separate", tile=(16, 16))
    expect("tiles_planes.tif", wide)
    run("convert", "-depth", 4, HERE / "grey.tif", "-compress", "none", HERE / "grey4.tif")
    expect("grey4.tif")
    tifffile.imwrite(HERE / "ycbcr.tif", np.array(image(RGB).convert("YCbCr")), photometric="ycbcr",
                     subsampling=(1, 1), compression="zlib")
    expect("ycbcr.tif")
    associated = np.dstack([(RGB.astype(int) * ALPHA[..., None] // 255).astype("u1"), ALPHA])
    tifffile.imwrite(HERE / "associated.tif", associated, photometric="rgb", extrasamples=["assocalpha"])
    expect("associated.tif")
    tifffile.imwrite(HERE / "float.tif", RGB[..., 0].astype("f4"))


def planes_of_jpeg():
    """YCbCr in planes, each a JPEG of its own, which neither Pillow nor tifffile writes: by libtiff itself."""
    lib = ctypes.CDLL(ctypes.util.find_library("tiff"))
    lib.TIFFOpen.restype = ctypes.c_void_p
    lib.TIFFWriteEncodedStrip.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_char_p, ctypes.c_ssize_t]
    tiff = ctypes.c_void_p(lib.TIFFOpen(str(HERE / "planes_jpeg.tif").encode(), b"w"))
    ycbcr = np.zeros((16, 16, 3), "u1")
    ycbcr[:] = np.array(Image.new("RGB", (1, 1), (200, 100, 50)).convert("YCbCr"))[0, 0]
    for tag, values in ((256, (16,)), (257, (16,)), (258, (8,)), (277, (3,)), (259, (7,)), (262, (6,)),
                        (284, (2,)), (278, (16,)), (530, (1, 1))):
        lib.TIFFSetField(tiff, ctypes.c_uint32(tag), *(ctypes.c_int(v) for v in values))
    for plane in range(3):
        data = ycbcr[..., plane].tobytes()
        assert lib.TIFFWriteEncodedStrip(tiff, plane, data, len(data)) == len(data)
    lib.TIFFClose(tiff)
    expect("planes_jpeg.tif")


def bmp():
    picture = image(RGB)
    save("rgb.bmp", picture)
    save("grey.bmp", image(RGB[..., 0]))
    save("palette.bmp", picture.quantize(16))
    save("bits.bmp", picture.convert("1"))
    save("alpha.bmp", image(RGBA))
    run("convert", HERE / "palette.bmp", "-compress", "RLE", f"BMP3:{HERE / 'rle8.bmp'}")
    expect("rle8.bmp")
    run("convert", HERE / "rgb.bmp", f"BMP2:{HERE / 'os2.bmp'}")
    expect("os2.bmp")
    for kind in ("RGB565", "RGB555"):
        run("convert", HERE / "rgb.bmp", "-define", f"bmp:subtype={kind}", HERE / f"{kind.lower()}.bmp")
        expect(f"{kind.lower()}.bmp")


def pnm():
    picture = image(RGB)
    save("rgb.ppm", picture)
    save("grey.pgm", image(RGB[..., 0]))
    save("bits.pbm", picture.convert("1"))
    for name in ("rgb.ppm", "grey.pgm", "bits.pbm"):
        run("convert", HERE / name, "-compress", "none", HERE / f"plain_{name}")
        expect(f"plain_{name}")
    run("convert", HERE / "grey16.tif", "-depth", 16, HERE / "grey16.pgm")
    expect("grey16.pgm", np.repeat((GREY16 >> 8).astype("u1")[..., None], 3, -1))
    (HERE / "range.pgm").write_text(
        f"P2 # {W}x{H}\n{W} {H}\n1000\n" + "\n".join(" ".join(map(str, r)) for r in GREY16 % 1001) + "\n")
    expect("range.pgm", np.repeat(np.rint(GREY16 % 1001 / 1000 * 255).astype("u1")[..., None], 3, -1))


def forms():
    """Four channels, 16 bits, and both: what they hold is in tests/golden/forms.safetensors."""
    deep = np.dstack([RGB16 + ALPHA[..., None], (ALPHA.astype("u2") * 257)[..., None]])
    tifffile.imwrite(HERE / "rgba16.tif", deep, photometric="rgb", extrasamples=["unassalpha"])
    expect("rgba16.tif", on_white((deep >> 8).astype("u1")))
    tifffile.imwrite(HERE / "bands16.tif", deep[::-1], photometric="minisblack", planarconfig="contig")
    tifffile.imwrite(HERE / "bands.tif", RGBA[::-1], photometric="rgb", extrasamples=["unspecified"])
    (HERE / "rgba16.png").write_bytes(imagecodecs.png_encode(deep))
    (HERE / "rgb16.png").write_bytes(imagecodecs.png_encode(RGB16))


def large():
    """More than 64 Mi pixels, of one colour."""
    size = 8300, 8200
    Image.new("RGB", size, (200, 100, 50)).save(HERE / "large.webp", lossless=True, quality=0, method=0)
    Image.new("1", size, 1).save(HERE / "large.tif", compression="tiff_adobe_deflate")


HERE.mkdir(exist_ok=True)
large()
webp()
tiff_of_pillow()
tiff_of_others()
planes_of_jpeg()
bmp()
pnm()
forms()
