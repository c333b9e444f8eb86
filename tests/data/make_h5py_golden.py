#!/usr/bin/env python3
"""Writes h5py_*.h5 beside this script: SIGNS files as h5py writes them, for test_signs_h5.c, and one with
keys of its own, for test_images_h5.c.

    python3 make_h5py_golden.py        (needs numpy and h5py)

Value i of the pixels is (i / 16) mod 256, label i is 7 i mod 3.
"""
import pathlib

import h5py
import numpy as np

HERE = pathlib.Path(__file__).parent
SHAPE = (10, 5, 7, 3)
PIXELS = (np.arange(np.prod(SHAPE)) // 16 % 256).astype("u1").reshape(SHAPE)
LABELS = np.arange(10) * 7 % 3
NAMES = ["fist", "one", "two fingers"]


def write(name, pixels, labels, classes, **storage):
    with h5py.File(HERE / f"h5py_{name}.h5", "w", track_order=False) as f:
        f.create_dataset("train_set_x", data=pixels, **storage)
        f.create_dataset("train_set_y", data=labels, **storage)
        f["list_classes"] = classes


write("lzf", PIXELS, LABELS.reshape(-1, 1), NAMES, chunks=True, compression="lzf")
write("lzf_all", PIXELS.astype("i4"), LABELS, np.array(NAMES, "S"), chunks=True,
      compression="lzf", shuffle=True, fletcher32=True)
write("float", PIXELS.astype("f4") / 255, LABELS.astype("f8"), np.array(NAMES, "S").reshape(-1, 1),
      chunks=True, compression="gzip", shuffle=True, fletcher32=True)

with h5py.File(HERE / "h5py_keys.h5", "w") as f:
    f["train/images"] = PIXELS
    f["train/labels"] = LABELS
    f["test/images"] = np.moveaxis(PIXELS, -1, 1).astype("f4") / 255
    f["test/labels"] = LABELS.astype("u1")
    f["grey"] = PIXELS[..., 0]
    f["valid/images"] = PIXELS
    f["valid/labels"] = LABELS
    f["overshot"] = (PIXELS / 64).astype("f4")
    f["ones"] = PIXELS // 64
    f["thin"] = np.zeros((10, 3, 5, 1), "u1")
    f["unclear"] = np.zeros((10, 3, 5, 3), "u1")
    f["standardised"] = PIXELS.astype("f4") / 127.5 - 1
