#!/usr/bin/env python3
"""Writes losses.safetensors: losses and their gradients by PyTorch, torchvision and timm.

Run with these: ./make_losses.py FOLDER
Cases of rows have several labels: class k of image i is wanted where (i + 2 k) % 3 is 0, nothing of image 0.
`logits`, `teacher` (N, CLASSES), `labels` (N) and `weights` (CLASSES) belong to all cases. A case has `<name>.loss` (N),
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
ROWS = ((torch.arange(N)[:, None] + 2 * torch.arange(CLASSES)) % 3 == 0).double()
ROWS[0] = 0
TEACHER = numbers(N * CLASSES, 1.1).reshape(N, CLASSES)
ALPHA, TAU, SMOOTHING = 0.3, 2.5, 0.1


def rows(losses):
    """Of (N, CLASSES) terms: their mean over classes, for each image."""
    return losses.mean(1)


def weighted(mixed):
    """Class weights with label smoothing, each image's part of torch's own mean."""
    targets = (1 - SHARE) * ONE_HOT + SHARE * OTHER if mixed else LABELS
    scale = 1 if mixed else N / WEIGHTS[LABELS].sum()

    def loss(x):
        of_rows = scale * F.cross_entropy(x, targets, WEIGHTS, reduction="none", label_smoothing=SMOOTHING)
        mean = F.cross_entropy(x, targets, WEIGHTS, label_smoothing=SMOOTHING)
        assert torch.allclose(of_rows.mean(), mean, rtol=1e-12)
        return of_rows
    return loss


def distilled(hard):
    """Hinton's soft targets, and DeiT's hard ones, whose soft ones divide by the number of classes, too."""
    def loss(x):
        own = F.cross_entropy(x, LABELS, reduction="none")
        if hard:
            taught = F.cross_entropy(x, TEACHER.argmax(1), reduction="none")
        else:
            taught = F.kl_div(F.log_softmax(x / TAU, 1), F.log_softmax(TEACHER / TAU, 1), reduction="none",
                              log_target=True).sum(1) * TAU**2
        return (1 - ALPHA) * own + ALPHA * taught
    return loss


def cases():
    yield "weighted_smooth", weighted(False)
    yield "weighted_smooth_mixed", weighted(True)
    yield "distilled_soft", distilled(False)
    yield "distilled_hard", distilled(True)
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
    whole = torch.nn.BCEWithLogitsLoss(reduction="none")
    yield "rows", lambda x: rows(whole(x, ROWS))
    yield "rows_mixed", lambda x: rows(whole(x, (1 - SHARE) * ROWS + SHARE * ROWS.roll(1, 0)))
    yield "rows_focal", lambda x: rows(sigmoid_focal_loss(x, ROWS, 0.25, 2))
    yield "focal", lambda x: rows(sigmoid_focal_loss(x, ONE_HOT, 0.25, 2))
    yield "focal3", lambda x: rows(sigmoid_focal_loss(x, ONE_HOT, -1, 3))


def main(folder):
    tensors = {"logits": LOGITS.numpy(), "labels": LABELS.numpy().astype(np.int32),
               "weights": WEIGHTS.numpy(), "teacher": TEACHER.numpy()}
    for name, loss in cases():
        x = LOGITS.clone().requires_grad_()
        of_rows = loss(x)
        of_rows.mean().backward()
        tensors[name + ".loss"] = of_rows.detach().numpy().astype(np.float64)
        tensors[name + ".gradient"] = x.grad.numpy()
    safetensors.write(os.path.join(folder, "losses.safetensors"), tensors)


if __name__ == "__main__":
    main(sys.argv[1])
