#!/usr/bin/env python3
"""Writes resize_golden.h: pictures resized and cropped by Pillow and torchvision.

Run with Pillow and torchvision installed: ./make_resize_golden.py > resize_golden.h
The input is a formula that test_resize.c repeats."""

from PIL import Image
import PIL
import torchvision
import torchvision.transforms.functional as F

# width, height of the picture; width, height of the input
CASES = [(20, 30, 8, 8), (64, 48, 9, 9), (7, 5, 16, 16), (100, 37, 10, 10), (33, 33, 8, 8),
         (13, 200, 7, 7), (1, 1, 4, 4), (2, 97, 5, 5), (40, 40, 39, 13), (51, 23, 6, 11),
         (23, 51, 11, 6), (9, 9, 3, 3), (300, 2, 4, 4), (8, 11, 8, 8)]


def picture(width, height):
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


print(f"/* Made by make_resize_golden.py with Pillow {PIL.__version__} and torchvision "
      f"{torchvision.__version__}. */")
print("/* clang-format off */")
for k, (w, h, ow, oh) in enumerate(CASES):
    data = resize(picture(w, h), ow, oh).tobytes()
    print(f"static const uint8_t golden_{k}[] = {{ /* {w}x{h} to {ow}x{oh} */")
    for i in range(0, len(data), 24):
        print("    " + ", ".join(str(v) for v in data[i:i + 24]) + ",")
    print("};")
print("static const struct { size_t w, h, out_w, out_h; const uint8_t *pixels; } goldens[] = {")
for k, (w, h, ow, oh) in enumerate(CASES):
    print(f"    {{{w}, {h}, {ow}, {oh}, golden_{k}}},")
print("};")
print("/* clang-format on */")
