#!/usr/bin/env python3
"""Writes scores.safetensors beside this script: scikit-learn's scores of a few classifiers.

    python3 tests/golden/make_scores.py

Of each case: probs (images, classes) and labels; per class precision, recall, F1, support and average
precision; their macro and weighted means; top-1 accuracy, top-3 accuracy and the calibration error in 15
bins (Guo et al., ICML 2017) from scikit-learn's calibration_curve; the curve of precision and recall of
`curve_class`."""
import os
import warnings

import numpy as np
import sklearn
from sklearn import calibration, metrics

import safetensors

HERE = os.path.dirname(os.path.abspath(__file__))
BINS = 15


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def cases():
    rng = np.random.default_rng(20)

    def skilled(n, classes, labels, skill):
        logits = rng.normal(size=(n, classes))
        logits[np.arange(n), labels] += skill
        return softmax(logits).astype(np.float32)

    labels = rng.integers(0, 4, 300)
    probs = skilled(300, 6, labels, 1.5)
    probs[:, 5] *= 1e-3  # class 4 has no image; class 5 has none and is never predicted
    yield "absent", probs, labels, 4
    yield "absent_curve", probs, labels, 1
    labels = rng.integers(0, 2, 101)
    yield "two", skilled(101, 2, labels, 2.0), labels, 1
    labels = rng.integers(0, 3, 200)
    yield "ties", np.round(skilled(200, 3, labels, 1.0), 1).astype(np.float32), labels, 0
    labels = np.concatenate((rng.integers(0, 25, 60), [0] * 40))
    yield "many", skilled(100, 25, labels, 2.5), labels, 0


def first_best(probs, k):
    """Equal ones rank by index, as torch.topk has it."""
    return np.argsort(-probs, axis=1, kind="stable")[:, :k]


def calibration_error(hit, certainty):
    true, said = calibration.calibration_curve(hit, certainty, n_bins=BINS, strategy="uniform")
    edges = np.linspace(0, 1, BINS + 1)
    n = np.bincount(np.searchsorted(edges[1:-1], certainty), minlength=BINS)
    return (np.abs(true - said) * n[n > 0]).sum() / n.sum()


def scores(probs, labels, curve_class):
    classes = probs.shape[1]
    best = first_best(probs, 1)[:, 0]
    table = metrics.precision_recall_fscore_support(labels, best, labels=range(classes), zero_division=0)
    own = np.eye(classes, dtype=int)[labels]
    area = metrics.average_precision_score(own, probs, average=None)
    means = []
    for average in ("macro", "weighted"):
        p, r, f, _ = metrics.precision_recall_fscore_support(
            labels, best, labels=range(classes), zero_division=0, average=average)
        means.append([p, r, f, metrics.average_precision_score(own, probs, average=average)])
    certainty = probs[np.arange(len(labels)), best].astype(np.float64)
    top3 = (first_best(probs, 3) == labels[:, None]).any(1).mean()
    p, r, t = metrics.precision_recall_curve(own[:, curve_class], probs[:, curve_class])
    return {
        "probs": probs,
        "labels": labels.astype(np.float64),
        "classes": np.column_stack((*table, area)).astype(np.float64),
        "means": np.array(means, np.float64),
        "summary": np.array([(best == labels).mean(), top3,
                             calibration_error(best == labels, certainty)], np.float64),
        "confusion": metrics.confusion_matrix(labels, best, labels=range(classes)).astype(np.float64),
        "curve_class": np.array([curve_class], np.float64),
        "curve": np.column_stack((np.append(t, np.inf), p, r)).astype(np.float64),
    }


def main():
    warnings.simplefilter("ignore")  # of classes without images
    out = {}
    for name, probs, labels, curve_class in cases():
        for key, array in scores(probs, labels, curve_class).items():
            out[name + "." + key] = array
    safetensors.write(os.path.join(HERE, "scores.safetensors"), out, dict(sklearn=sklearn.__version__))


if __name__ == "__main__":
    main()
