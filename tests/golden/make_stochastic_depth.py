#!/usr/bin/env python3
"""Writes stochastic_depth.safetensors beside this script: what PyTorch computes for resnet8 with stochastic
depth, given the masks that rescl draws.

    python3 tests/golden/make_stochastic_depth.py [--out DIR]

Network, weights and batch are those of resnet8.safetensors (make_golden.py). The branch of block k of n is
multiplied, for each image, by 0 or by 1 / (1 - p_k), p_k = P * k / (n - 1): torchvision.ops.stochastic_depth
in its mode "row", whose formula is used here with the masks of src/op/dropout.c, and timm's linear rule.

    masks         (blocks, images): 0 or 1
    loss, logits  float64, of the training forward
    grad.<param>  gradient of the mean loss (record of make_golden.py)
"""
import argparse
import os

import numpy as np
import torch
import torch.nn.functional as F

import make_golden
import networks
import philox
import safetensors

MODEL, P, SEED, STEP = "resnet8", 0.5, 11, 0


def keeps(block, blocks, images):
    """rate and mask of a block: stream 2 + block of the run's seed, one number for each image."""
    rate = float(np.float32(P * block / (blocks - 1)))
    least = int(np.ceil(rate * 2.0 ** 24))
    return rate, (philox.words(SEED, 2 + block, images) >> np.uint32(8)) >= least


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default=make_golden.HERE, help="folder to write to")
    args = parser.parse_args()
    case = make_golden.CASES[MODEL]
    net = networks.Network(MODEL, case["size"], case["classes"])
    values = make_golden.perturbed(net, net.initial(make_golden.SEED))
    pixels, labels = make_golden.batch(case, 0)
    make_golden.step_aside(net, values, pixels)
    leaves = net.tensors(values, torch.float64)
    blocks = sum(layer.kind == "add" for layer in net.layers)
    made, masks = {"input": torch.tensor(pixels).permute(0, 3, 1, 2).contiguous()}, []
    for layer in net.layers:
        x = [made[s] for s in layer.src]
        if layer.kind == "add":
            rate, keep = keeps(len(masks), blocks, case["batch"])
            noise = torch.tensor(keep.astype(np.float64)).view(-1, 1, 1, 1) / (1.0 - rate)
            x[0] = x[0] * noise
            masks.append(keep)
        made[layer.name] = net.run(layer, x, leaves, True)
    logits = made[net.layers[-1].name]
    loss = F.cross_entropy(logits, torch.tensor(labels))
    loss.backward()
    masks = np.array(masks)
    assert masks[0].all() and not masks[1:].all() and masks[1:].any(), masks
    out = {"masks": masks.astype(np.uint8), "loss": np.array([loss.item()]),
           "logits": logits.detach().numpy()}
    for p in net.params:
        if p.trainable:
            g = networks.to_ours(p, leaves[p.name].grad.numpy())
            out["grad." + p.name] = make_golden.record(g, 64)
    path = os.path.join(args.out, "stochastic_depth.safetensors")
    safetensors.write(path, out, dict(torch=torch.__version__, seed=SEED, rate=P))
    print(f"{path}: loss {loss.item():.9f}, masks {masks.astype(int).tolist()}")


if __name__ == "__main__":
    main()
