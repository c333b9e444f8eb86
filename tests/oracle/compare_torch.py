#!/usr/bin/env python3
"""Repeats in PyTorch the training steps that export_steps wrote, and says how far ours are away.

    export_steps DATA steps.safetensors
    python3 tests/oracle/compare_torch.py steps.safetensors

Steps in bf16, of which several files are read, are held against PyTorch's autocast in bfloat16:

    for seed in 1 2 3; do
        export_steps DATA bf16_$seed.safetensors resnet50 32 10 cpu bf16 $seed
    done
    python3 tests/oracle/compare_torch.py bf16_*.safetensors

Exits with 1 when a criterion of docs/verification.md is missed.
"""
import contextlib
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
import networks
import safetensors

LOSS_TOLERANCE, GRAD_TOLERANCE, SCATTER = 1e-5, 1e-4, 3.0
NARROW_SCATTER = 1.5


class Decided(networks.Network):
    """A network that takes the branches that ours took: the same side of every relu, the same
    element of every max pooling. Where an input is within rounding of 0 the sign is arbitrary, and
    the gradient jumps there; with the branches given, it is smooth, and rounding is all that is
    left to differ."""

    decisions = None  # {layer: mask, or index into the padded map}

    def run(self, layer, x, leaves, training):
        if layer.name not in (self.decisions or {}):
            return super().run(layer, x, leaves, training)
        chosen = self.decisions[layer.name]
        if layer.kind == "relu":
            return x[0] * chosen
        padded = F.pad(x[0], (self.spec["pool_pad"],) * 4)
        return padded.flatten(2).gather(2, chosen.flatten(2)).view(chosen.shape)


def decisions_of(net, positive, pooled):
    """From NCHW tensors by layer: relu outputs (or masks of them), and what each pooling read."""
    found = {}
    for layer in net.layers:
        if layer.kind == "relu":
            found[layer.name] = (positive[layer.name] > 0).double()
        elif layer.kind == "maxpool":
            x = F.pad(pooled[layer.name], (net.spec["pool_pad"],) * 4)
            found[layer.name] = F.max_pool2d(x, 3, 2, return_indices=True)[1]
    return found


def exported_decisions(net, tensors):
    def nchw(kind):
        return {name[len(kind):]: torch.tensor(t).permute(0, 3, 1, 2)
                for name, t in tensors.items() if name.startswith(kind)}
    return decisions_of(net, nchw("mask."), nchw("pooled."))


def autocast():
    return torch.autocast("cpu", dtype=torch.bfloat16)


def gradients(net, values, batch, dtype, decisions=None, decided=None,
              context=contextlib.nullcontext):
    """Loss and gradients. Fills the dict `decided`, if given, with the branches taken."""
    net.decisions = decisions
    leaves, outputs = net.tensors(values, dtype), {}
    with context():
        logits = net.forward(leaves, torch.tensor(batch[0], dtype=dtype),
                             visit=lambda name, y: outputs.update({name: y.detach()}))
        loss = F.cross_entropy(logits, torch.tensor(batch[1]))
    loss.backward()
    net.decisions = None
    if decided is not None:
        pooled = {layer.name: outputs[layer.src[0]] for layer in net.layers
                  if layer.kind == "maxpool"}
        decided.update(decisions_of(net, outputs, pooled))
    return loss.item(), {p.name: networks.to_ours(p, leaves[p.name].grad.double().numpy())
                         for p in net.params if p.trainable}


def train(net, values, batches, dtype, lr, eps, context=contextlib.nullcontext):
    leaves = net.tensors(values, dtype)
    adam = torch.optim.Adam([leaves[p.name] for p in net.params if p.trainable], lr=lr, eps=eps)
    losses = []
    for pixels, labels in batches:
        adam.zero_grad()
        with context():
            loss = F.cross_entropy(net.forward(leaves, torch.tensor(pixels, dtype=dtype)),
                                   torch.tensor(labels))
        loss.backward()
        adam.step()
        losses.append(loss.item())
    return np.array(losses)


def is_idle(net, name):
    """The bias of a convolution, which the normalisation after it takes away: gradient 0."""
    return name.endswith(".bias") and any(
        layer.kind == "conv" and layer.name == name[:-len(".bias")] for layer in net.layers)


def distances(net, got, want):
    """Relative L2 distances by parameter, and the largest idle gradient beside its layer's."""
    far, idle = {}, 0.0
    for name in want:
        if is_idle(net, name):
            weight = want[name[:-len("bias")] + "weight"]
            idle = max(idle, np.linalg.norm(got[name]) / np.linalg.norm(weight))
        else:
            far[name] = np.linalg.norm(got[name] - want[name]) / np.linalg.norm(want[name])
    return far, idle


def show(what, far, idle):
    worst = max(far, key=far.get)
    above = sum(d > GRAD_TOLERANCE for d in far.values())
    print(f"  {what}: median {np.median(list(far.values())):.1e}, largest {far[worst]:.1e} "
          f"({worst}), {above} of {len(far)} above {GRAD_TOLERANCE:.0e}; idle {idle:.1e}")
    return far[worst]


def load(path):
    """Network, values before the first step, batches, the tensors and the facts of a file."""
    tensors, meta = safetensors.read(path)
    steps, n, size = (int(meta[k]) for k in ("steps", "batch", "size"))
    net = Decided(meta["model"], size, int(meta["classes"]))
    values = {p.name: tensors["weight." + p.name].astype(np.float64) for p in net.params}
    pixels = tensors["pixels"].reshape(steps, n, size, size, 3)
    print(f"{path}: {meta['model']}, {size}x{size}, batch {n}, {meta['precision']}; "
          f"PyTorch {torch.__version__}")
    return net, values, list(zip(pixels, tensors["labels"].astype(np.int64))), tensors, meta


def compare_narrow(paths):
    """How far our bf16 and PyTorch's autocast are from float64: over all files, the root mean
    square of the losses' distances, and the median distance of the first step's gradients."""
    losses, grads = {"ours": [], "autocast": []}, {"ours": [], "autocast": []}
    for path in paths:
        net, values, batches, tensors, meta = load(path)
        if meta["precision"] != "bf16":
            sys.exit(f"{path} holds steps in {meta['precision']}: bf16 is expected of several files")
        lr, eps = float(meta["lr"]), float(meta["eps"])
        exact = train(net, values, batches, torch.float64, lr, eps)
        theirs = train(net, values, batches, torch.float32, lr, eps, autocast)
        losses["ours"].append(tensors["losses"] - exact)
        losses["autocast"].append(theirs - exact)
        for i, loss in enumerate(exact):
            print(f"{i + 1:4} {loss:12.8f} {losses['ours'][-1][i]:15.1e} "
                  f"{losses['autocast'][-1][i]:15.1e}")
        _, want = gradients(net, values, batches[0], torch.float64)
        _, single = gradients(net, values, batches[0], torch.float32, context=autocast)
        ours = {p.name: tensors["grad." + p.name].astype(np.float64)
                for p in net.params if p.trainable}
        for who, got in (("ours", ours), ("autocast", single)):
            far, _ = distances(net, got, want)
            grads[who].append(np.median(list(far.values())))
    missed = []
    for what, found, mean in (("losses", losses, lambda d: np.sqrt(np.mean(np.square(d)))),
                              ("gradients", grads, np.mean)):
        ours, theirs = mean(found["ours"]), mean(found["autocast"])
        print(f"{what}: ours {ours:.2e}, autocast {theirs:.2e} from float64, ratio "
              f"{ours / theirs:.2f}")
        if not ours <= NARROW_SCATTER * theirs:
            missed.append(what)
    return missed


def compare_single(path):
    net, values, batches, tensors, meta = load(path)
    steps = len(batches)
    ours = {p.name: tensors["grad." + p.name].astype(np.float64)
            for p in net.params if p.trainable}
    missed = []

    theirs = {}
    loss, exact = gradients(net, values, batches[0], torch.float64)
    _, single = gradients(net, values, batches[0], torch.float32, decided=theirs)
    away = abs(tensors["losses"][0] - loss) / loss
    print(f"first loss: ours {tensors['losses'][0]:.9f}, float64 {loss:.9f}, {away:.1e} away")
    if not away <= LOSS_TOLERANCE:
        missed.append("first loss")

    print("gradients of the first step, relative L2 distance from PyTorch's float64:")
    show("ours", *distances(net, ours, exact))
    show("PyTorch's float32", *distances(net, single, exact))
    print("and from float64 that takes the same branches:")
    _, as_ours = gradients(net, values, batches[0], torch.float64,
                           exported_decisions(net, tensors))
    _, as_theirs = gradients(net, values, batches[0], torch.float64, theirs)
    ours_worst = show("ours", *distances(net, ours, as_ours))
    their_worst = show("PyTorch's float32", *distances(net, single, as_theirs))
    if not ours_worst <= max(GRAD_TOLERANCE, SCATTER * their_worst):
        missed.append("gradients")

    lr, eps = float(meta["lr"]), float(meta["eps"])
    exact = train(net, values, batches, torch.float64, lr, eps)
    single = train(net, values, batches, torch.float32, lr, eps)
    print(f"{'step':>4} {'float64':>12} {'ours - float64':>15} {'float32 - float64':>18}")
    for i in range(steps):
        print(f"{i + 1:4} {exact[i]:12.8f} {tensors['losses'][i] - exact[i]:15.1e} "
              f"{single[i] - exact[i]:18.1e}")
    near, scatter = np.abs(tensors["losses"] - exact).max(), np.abs(single - exact).max()
    print(f"largest distance over {steps} steps: ours {near:.1e}, PyTorch's float32 {scatter:.1e}")
    if not near <= SCATTER * scatter:
        missed.append("losses")
    return missed


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    narrow = safetensors.read(sys.argv[1])[1]["precision"] == "bf16"
    if not narrow and len(sys.argv) > 2:
        sys.exit("several files are expected of bf16 alone")
    missed = compare_narrow(sys.argv[1:]) if narrow else compare_single(sys.argv[1])
    print("missed: " + ", ".join(missed) if missed else "all criteria are met")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
