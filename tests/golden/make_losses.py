#!/usr/bin/env python3
"""Writes losses.safetensors: losses and their gradients by PyTorch, torchvision and timm.

Run with these: ./make_losses.py FOLDER
`logits` (N, CLASSES), `labels` (N) and `weights` (CLASSES) belong to all cases. A case has `<name>.loss` (N),
each image's part of the mean, and `<name>.gradient` (N, CLASSES), that of the mean."""

import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from timm.loss import BinaryCrossEntropy
from torchvision.ops import sigmoid_focal_loss

import safetensors

N, CLASSES = 5, 7


def numbers(count, step):
    i = np.arange(count, dtype=np.float64)
    return torch.tensor(np.sin(i * step) * 3)


LOGITS = numbers(N * CLASSES, 0.7).reshape(N, CLASSES)
LABELS = torch.tensor([2, 0, 6, 3, 2])
WEIGHTS = numbers(CLASSES, 1.3).abs() + 0.25
ONE_HOT = F.one_hot(LABELS, CLASSES).double()
OTHER = F.one_hot(LABELS.roll(1), CLASSES).double()
SHARE = 0.25


def rows(losses):
    """Of (N, CLASSES) terms: their mean over classes, for each image."""
    return losses.mean(1)


def cases():
    yield "weighted", lambda x: F.cross_entropy(x, LABELS, WEIGHTS, reduction="none") * (
        N / WEIGHTS[LABELS].sum())
    yield "weighted_mixed", lambda x: F.cross_entropy(
        x, (1 - SHARE) * ONE_HOT + SHARE * OTHER, WEIGHTS, reduction="none")
    yield "bce", lambda x: rows(BinaryCrossEntropy(0.0, reduction="none")(x, LABELS))
    yield "bce_smooth", lambda x: rows(BinaryCrossEntropy(0.1, reduction="none")(x, LABELS))
    mixed = (1 - SHARE) * ONE_HOT + SHARE * OTHER
    yield "bce_mixed", lambda x: rows(BinaryCrossEntropy(0.0, reduction="none")(x, mixed))
    yield "bce_threshold", lambda x: rows(
        BinaryCrossEntropy(0.0, target_threshold=0.2, reduction="none")(x, mixed))
    yield "focal", lambda x: rows(sigmoid_focal_loss(x, ONE_HOT, 0.25, 2))
    yield "focal3", lambda x: rows(sigmoid_focal_loss(x, ONE_HOT, -1, 3))


def main(folder):
    tensors = {"logits": LOGITS.numpy(), "labels": LABELS.numpy().astype(np.int32),
               "weights": WEIGHTS.numpy()}
    for name, loss in cases():
        x = LOGITS.clone().requires_grad_()
        of_rows = loss(x)
        of_rows.mean().backward()
        tensors[name + ".loss"] = of_rows.detach().numpy().astype(np.float64)
        tensors[name + ".gradient"] = x.grad.numpy()
    safetensors.write(os.path.join(folder, "losses.safetensors"), tensors)


if __name__ == "__main__":
    main(sys.argv[1])
