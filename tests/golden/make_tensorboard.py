#!/usr/bin/env python3
"""Writes tensorboard.safetensors beside this script: what TensorBoard's own reader finds in an event file
that PyTorch's SummaryWriter made.

    python3 tests/golden/make_tensorboard.py

    logits, labels    of 60 images, 6 classes; none is of the last
    curve.<class>     (6, 127): true and false positives, true and false negatives, precision, recall
    values            of a parameter
    moments           of its histogram: min, max, num, sum, sum_squares
    limits, counts    its bins, without the empty one that SummaryWriter puts in front

tests/train/test_tensorboard.c trains nothing, but tells the watcher of these images and this parameter, and
reads what it wrote."""
import os
import tempfile

import numpy as np
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util
from torch.utils.tensorboard import SummaryWriter

import safetensors

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGES, CLASSES, THRESHOLDS, BINS = 60, 6, 127, 30
CURVES = (0, 3, 5)


def main():
    rng = np.random.default_rng(20)
    labels = rng.integers(0, CLASSES - 1, IMAGES)
    logits = rng.normal(size=(IMAGES, CLASSES)).astype(np.float32)
    logits[np.arange(IMAGES), labels] += 1.5
    e = np.exp(logits.astype(np.float64))
    probs = (e / e.sum(1, keepdims=True)).astype(np.float32).astype(np.float64)
    values = rng.normal(scale=0.2, size=432).astype(np.float32)
    out = {"logits": logits, "labels": labels.astype(np.float64), "values": values}
    with tempfile.TemporaryDirectory() as folder:
        with SummaryWriter(folder) as writer:
            for c in CURVES:
                writer.add_pr_curve(f"curve.{c}", (labels == c).astype(np.int64), probs[:, c], 1,
                                    num_thresholds=THRESHOLDS)
            writer.add_histogram("values", values.astype(np.float64), 1, bins=BINS)
        found = EventAccumulator(folder, size_guidance={"histograms": 0, "tensors": 0}).Reload()
        for c in CURVES:
            out[f"curve.{c}"] = tensor_util.make_ndarray(found.Tensors(f"curve.{c}")[0].tensor_proto)
        h = found.Histograms("values")[0].histogram_value
    out["moments"] = np.array([h.min, h.max, h.num, h.sum, h.sum_squares])
    assert h.bucket[0] == 0
    out["limits"] = np.array(h.bucket_limit[1:])
    out["counts"] = np.array(h.bucket[1:], np.float64)
    safetensors.write(os.path.join(HERE, "tensorboard.safetensors"), out, dict(torch=torch.__version__))


if __name__ == "__main__":
    main()
