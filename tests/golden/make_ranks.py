#!/usr/bin/env python3
"""Writes ranks.csv: the losses of ten steps of resnet8 on one whole batch, by PyTorch in float64.

    python3 make_ranks.py [--out DIR]

tests/cli/ranks_golden.sh makes the same images, and trains on them by several processes. SGD with momentum on
16 images of 32x32 in 4 classes; before each update:

    synced    normalised by the statistics of the whole batch
    frozen    by the running ones, which stay at 0 and 1: what is left of it is an affine map

The row "scatter" is how far PyTorch's own float32 is away at most, with the images in several orders.
"""
import argparse
import os

import numpy as np
import torch
import torch.nn.functional as F

import networks

HERE = os.path.dirname(os.path.abspath(__file__))
N, SIZE, CLASSES, STEPS, SEED = 16, 32, 4, 10, 3
LR, MOMENTUM = {"synced": 0.02, "frozen": 0.002}, 0.9


def images():
    i, y, x, c = np.meshgrid(*(np.arange(n) for n in (N, SIZE, SIZE, 3)), indexing="ij")
    return (37 * i + 61 * c + (i + 3) * y * y + (c + 2) * x * (y + 5)) % 256 / 255.0


def losses(net, case, dtype, order):
    leaves = net.tensors(net.initial(SEED), dtype)
    opt = torch.optim.SGD([leaves[p.name] for p in net.params if p.trainable], lr=LR[case], momentum=MOMENTUM)
    pixels = torch.tensor(images()[order], dtype=dtype)
    labels = torch.tensor(order % CLASSES)
    out = []
    for _ in range(STEPS):
        opt.zero_grad()
        loss = F.cross_entropy(net.forward(leaves, pixels, training=case == "synced"), labels)
        loss.backward()
        opt.step()
        out.append(loss.item())
    return np.array(out)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--out", default=HERE)
    net = networks.Network("resnet8", SIZE, CLASSES)
    orders = [np.roll(np.arange(N), 3 * i) for i in range(4)]
    exact = {case: losses(net, case, torch.float64, orders[0]) for case in LR}
    scatter = {case: max(np.abs(losses(net, case, torch.float32, o) - exact[case]).max() for o in orders)
               for case in LR}
    with open(os.path.join(args.parse_args().out, "ranks.csv"), "w") as f:
        print("step", *LR, sep=",", file=f)
        for step in range(STEPS):
            print(step + 1, *(f"{exact[case][step]:.12g}" for case in LR), sep=",", file=f)
        print("scatter", *(f"{scatter[case]:.3g}" for case in LR), sep=",", file=f)


if __name__ == "__main__":
    main()
