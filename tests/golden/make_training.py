#!/usr/bin/env python3
"""Writes training.safetensors: what PyTorch and timm make of 100 epochs or steps of their rules.

    python3 make_training.py [--out DIR]

Needs PyTorch and timm. All is float64.

    schedule.<case>            the rate of each of 100 epochs, from LR; of cases that go by steps, of 25
                               epochs of 4 steps. tests/train/test_schedule.c has the cases' numbers.
    schedule.<case>.momentum   the momentum of each step
    plateau.loss               what reducelronplateau is told after each epoch
    update.<clip>.<param>      of a network whose gradients are drawn: 100 updates, each by three batches of 16,
                               16 and 8 images, clipped by norm or by value, with weight decays of their own for
                               normalisations and biases; every 16th number of c1.weight
    update.<clip>.<param>.average    and its moving average; tests/train/test_updates.c does the same
    optimiser.<case>           every 16th number of tensor A and all of B after 100 steps by gradients that
                               are drawn, and after 10; tests/op/test_optim.c draws the same
    optimiser.<case>.f32       how far PyTorch's own float32 is from these, as a share of the largest
"""
import argparse
import os

import numpy as np
import timm.optim
import timm.scheduler
import torch

import philox
import safetensors

HERE = os.path.dirname(os.path.abspath(__file__))
LR, COUNT, WARMUP, EPOCH_STEPS, WARMUP_STEPS = 0.5, 100, 5, 4, 10
SEED = 77


def parameter():
    return torch.zeros(1, dtype=torch.float64, requires_grad=True)


def rates(make, count=COUNT, steps=1, by_step=(), momentum=None):
    """Of each step; `make` gives what is stepped after each epoch, `by_step` what after each step."""
    opt = torch.optim.SGD([parameter()], lr=LR, momentum=0.9)
    epoch_wise = make(opt)
    step_wise = [m(opt) for m in by_step]
    out = []
    for i in range(count):
        out.append(opt.param_groups[0]["lr"])
        if momentum is not None:
            momentum.append(opt.param_groups[0]["momentum"])
        opt.step()
        for s in step_wise:
            s.step()
        if epoch_wise and (i + 1) % steps == 0:
            epoch_wise.step()
    return np.array(out)


def timm_rates(prefix):
    opt = torch.optim.SGD([parameter()], lr=LR)
    s = timm.scheduler.CosineLRScheduler(opt, t_initial=COUNT - (WARMUP if prefix else 0), lr_min=0.001,
                                         warmup_t=WARMUP, warmup_lr_init=0.01 * LR, warmup_prefix=prefix)
    return np.array([s.step(e) or opt.param_groups[0]["lr"] for e in range(COUNT)])


def make_schedules(out):
    s = torch.optim.lr_scheduler
    mains = {
        "constant": lambda o, n: s.LambdaLR(o, lambda epoch: 1.0),
        "steplr": lambda o, n: s.StepLR(o, step_size=7, gamma=0.3),
        "multisteplr": lambda o, n: s.MultiStepLR(o, [10, 30, 31, 80], gamma=0.3),
        "cosineannealinglr": lambda o, n: s.CosineAnnealingLR(o, T_max=n, eta_min=0.001),
        "cosineannealingwarmrestarts": lambda o, n: s.CosineAnnealingWarmRestarts(o, 7, 2, eta_min=0.001),
        "exponentiallr": lambda o, n: s.ExponentialLR(o, gamma=0.9),
        "polynomiallr": lambda o, n: s.PolynomialLR(o, total_iters=n, power=0.9),
    }
    for name, main in mains.items():
        out["schedule." + name] = rates(lambda o: main(o, COUNT))
        out[f"schedule.{name}.warmup"] = rates(lambda o: s.SequentialLR(
            o, [s.LinearLR(o, start_factor=0.01, total_iters=WARMUP), main(o, COUNT - WARMUP)], [WARMUP]))
        if "cosine" not in name and name != "constant":  # these do not multiply what another one made
            out[f"schedule.{name}.steps"] = rates(
                lambda o: main(o, COUNT // EPOCH_STEPS), steps=EPOCH_STEPS,
                by_step=[lambda o: s.LinearLR(o, start_factor=0.01, total_iters=WARMUP_STEPS)])
    out["schedule.equal_cycles"] = rates(lambda o: s.CosineAnnealingWarmRestarts(o, 9, eta_min=0.001))
    out["schedule.timm"] = timm_rates(False)
    out["schedule.timm_prefix"] = timm_rates(True)
    for name, more in (("onecyclelr", {}), ("onecyclelr_early", dict(
            pct_start=0.1, div_factor=10, final_div_factor=100, base_momentum=0.8, max_momentum=0.9))):
        momentum = []
        out["schedule." + name] = rates(
            lambda o: None, momentum=momentum,
            by_step=[lambda o: s.OneCycleLR(o, max_lr=LR, total_steps=COUNT, **more)])
        out[f"schedule.{name}.momentum"] = np.array(momentum)
    out["plateau.loss"] = loss = 0.2 + np.exp(-np.arange(COUNT) / 20) + 0.1 * philox.uniform(SEED, 1, COUNT)
    opt = torch.optim.SGD([parameter()], lr=LR)
    plateau = s.ReduceLROnPlateau(opt, factor=0.5, patience=3, min_lr=0.002)
    seen = []
    for value in loss:
        seen.append(opt.param_groups[0]["lr"])
        opt.step()
        plateau.step(value)
    out["schedule.reducelronplateau"] = np.array(seen)


# ---- updates ---------------------------------------------------------------------------------

SHARES = (16 / 40, 16 / 40, 8 / 40)  # of three batches of an update, the last one smaller
UPDATE = dict(lr=0.05, decay=0.01, norm_decay=0.0, bias_decay=0.002, norm=1.5, value=0.02, average=0.9,
              average_steps=4)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = torch.nn.Conv2d(3, 200, 3, bias=False)
        self.b1 = torch.nn.BatchNorm2d(200)
        self.fc = torch.nn.Linear(200, 7)


# As rescl numbers them. Filters are flat: all that is done here is done number by number.
NAMES = ("c1.weight", "b1.weight", "b1.bias", "b1.running_mean", "b1.running_var", "fc.weight", "fc.bias")


def set_flat(tensor, values):
    tensor.data.copy_(torch.tensor(values).reshape(tensor.shape))


def make_updates(out, clip):
    """SGD with momentum by gradients of three batches, clipped, of which the weights have an average."""
    net = Net().double()
    values = dict(net.named_parameters(), **dict(net.named_buffers()))
    for i, name in enumerate(NAMES):
        set_flat(values[name], drawn(100 + i, values[name].numel()))
    groups = ((("c1.weight", "fc.weight"), "decay"), (("b1.weight",), "norm_decay"),
              (("b1.bias", "fc.bias"), "bias_decay"))
    opt = torch.optim.SGD([dict(params=[values[n] for n in names], weight_decay=UPDATE[decay])
                           for names, decay in groups], lr=UPDATE["lr"], momentum=0.9)
    keep = UPDATE["average"]
    average = torch.optim.swa_utils.AveragedModel(
        net, avg_fn=lambda mean, value, n: keep * mean + (1 - keep) * value, use_buffers=True)
    clipped = 0
    for step in range(COUNT):
        amplitude = 0.02 * (1 + step % 7)
        for i, name in enumerate(NAMES):
            if "running" in name:
                set_flat(values[name], drawn(20000 + 16 * step + i, values[name].numel()))
                continue
            size = values[name].numel()
            parts = [torch.tensor(drawn(30000 + 64 * step + 16 * k + i, size, -amplitude, amplitude))
                     for k in range(len(SHARES))]
            values[name].grad = sum(s * p for s, p in zip(SHARES, parts)).reshape(values[name].shape)
        if clip == "norm":
            total = torch.nn.utils.clip_grad_norm_(net.parameters(), UPDATE["norm"])
            clipped += int(total > UPDATE["norm"])
        else:
            torch.nn.utils.clip_grad_value_(net.parameters(), UPDATE["value"])
        opt.step()
        if step % UPDATE["average_steps"] == 0:
            average.update_parameters(net)
    assert clip == "value" or 10 < clipped < COUNT - 10, clipped
    means = dict(average.module.named_parameters(), **dict(average.module.named_buffers()))
    for name in NAMES:
        every = 16 if name == "c1.weight" else 1
        for kind, table in (("", values), (".average", means)):
            out[f"update.{clip}.{name}{kind}"] = np.float32(table[name].detach().numpy().reshape(-1)[::every])


# ---- optimisers ------------------------------------------------------------------------------

SIZES = {"A": 5000, "B": 300}  # the first is more than one piece of rs_tensor_sums


def drawn(stream, count, low=-1.0, high=1.0):
    return np.float32(low + (high - low) * philox.uniform(SEED, stream, count)).astype(np.float64)


def optimisers():
    o, t = torch.optim, timm.optim
    decay = dict(weight_decay=0.01)
    return {
        "sgd": lambda p: o.SGD(p, lr=0.01, momentum=0.9, **decay),
        "sgd_nesterov": lambda p: o.SGD(p, lr=0.01, momentum=0.9, nesterov=True, **decay),
        "adam": lambda p: o.Adam(p, lr=0.001, **decay),
        "adamw": lambda p: o.AdamW(p, lr=0.001, **decay),
        "rmsprop": lambda p: o.RMSprop(p, lr=0.001, momentum=0.9, **decay),
        "rmsprop_centered": lambda p: o.RMSprop(p, lr=0.001, momentum=0.9, centered=True, **decay),
        "lars": lambda p: t.Lars(p, lr=0.1, momentum=0.9, trust_coeff=0.01, **decay),
        "lamb": lambda p: t.Lamb(p, lr=0.001, eps=1e-6, max_grad_norm=None, **decay),
        "lamb_plain": lambda p: t.Lamb(p, lr=0.001, eps=1e-6, max_grad_norm=None, weight_decay=0),
    }


def run_optimiser(make, dtype):
    """Samples of both tensors after 10 steps and after all."""
    tensors = [torch.tensor(drawn(10 + i, n), dtype=dtype, requires_grad=True)
               for i, n in enumerate(SIZES.values())]
    opt = make(tensors)
    out = []
    for step in range(COUNT):
        for i, t in enumerate(tensors):
            t.grad = torch.tensor(drawn(1000 + 2 * step + i, t.numel(), -0.5, 1.0), dtype=dtype)
        opt.step()
        if step + 1 in (10, COUNT):
            out.append(np.concatenate([tensors[0].detach().numpy()[::16], tensors[1].detach().numpy()]))
    return out


def make_optimisers(out):
    for name, make in optimisers().items():
        exact, single = run_optimiser(make, torch.float64), run_optimiser(make, torch.float32)
        for suffix, x, y in zip((".10", ""), exact, single):
            gap = np.abs(x - y).max() / np.abs(x).max()
            out[f"optimiser.{name}{suffix}"] = np.float32(x)
            out[f"optimiser.{name}{suffix}.f32"] = np.array([gap])
            print(f"{name}{suffix}: PyTorch's float32 is {gap:.1e} away")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default=HERE, help="folder to write to")
    args = parser.parse_args()
    philox.self_test()
    torch.set_num_threads(1)
    out = {}
    make_schedules(out)
    make_updates(out, "norm")
    make_updates(out, "value")
    make_optimisers(out)
    safetensors.write(os.path.join(args.out, "training.safetensors"), out,
                      dict(torch=torch.__version__, timm=timm.__version__))


if __name__ == "__main__":
    main()
