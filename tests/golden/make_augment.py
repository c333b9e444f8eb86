#!/usr/bin/env python3
"""Writes augment_<what>.safetensors: images changed by torchvision, augment_keras by Keras.

Run with torchvision, and with Keras on PyTorch (KERAS_BACKEND=torch): ./make_augment.py FOLDER
A file has the `image` that all its cases begin with, and for each case `<name>.out`, the image that
came out, and `<name>.numbers`, what was drawn: tests/data/test_augment_golden.c says in which order."""

import math
import os
import sys

import numpy as np
from PIL import Image
import torch
import torchvision.transforms.autoaugment as autoaugment
import torchvision.transforms.functional as F
from torchvision.transforms import InterpolationMode

import safetensors

BILINEAR = InterpolationMode.BILINEAR


def picture(width, height):
    """Gradients, checks and a little noise."""
    i = np.arange(width * height * 3, dtype=np.uint64)
    c, x, y = i % 3, i // 3 % width, i // 3 // width
    noise = (i * 2654435761 % 2**32) >> 28
    v = x * (3 + c) + y * (5 - c) + 50 * ((x // 7 + y // 5) & 1) + noise
    return (v % 256).astype(np.uint8).reshape(height, width, 3)


IMAGE = picture(40, 32)
PIL_IMAGE = Image.fromarray(IMAGE)
TENSOR = torch.from_numpy(IMAGE).permute(2, 0, 1)


def bytes_of(out):
    if isinstance(out, torch.Tensor):
        return out.permute(1, 2, 0).contiguous().numpy()
    return np.asarray(out)


def write(folder, what, cases, image=IMAGE):
    tensors = {"image": image}
    for name, (numbers, out) in cases.items():
        tensors[name + ".numbers"] = np.array(numbers, dtype=np.float64)
        tensors[name + ".out"] = bytes_of(out)
    safetensors.write(os.path.join(folder, f"augment_{what}.safetensors"), tensors)


def affine():
    """angle, translate_x, translate_y, scale, shear_x, shear_y (degrees and pixels), grey."""
    cases = {}
    for i, n in enumerate([(30, 0, 0, 1, 0, 0, 0), (-90, 0, 0, 1, 0, 0, 0), (0, 5, -3, 1, 0, 0, 99),
                           (0, 0, 0, 1.4, 0, 0, 0), (0, 0, 0, 0.6, 0, 0, 200),
                           (0, 0, 0, 1, 20, 0, 0), (0, 0, 0, 1, 0, -15, 0),
                           (17, 4, 2, 1.2, -12, 8, 50)]):
        out = F.affine(PIL_IMAGE, n[0], [n[1], n[2]], n[3], [n[4], n[5]], BILINEAR, [n[6]] * 3)
        cases[str(i)] = (n, out)
    return cases


def perspective():
    """x, y of the corners, clockwise from the top left."""
    cases = {}
    start = [[0, 0], [39, 0], [39, 31], [0, 31]]
    for i, end in enumerate([[[0, 0], [39, 0], [39, 31], [0, 31]],
                             [[3, 5], [37, 2], [33, 28], [6, 25]],
                             [[9, 0], [39, 7], [31, 31], [0, 24]]]):
        out = F.perspective(PIL_IMAGE, start, end, BILINEAR, [0, 0, 0])
        cases[str(i)] = ([v for corner in end for v in corner], out)
    return cases


def crop():
    """left, top, width, height of what is cut out, and the side that it is resized to."""
    cases = {}
    for i, (left, top, w, h, side) in enumerate([(3, 4, 20, 20, 16), (0, 0, 40, 32, 24),
                                                 (7, 2, 30, 11, 16), (20, 5, 9, 25, 28)]):
        out = F.resized_crop(PIL_IMAGE, top, left, h, w, [side, side], BILINEAR)
        cases[str(i)] = ((left, top, w, h, side), out)
    return cases


def auto():
    """operation, magnitude: each operation as RandAugment (9), TrivialAugment and AutoAugment take it."""
    names = list(autoaugment.RandAugment()._augmentation_space(31, (32, 40))) + ["Invert"]
    spaces = [(autoaugment.RandAugment()._augmentation_space(31, (32, 40)), 9),
              (autoaugment.TrivialAugmentWide()._augmentation_space(31), 30),
              (autoaugment.TrivialAugmentWide()._augmentation_space(31), 12),
              (autoaugment.AutoAugment()._augmentation_space(10, (32, 40)), 7)]
    cases = {}
    for k, (space, bin) in enumerate(spaces):
        for op, (magnitudes, signed) in space.items():
            m = float(magnitudes[bin]) if magnitudes.ndim else 0.0
            for sign in ([1, -1] if signed else [1]):
                out = autoaugment._apply_op(PIL_IMAGE, op, sign * m, BILINEAR, [0, 0, 0])
                cases[f"{k}.{op}.{sign}"] = ((names.index(op), sign * m), out)
    return cases


def keras_cases():
    """The inverse matrix (m0 to m5 of rs_image_warp), the place of the mode, grey; and, where one thing is
    done alone, angle, scale, translate_x, translate_y as torchvision would have them."""
    import scipy.ndimage
    if not hasattr(scipy.ndimage, "interpolation"):
        scipy.ndimage.interpolation = scipy.ndimage  # the name that Keras uses
    from keras.src.legacy.preprocessing.image import apply_affine_transform
    side = 64
    image = picture(side, side)
    cases = {}
    for mode_at, mode in enumerate(["constant", "nearest", "reflect", "wrap"]):
        for i, (theta, tx, ty, shear, zoom) in enumerate([
                (25, 0, 0, 0, 1), (0, 7.5, -4.25, 0, 1), (0, 0, 0, 0, 1.5), (0, 0, 0, 0, 0.7),
                (0, 0, 0, 30, 1), (-40, 12, 6, 20, 1.3)]):
            grey = 120
            out = apply_affine_transform(image.astype(np.float64), theta, tx, ty, shear, zoom, zoom,
                                         0, 1, 2, fill_mode=mode, cval=grey)
            t, s = math.radians(theta), math.radians(shear)
            m = np.array([[math.cos(t), -math.sin(t), 0], [math.sin(t), math.cos(t), 0], [0, 0, 1]])
            m = m @ np.array([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
            m = m @ np.array([[1, -math.sin(s), 0], [0, math.cos(s), 0], [0, 0, 1]])
            m = m @ np.diag([zoom, zoom, 1])
            middle = np.array([[1, 0, side / 2], [0, 1, side / 2], [0, 0, 1]])
            m = middle @ m @ np.linalg.inv(middle)
            numbers = [*m[0], *m[1], mode_at, grey]
            if shear == 0 and (theta != 0) + (tx != 0) + (zoom != 1) == 1:
                numbers += [-theta, 1 / zoom, -tx, -ty]
            cases[f"{mode}.{i}"] = (numbers, np.clip(np.rint(out), 0, 255).astype(np.uint8))
    return cases, image


def mix(folder):
    """MixUp and CutMix of 4 images of labels 2, 0, 5, 1 of 6 classes. <name>.numbers: the share of the other
    image, and for CutMix the box's middle; .out: images, .targets: rows of probabilities, .loss: of
    `logits`, without label smoothing and with 0.1, and .gradient: by the logits, of its mean with it."""
    from torchvision.transforms import v2
    images = torch.stack([torch.from_numpy(np.roll(picture(24, 20), 3 * i, (0, 1)) // (i + 1))
                          for i in range(4)]).permute(0, 3, 1, 2)
    labels = torch.tensor([2, 0, 5, 1])
    logits = torch.tensor(np.arange(24).reshape(4, 6) * 7 % 11 / 3 - 2, dtype=torch.float64)
    tensors = {"images": images.permute(0, 2, 3, 1).contiguous().numpy(),
               "labels": labels.numpy().astype(np.int32), "logits": logits.numpy()}

    def keep(name, transform, numbers, params):
        params = dict(params, labels=labels, batch_size=4)
        one_hot = torch.nn.functional.one_hot(labels, 6).double()
        targets = transform._mixup_label(one_hot, lam=params.get("lam", params.get("lam_adjusted")))
        out = transform.transform(images.double(), params).round().to(torch.uint8)
        x = logits.clone().requires_grad_(True)
        losses = [torch.nn.functional.cross_entropy(x, targets, reduction="none", label_smoothing=e)
                  for e in (0, 0.1)]
        losses[1].mean().backward()
        tensors.update({name + ".numbers": np.array(numbers, dtype=np.float64),
                        name + ".out": out.permute(0, 2, 3, 1).contiguous().numpy(),
                        name + ".targets": targets.numpy(),
                        name + ".loss": torch.stack(losses).detach().numpy(),
                        name + ".gradient": x.grad.numpy()})

    for share in (0.0, 0.27, 0.5, 0.81):
        keep(f"mixup{share}", v2.MixUp(num_classes=6), [share], {"lam": 1 - share})
    for share, x, y in ((0.3, 12, 10), (0.6, 3, 18), (0.2, 23, 0)):
        r = 0.5 * math.sqrt(share)
        w, h = int(r * 24), int(r * 20)
        box = [max(x - w, 0), max(y - h, 0), min(x + w, 24), min(y + h, 20)]
        area = (box[2] - box[0]) * (box[3] - box[1]) / (24 * 20)
        keep(f"cutmix{share}", v2.CutMix(num_classes=6), [share, x, y],
             {"box": box, "lam_adjusted": 1 - area})
    safetensors.write(os.path.join(folder, "augment_mix.safetensors"), tensors)


def main(folder):
    mix(folder)
    write(folder, "affine", affine())
    write(folder, "perspective", perspective())
    write(folder, "crop", crop())
    write(folder, "auto", auto())
    write(folder, "flip", {"h": ([0], F.hflip(PIL_IMAGE)), "v": ([1], F.vflip(PIL_IMAGE))})
    write(folder, "hue", {str(h): ([h], F.adjust_hue(TENSOR, h)) for h in (-0.5, -0.2, 0.07, 0.33)})
    write(folder, "grayscale", {"0": ([], F.to_grayscale(PIL_IMAGE, 3))})
    write(folder, "blur", {str(s): ([s], F.gaussian_blur(TENSOR, [23, 23], [s, s]))
                           for s in (0.1, 0.6, 1.3, 2.0)})
    write(folder, "erase", {str(i): (n, F.erase(TENSOR, n[1], n[0], n[3], n[2],
                                                torch.tensor([124, 116, 104]).view(3, 1, 1)))
                            for i, n in enumerate([(3, 4, 10, 7), (0, 0, 39, 31), (30, 20, 10, 12)])})
    write(folder, "keras", *keras_cases())


if __name__ == "__main__":
    main(sys.argv[1])
