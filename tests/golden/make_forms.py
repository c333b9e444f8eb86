#!/usr/bin/env python3
"""Writes forms.safetensors: images of four channels and of 16 bits as Pillow, tifffile, torchvision and timm have
them.

Run with these: ./make_forms.py FOLDER
`file.<name>` is what a file of tests/data/images holds; samples of 16 bits are two bytes, the lower one first.
`rgba` (H, W, 4) and `deep` (H, W, 3, 2 bytes) are changed as the names say, `<name>.numbers` by what; `narrow` is
resized (Pillow, of each channel alone); `filters` (K, 3, R, S) are `adapted` (K, 4, R, S)."""

import os
import pathlib
import sys

import numpy as np
import tifffile
import torch
from PIL import Image, ImageEnhance
from timm.models._manipulate import adapt_input_conv
from torchvision.transforms import functional as F
from torchvision.transforms import InterpolationMode

import safetensors

IMAGES = pathlib.Path(__file__).parent.parent / "data" / "images"
W, H, SIDE = 20, 16, 12
BILINEAR = InterpolationMode.BILINEAR


def words(array):
    """16 bits as bytes, the lower one first."""
    return np.ascontiguousarray(array.astype("<u2")).view("u1")


def files():
    out = {}
    for name in ("alpha.webp", "alpha_lossless.webp", "alpha.tif", "alpha.bmp", "grey_alpha.tif"):
        with Image.open(IMAGES / name) as picture:
            out["file." + name] = np.array(picture.convert("RGBA"))
    out["file.bands.tif"] = tifffile.imread(IMAGES / "bands.tif")
    for name in ("rgba16.tif", "bands16.tif"):
        out["file." + name] = words(tifffile.imread(IMAGES / name))
    out["file.rgba16.png"], out["file.rgb16.png"] = out["file.rgba16.tif"], words(
        tifffile.imread(IMAGES / "rgb16.tif"))
    out["file.rgb16.tif"] = words(tifffile.imread(IMAGES / "rgb16.tif"))
    for name in ("grey16.tif", "grey16_big_endian.tif"):
        out["file." + name] = words(np.repeat(tifffile.imread(IMAGES / name)[..., None], 3, -1))
    return out


def of_each(image, change):
    """Each channel alone, by Pillow."""
    return np.dstack([np.array(change(Image.fromarray(np.ascontiguousarray(image[..., c]))))
                      for c in range(image.shape[-1])])


def main(folder):
    rng = np.random.default_rng(11)
    rgba = rng.integers(0, 256, (H, W, 4), dtype=np.uint8)
    deep = (np.add.outer(np.add.outer(np.arange(H) * 1531, np.arange(W) * 977), np.arange(3) * 7919) +
            rng.integers(0, 3000, (H, W, 3))).clip(0, 65535).astype(np.uint16)
    picture = Image.fromarray(rgba)
    tensors = {"rgba": rgba, "deep": words(deep), **files()}
    for name, kind in (("brightness", ImageEnhance.Brightness), ("contrast", ImageEnhance.Contrast),
                       ("color", ImageEnhance.Color)):
        tensors["rgba." + name] = np.array(kind(picture).enhance(1.3))
    tensors["rgba.affine"] = of_each(rgba, lambda p: F.affine(p, 30, [0, 0], 1, [0, 0], BILINEAR, [0]))
    for name, how in (("bilinear", Image.BILINEAR), ("nearest", Image.NEAREST)):
        tensors["rgba." + name] = of_each(rgba, lambda p: p.resize((SIDE, SIDE), how))
    tensors["deep.bilinear"] = words(of_each(deep, lambda p: p.resize((SIDE, SIDE), Image.BILINEAR)))
    real = torch.from_numpy(deep.astype(np.float64) / 65535).permute(2, 0, 1)
    for name, change in (("brightness", lambda x: F.adjust_brightness(x, 1.3)),
                         ("contrast", lambda x: F.adjust_contrast(x, 1.3)),
                         ("color", lambda x: F.adjust_saturation(x, 0.6)),
                         ("hue", lambda x: F.adjust_hue(x, 0.15)),
                         ("affine", lambda x: F.affine(x, 30, [0, 0], 1, [0, 0], BILINEAR, [0]))):
        out = (change(real).permute(1, 2, 0).numpy() * 65535).round().clip(0, 65535)
        tensors["deep." + name] = words(out)
    filters = torch.tensor(rng.standard_normal((16, 3, 3, 3)).astype(np.float32))
    tensors["filters"] = filters.numpy()
    tensors["adapted"] = adapt_input_conv(4, filters).numpy()
    safetensors.write(os.path.join(folder, "forms.safetensors"), tensors)


if __name__ == "__main__":
    main(sys.argv[1])
