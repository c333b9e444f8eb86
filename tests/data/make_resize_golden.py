#!/usr/bin/env python3
"""Writes resize_golden.h: images resized and cropped by Pillow and torchvision.

Run with Pillow and torchvision installed: ./make_resize_golden.py > resize_golden.h
The input is a formula that test_resize.c repeats."""

from PIL import Image
import PIL
import torchvision
import torchvision.transforms.functional as F

# width, height of the image; width, height of the input
CASES = [(20, 30, 8, 8), (64, 48, 9, 9), (7, 5, 16, 16), (100, 37, 10, 10), (33, 33, 8, 8),
         (13, 200, 7, 7), (1, 1, 4, 4), (2, 97, 5, 5), (40, 40, 39, 13), (51, 23, 6, 11),
         (23, 51, 11, 6), (9, 9, 3, 3), (300, 2, 4, 4), (8, 11, 8, 8)]
# width, height of the image; shorter side, interpolation, size of the input
FITTED = [(20, 30, 10, "bilinear", 8), (64, 48, 13, "bilinear", 9), (8, 8, 9, "bilinear", 8),
          (31, 17, 11, "bicubic", 8), (17, 31, 8, "bicubic", 8), (5, 7, 16, "bicubic", 13),
          (100, 37, 12, "bicubic", 10), (8, 8, 8, "bicubic", 8), (1, 9, 6, "bicubic", 5),
          (31, 17, 11, "nearest", 8), (17, 31, 8, "nearest", 8), (5, 7, 16, "nearest", 13),
          (100, 37, 12, "nearest", 10), (8, 8, 8, "nearest", 8), (49, 50, 21, "nearest", 20)]


def image(width, height):
    data = bytes((i * 2654435761 % 2**32) >> 24 for i in range(width * height * 3))
    return Image.frombytes("RGB", (width, height), data)


def resize(image, width, height):
    w, h = image.size
    if width == height:
        image = F.resize(image, [width], F.InterpolationMode.BILINEAR)
    elif w * height <= h * width:
        image = image.resize((width, h * width // w), Image.BILINEAR)
    else:
        image = image.resize((w * height // h, height), Image.BILINEAR)
    return F.center_crop(image, [height, width])


def fit(image, side, interpolation, size):
    image = F.resize(image, [side], F.InterpolationMode(interpolation))
    return F.center_crop(image, [size, size])


def rows():
    """(fields of the table, pixels)"""
    for w, h, ow, oh in CASES:
        yield f"{w}, {h}, 0, RESCL_INTERPOLATION_BILINEAR, {ow}, {oh}", resize(image(w, h), ow, oh)
    for w, h, side, how, size in FITTED:
        yield (f"{w}, {h}, {side}, RESCL_INTERPOLATION_{how.upper()}, {size}, {size}",
               fit(image(w, h), side, how, size))


print(f"/* Made by make_resize_golden.py with Pillow {PIL.__version__} and torchvision "
      f"{torchvision.__version__}. */")
print("/* clang-format off */")
table = []
for k, (fields, image) in enumerate(rows()):
    data = image.tobytes()
    table.append(f"    {{{fields}, golden_{k}}},")
    print(f"static const uint8_t golden_{k}[] = {{ /* {fields} */")
    for i in range(0, len(data), 24):
        print("    " + ", ".join(str(v) for v in data[i:i + 24]) + ",")
    print("};")
print("""static const struct {
    size_t w, h, resize_size;
    rescl_interpolation interpolation;
    size_t out_w, out_h;
    const uint8_t *pixels;
} goldens[] = {""")
print("\n".join(table))
print("};")
print("/* clang-format on */")
