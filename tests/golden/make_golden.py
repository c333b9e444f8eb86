#!/usr/bin/env python3
"""Writes the golden files beside this script: what PyTorch computes for the networks of rescl.

    python3 tests/golden/make_golden.py [--out DIR] [MODEL ...]

Needs numpy and PyTorch (Debian's python3-torch); torchvision, where it is installed, checks that
the networks with its names are its own. Weights and batches come from counter-based numbers that
tests/model/golden.c makes again, so that the files hold results only. docs/verification.md says
how the tests compare.

A record is one float32 array: the L2 norm of the whole tensor in our layout (NHWC, RSCK, (in,
out)), then samples of it: element (k * 2654435761) mod count for k = 0, 1, ..., or all of it in
order when it is no longer than the samples asked for.

    input, labels          the first batch (a record; all labels)
    init.<param>           initial value (record)
    nudge.<layer>          what the layer's bias was raised by, in units of NUDGE (see step_aside)
    act.<layer>            output in the first training forward (record)
    logits, loss           of that forward, float64
    grad.<param>           gradient of the mean loss (record)
    grad32                 for each trainable parameter, in order: the distance of PyTorch's own
                           float32 gradient from it, relative, L2
    stat.<param>           running statistic after that forward (record)
    delta.<param>          change by the first SGD step (record)
    eval.logits, eval.loss the same batch in inference, with the initial running statistics
    losses.<optimiser>.f64 of `steps` training steps, each on a batch of its own
    losses.<optimiser>.f32 the same in float32, several times, with the samples of each batch in
                           another order: the scatter that rounding makes, one row for each
All but the last and grad32 are float64 computations.
"""
import argparse
import math
import os

import numpy as np
import torch
import torch.nn.functional as F

import networks
import philox
import safetensors

HERE = os.path.dirname(os.path.abspath(__file__))

CASES = {
    "resnet8": dict(size=32, batch=4, classes=6, acts=1024, grads=1 << 20, steps=10),
    "resnet50_signs": dict(size=64, batch=4, classes=6, acts=64, grads=256, steps=0),
    "resnet50_keras": dict(size=64, batch=4, classes=10, acts=64, grads=256, steps=0),
    "resnet50": dict(size=64, batch=4, classes=10, acts=64, grads=256, steps=0),
}
SMALL = dict(size=64, batch=4, classes=10, acts=16, grads=64, steps=0)
CASES.update({name: SMALL for name in (
    "resnet18", "resnet18_keras", "resnext50_32x4d", "wide_resnet50_2", "resnet101_keras")})
CASES["resnet20"] = dict(SMALL, size=32)
DEPTH = dict(SMALL, grads=16)  # another depth of a network that is there
CASES.update({name: DEPTH for name in (
    "resnet34", "resnet34_keras", "resnet101", "resnet152", "resnet152_keras", "wide_resnet101_2",
    "resnext101_32x8d", "resnext101_64x4d")})
CASES.update({name: dict(DEPTH, size=32) for name in (
    "resnet32", "resnet44", "resnet56", "resnet110")})
SEED = 2027
# Streams of SEED beyond those of the parameters; tests/model/golden.c has the same.
STREAM_PERTURB, STREAM_COARSE, STREAM_FINE, STREAM_LABEL = 1 << 20, 2 << 20, 3 << 20, 4 << 20
NUDGE, MARGIN = 2.0 ** -8, 0.08
HYPER = {
    "sgd": dict(lr=0.1, momentum=0.9, weight_decay=1e-4),
    "adam": dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-8),
}


def perturbed(net, values):
    """Moves what starts as 0 or 1, so that no gamma, beta, bias or statistic is neutral. The gamma
    at the end of a block's main branch is quartered: rounding errors grow less with depth."""
    out = dict(values)
    last = {layer.src[0] + ".weight" for layer in net.layers if layer.kind == "add"}
    for i, p in enumerate(net.params):
        u = 2.0 * philox.uniform(SEED, STREAM_PERTURB + i, math.prod(p.shape)) - 1.0
        if p.name.endswith("running_var"):
            x = 1.0 + 0.5 * u
        elif p.init == "one":
            x = (1.0 + 0.25 * u) * (0.25 if p.name in last else 1.0)
        elif p.init == "zero" or (values[p.name] == 0.0).all():
            x = 0.1 * u
        else:
            continue
        out[p.name] = np.float32(x).astype(np.float64).reshape(p.shape)
    return out


def step_aside(net, values, pixels):
    """Moves betas, each by the fewest steps of NUDGE, until no input of a relu lies near 0.

    There the derivative jumps, and rounding alone decides which side a value is on: without this,
    even PyTorch's float32 gradients of a ResNet-50 are 0.7 to 5 % from its float64 ones. Returns
    the counts of steps, per normalisation that a relu follows."""
    leaves = net.tensors(values, torch.float64)
    out = {"input": torch.tensor(pixels).permute(0, 3, 1, 2)}
    made_by = {layer.name: layer for layer in net.layers}
    nudges = {}
    with torch.no_grad():
        for layer in net.layers:
            x = [out[s] for s in layer.src]
            if layer.kind == "relu":
                source = made_by[layer.src[0]]
                bn = source if source.kind == "bn" else made_by[source.src[0]]
                nudges[bn.name] = steps = nudges_of(x[0])
                x = [x[0] + NUDGE * torch.tensor(steps).view(1, -1, 1, 1)]
            out[layer.name] = net.run(layer, x, leaves, True)
    for name, steps in nudges.items():
        beta = values[name + ".bias"] + NUDGE * steps
        values[name + ".bias"] = np.float32(beta).astype(np.float64)
    return {name: steps.astype(np.uint8) for name, steps in nudges.items()}


def nudges_of(x):
    """For each channel of NCHW x the fewest steps that keep all its values away from 0: further
    where they are few, which are the deep layers that have the larger rounding errors."""
    rows = x.permute(1, 0, 2, 3).flatten(1).numpy()
    margin = MARGIN / rows.shape[1]
    steps = np.zeros(len(rows))
    for _ in range(255):
        near = (np.abs(rows + NUDGE * steps[:, None]) < margin).any(1)
        if not near.any():
            return steps
        steps[near] += 1
    raise RuntimeError("no beta keeps a channel away from 0: make MARGIN smaller")


def batch(case, step):
    """Images with structure at two scales (noise would make all samples alike), and labels."""
    n, size = case["batch"], case["size"]
    cells = size // 8
    coarse = philox.uniform(SEED, STREAM_COARSE + step, n * cells * cells * 3)
    fine = philox.uniform(SEED, STREAM_FINE + step, n * size * size * 3)
    coarse = coarse.reshape(n, cells, cells, 3).repeat(8, 1).repeat(8, 2)
    pixels = np.float32(0.75 * coarse + 0.25 * fine.reshape(n, size, size, 3)).astype(np.float64)
    return pixels, philox.below(SEED, STREAM_LABEL + step, case["classes"], n)


def record(array, samples):
    flat = np.asarray(array, np.float64).reshape(-1)
    count = flat.size
    k = np.arange(min(samples, count), dtype=np.uint64)
    index = k if count <= samples else k * np.uint64(2654435761) % np.uint64(count)
    return np.float32(np.concatenate([[np.sqrt((flat ** 2).sum())], flat[index.astype(np.int64)]]))


def nhwc(t):
    t = t.detach()
    return (t.permute(0, 2, 3, 1) if t.dim() == 4 else t).numpy()


def optimiser(kind, net, leaves):
    trainable = [leaves[p.name] for p in net.params if p.trainable]
    return (torch.optim.SGD if kind == "sgd" else torch.optim.Adam)(trainable, **HYPER[kind])


def loss_of(net, leaves, pixels, labels, dtype, **how):
    x = torch.tensor(pixels, dtype=dtype)
    logits = net.forward(leaves, x, **how)
    return F.cross_entropy(logits, torch.tensor(labels)), logits


def first_step(net, case, values, out):
    pixels, labels = batch(case, 0)
    out["input"] = record(pixels, 64)
    out["labels"] = labels.astype(np.int32)
    leaves = net.tensors(values, torch.float64)
    loss, logits = loss_of(
        net, leaves, pixels, labels, torch.float64,
        visit=lambda name, y: out.update({"act." + name: record(nhwc(y), case["acts"])}))
    loss.backward()
    out["logits"] = logits.detach().numpy()
    out["loss"] = np.array([loss.item()])

    single = net.tensors(values, torch.float32)
    loss_of(net, single, pixels, labels, torch.float32)[0].backward()
    distance = []
    before = {p.name: leaves[p.name].detach().clone() for p in net.params}
    for p in net.params:
        if not p.trainable:
            out["stat." + p.name] = record(leaves[p.name].numpy(), 64)
            continue
        g = leaves[p.name].grad
        out["grad." + p.name] = record(networks.to_ours(p, g.numpy()), case["grads"])
        distance.append(((single[p.name].grad.double() - g).norm() / g.norm()).item())
    out["grad32"] = np.array(distance)

    optimiser("sgd", net, leaves).step()
    for p in net.params:
        if p.trainable:
            change = (leaves[p.name].detach() - before[p.name]).numpy()
            out["delta." + p.name] = record(networks.to_ours(p, change), 64)

    with torch.no_grad():
        fresh = net.tensors(values, torch.float64)
        loss, logits = loss_of(net, fresh, pixels, labels, torch.float64, training=False)
    out["eval.logits"] = logits.numpy()
    out["eval.loss"] = np.array([loss.item()])
    report(net, out)


def report(net, out):
    names = [p.name for p in net.params if p.trainable]
    norms = np.array([out["grad." + n][0] for n in names])
    worst = sorted(zip(out["grad32"], names, norms), reverse=True)
    solid = [w for w in worst if w[2] > 1e-9]
    print(f"{net.model}: loss {out['loss'][0]:.9f}, float32 gradients at most "
          f"{solid[0][0]:.1e} away ({solid[0][1]})")


def losses_of(net, case, values, kind, dtype, order):
    leaves = net.tensors(values, dtype)
    opt = optimiser(kind, net, leaves)
    losses = []
    for step in range(case["steps"]):
        pixels, labels = batch(case, step)
        opt.zero_grad()
        loss, _ = loss_of(net, leaves, pixels[order], labels[order], dtype)
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return losses


def training(net, case, values, out):
    n = case["batch"]
    orders = [np.roll(np.arange(n), i) for i in range(n)]
    for kind in HYPER:
        exact = np.array(losses_of(net, case, values, kind, torch.float64, orders[0]))
        single = np.array([losses_of(net, case, values, kind, torch.float32, o) for o in orders])
        out[f"losses.{kind}.f64"], out[f"losses.{kind}.f32"] = exact, single
        distance = ", ".join(f"{d:.1e}" for d in np.abs(single - exact).max(1))
        print(f"  {kind}: losses {exact[0]:.4f} to {exact[-1]:.4f}, float32 away by {distance}")


def check_against_torchvision(model):
    """Ours and torchvision's network of that name give the same logits from the same numbers."""
    try:
        import torchvision
    except ImportError:
        return
    net = networks.Network(model, 64, 10)
    values = perturbed(net, net.initial(SEED))
    leaves = net.tensors(values, torch.float64)
    theirs = getattr(torchvision.models, model)(num_classes=10).double()
    missing, unexpected = theirs.load_state_dict(
        {k: v.detach() for k, v in leaves.items()}, strict=False)
    assert not unexpected and all(k.endswith("num_batches_tracked") for k in missing)
    x = torch.tensor(batch(CASES["resnet50"], 0)[0])
    with torch.no_grad():
        for training in (False, True):
            theirs.train(training)
            ours = net.forward(leaves, x, training=training)
            distance = (theirs(x.permute(0, 3, 1, 2)) - ours).norm() / ours.norm()
            assert distance < 1e-7, distance  # our epsilon is 1e-5 rounded to float32
    print(f"{model} is torchvision's")


def make_case(model, out_dir):
    case = CASES[model]
    net = networks.Network(model, case["size"], case["classes"])
    initial = net.initial(SEED)
    values = perturbed(net, initial)
    nudges = step_aside(net, values, batch(case, 0)[0])
    out = {"init." + p.name: record(initial[p.name], 16) for p in net.params}
    out.update({"nudge." + name: steps for name, steps in nudges.items()})
    first_step(net, case, values, out)
    if case["steps"]:
        training(net, case, values, out)
    path = os.path.join(out_dir, model + ".safetensors")
    keys = {k: case[k] for k in ("size", "batch", "classes")}
    safetensors.write(path, out, dict(model=model, seed=SEED, torch=torch.__version__, **keys))
    print(f"  {path}: {os.path.getsize(path)} bytes")


def schedule_rates(epochs, make):
    opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    schedule = make(opt)
    rates = []
    for _ in range(epochs):
        rates.append(opt.param_groups[0]["lr"])
        opt.step()
        schedule.step()
    return np.array(rates)


def make_schedules(out_dir):
    """Rates of 30 epochs: lr 0.5, each schedule alone and after 5 epochs of linear warm-up from
    0.01 of it, composed as torchvision's reference training does."""
    s = torch.optim.lr_scheduler
    epochs, warmup = 30, 5
    mains = {
        "constant": lambda o, n: s.LambdaLR(o, lambda epoch: 1.0),
        "steplr": lambda o, n: s.StepLR(o, step_size=7, gamma=0.3),
        "cosineannealinglr": lambda o, n: s.CosineAnnealingLR(o, T_max=n, eta_min=0.001),
        "exponentiallr": lambda o, n: s.ExponentialLR(o, gamma=0.9),
    }
    out = {}
    for name, main in mains.items():
        out[name] = schedule_rates(epochs, lambda o: main(o, epochs))
        out[name + ".warmup"] = schedule_rates(epochs, lambda o: s.SequentialLR(
            o, [s.LinearLR(o, start_factor=0.01, total_iters=warmup), main(o, epochs - warmup)],
            [warmup]))
    safetensors.write(os.path.join(out_dir, "schedules.safetensors"), out,
                      dict(torch=torch.__version__))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default=HERE, help="folder to write to")
    parser.add_argument("models", nargs="*", metavar="MODEL", help="of " + ", ".join(CASES))
    args = parser.parse_args()
    torch.manual_seed(0)
    philox.self_test()
    for model in ("resnet18", "resnet50", "wide_resnet50_2", "resnext50_32x4d"):
        check_against_torchvision(model)
    for model in args.models or CASES:
        make_case(model, args.out)
    if not args.models:
        make_schedules(args.out)


if __name__ == "__main__":
    main()
