#!/usr/bin/env python3
"""Writes grey.safetensors: what networks of one channel see by Pillow and torchvision, and what their first
convolution gets by timm.

Run with these: ./make_grey.py FOLDER
`image` (H, W, 3) is `grey` (H, W) by convert('L'), `jittered` by adjustments of that, and `input` as numbers.
`filters` (K, 3, R, S) are `adapted` (K, 1, R, S)."""

import os
import sys

import numpy as np
import torch
from PIL import Image
from timm.models._manipulate import adapt_input_conv
from torchvision.transforms import functional as F

import safetensors

SIDE = 12
MEAN, STD = 0.4, 0.3


def main(folder):
    rng = np.random.default_rng(7)
    image = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    grey = Image.fromarray(image).convert("L")
    jittered = F.adjust_brightness(grey, 1.25)
    jittered = F.adjust_contrast(jittered, 0.75)
    jittered = F.adjust_saturation(jittered, 1.5)
    jittered = F.adjust_hue(jittered, 0.125)
    filters = torch.tensor(rng.standard_normal((16, 3, 3, 3)).astype(np.float32))
    safetensors.write(os.path.join(folder, "grey.safetensors"), {
        "image": image,
        "grey": np.asarray(grey),
        "jittered": np.asarray(jittered),
        "input": F.normalize(F.to_tensor(grey), [MEAN], [STD]).numpy()[0],
        "filters": filters.numpy(),
        "adapted": adapt_input_conv(1, filters).numpy(),
    })


if __name__ == "__main__":
    main(sys.argv[1])
