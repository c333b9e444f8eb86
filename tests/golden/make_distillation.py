#!/usr/bin/env python3
"""Writes distillation.safetensors: ten steps of a resnet8 that learns from another one, by PyTorch.

    python3 make_distillation.py [--out DIR]

Needs numpy and PyTorch. Weights and batches come from counter-based numbers that tests/train/test_distil.c makes
again. All is float64; <case>.f32 is how far PyTorch's own float32 is from it.

    <case>.losses    of ten steps of SGD with momentum, each on a batch of its own
"""
import argparse
import os

import numpy as np
import torch
import torch.nn.functional as F

import networks
import philox
import safetensors

HERE = os.path.dirname(os.path.abspath(__file__))
STUDENT, TEACHER, IMAGES = 3, 4, 5  # seeds
SIZE, CLASSES, BATCH, STEPS = 16, 6, 8, 10
SGD = dict(lr=0.01, momentum=0.9)
STREAM_LABEL = 1 << 20
CASES = {
    "soft": dict(hard=False, alpha=0.5, tau=4.0, smoothing=0.1),
    "hard": dict(hard=True, alpha=0.3, tau=1.0, smoothing=0.0),
}


def batch(step):
    """Bytes, as numbers from 0 to 1, and labels."""
    u = philox.uniform(IMAGES, step, BATCH * SIZE * SIZE * 3)
    pixels = np.float32(np.floor(u * 256) / 255).astype(np.float64)
    return pixels.reshape(BATCH, SIZE, SIZE, 3), philox.below(IMAGES, STREAM_LABEL + step, CLASSES, BATCH)


def loss_of(case, logits, taught, labels):
    """As DeiT's DistillationLoss has it, but for the mean over images alone of the divergence, as Hinton's."""
    own = F.cross_entropy(logits, labels, label_smoothing=case["smoothing"])
    if case["hard"]:
        other = F.cross_entropy(logits, taught.argmax(1))
    else:
        t = case["tau"]
        other = t * t * F.kl_div(F.log_softmax(logits / t, 1), F.log_softmax(taught / t, 1),
                                 reduction="batchmean", log_target=True)
    return (1 - case["alpha"]) * own + case["alpha"] * other


def losses_of(case, dtype):
    net = networks.Network("resnet8", SIZE, CLASSES)
    student, teacher = (net.tensors(net.initial(seed), dtype) for seed in (STUDENT, TEACHER))
    opt = torch.optim.SGD([student[p.name] for p in net.params if p.trainable], **SGD)
    losses = []
    for step in range(STEPS):
        pixels, labels = batch(step)
        x, y = torch.tensor(pixels, dtype=dtype), torch.tensor(labels)
        with torch.no_grad():
            taught = net.forward(teacher, x, training=False)
        opt.zero_grad()
        loss = loss_of(case, net.forward(student, x), taught, y)
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return np.array(losses)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default=HERE, help="folder to write to")
    args = parser.parse_args()
    philox.self_test()
    out = {}
    for name, case in CASES.items():
        exact, single = losses_of(case, torch.float64), losses_of(case, torch.float32)
        out[name + ".losses"] = exact
        out[name + ".f32"] = np.abs(single - exact)
        print(f"{name}: losses {exact[0]:.6f} to {exact[-1]:.6f}, float32 at most "
              f"{np.abs(single / exact - 1).max():.1e} away")
    safetensors.write(os.path.join(args.out, "distillation.safetensors"), out,
                      dict(torch=torch.__version__))


if __name__ == "__main__":
    main()
