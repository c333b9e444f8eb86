#!/usr/bin/env python3
"""Writes multi_label.safetensors beside this script: scikit-learn's scores of images of any number of labels, and ten
training steps of resnet8 by torch.nn.BCEWithLogitsLoss.

    python3 tests/golden/make_multi_label.py

Of each case of scores: probs and targets (images, classes); per class precision, recall, F1, support and average
precision of what is above 0.5; their macro, weighted and micro means (micro without an average precision, 0); subset
accuracy and log loss, the mean over classes.
losses.f64, losses.f32: as those of make_golden.py, of its resnet8 and batches, by Adam; class k of an image whose
label is l is wanted where k is l or (3 k + l) % 4 is 0, and nothing of the last image of a batch."""
import os
import warnings

import numpy as np
import sklearn
import torch
from sklearn import metrics

import make_golden
import networks
import safetensors

HERE = os.path.dirname(os.path.abspath(__file__))


def cases():
    rng = np.random.default_rng(21)

    def skilled(targets, skill):
        logits = rng.normal(size=targets.shape) + skill * (targets - 0.5)
        return (1 / (1 + np.exp(-logits))).astype(np.float32)

    targets = (rng.random((300, 6)) < [0.5, 0.3, 0.1, 0.02, 0.9, 0]).astype(np.uint8)  # class 5 has no image
    yield "rare", skilled(targets, 2.0), targets
    targets = (rng.random((101, 3)) < 0.4).astype(np.uint8)
    targets[::7] = 0
    yield "ties", np.round(skilled(targets, 1.0), 1).astype(np.float32), targets
    targets = np.eye(4, dtype=np.uint8)[rng.integers(0, 4, 50)]
    yield "one_each", skilled(targets, 3.0), targets
    targets = (rng.random((20, 40)) < 0.5).astype(np.uint8)
    yield "many", skilled(targets, 0.5), targets


def scores(probs, targets):
    above = (probs > 0.5).astype(np.uint8)
    table = metrics.precision_recall_fscore_support(targets, above, zero_division=0)
    area = metrics.average_precision_score(targets, probs, average=None)
    means = []
    for average in ("macro", "weighted", "micro"):
        p, r, f, _ = metrics.precision_recall_fscore_support(targets, above, zero_division=0, average=average)
        mean = 0 if average == "micro" else metrics.average_precision_score(targets, probs, average=average)
        means.append([p, r, f, mean])
    loss = torch.nn.functional.binary_cross_entropy(torch.tensor(probs).double(), torch.tensor(targets).double())
    return {"probs": probs, "targets": targets.astype(np.float64),
            "classes": np.column_stack((*table, area)).astype(np.float64),
            "means": np.array(means, np.float64),
            "summary": np.array([metrics.accuracy_score(targets, above), loss.item()], np.float64)}


def rows_of(labels, classes):
    k = np.arange(classes)
    rows = (k == labels[:, None]) | ((3 * k + labels[:, None]) % 4 == 0)
    rows[-1] = False
    return rows.astype(np.float64)


def losses(dtype, order):
    case = make_golden.CASES["resnet8"]
    net = networks.Network("resnet8", case["size"], case["classes"])
    values = make_golden.perturbed(net, net.initial(make_golden.SEED))
    make_golden.step_aside(net, values, make_golden.batch(case, 0)[0])
    leaves = net.tensors(values, dtype)
    opt = make_golden.optimiser("adam", net, leaves)
    loss_of = torch.nn.BCEWithLogitsLoss()
    out = []
    for step in range(case["steps"]):
        pixels, labels = make_golden.batch(case, step)
        rows = rows_of(labels, case["classes"])
        opt.zero_grad()
        logits = net.forward(leaves, torch.tensor(pixels[order], dtype=dtype))
        loss = loss_of(logits, torch.tensor(rows[order], dtype=dtype))
        loss.backward()
        opt.step()
        out.append(loss.item())
    return np.array(out)


def main():
    warnings.simplefilter("ignore")  # of classes without images
    out = {}
    for name, probs, targets in cases():
        for key, array in scores(probs, targets).items():
            out[name + "." + key] = array
    n = make_golden.CASES["resnet8"]["batch"]
    orders = [np.roll(np.arange(n), i) for i in range(n)]
    out["losses.f64"] = losses(torch.float64, orders[0])
    out["losses.f32"] = np.array([losses(torch.float32, o) for o in orders])
    safetensors.write(os.path.join(HERE, "multi_label.safetensors"), out,
                      dict(sklearn=sklearn.__version__, torch=torch.__version__))


if __name__ == "__main__":
    main()
