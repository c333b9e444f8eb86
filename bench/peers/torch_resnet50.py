#!/usr/bin/env python3
"""ResNet-50 v1.5 in PyTorch, on a CPU or with CUDA, timed as `rescl bench model` times ours.

Prints a JSON line for each precision: median, minimum and maximum of the steps' milliseconds, and images
per second. For training a step is zero_grad, forward, cross-entropy, backward and SGD with momentum; for
inference it is forward, by a network whose parameters --freeze made constants and folded. Images and
labels lie on the device. With CUDA events time the steps, which follow each other without waiting.
`export` writes the network of inference as ONNX instead.

Precisions: fp32; tf32, the same with matrix engines that round what they read to TF32; bf16 and fp16, by
torch.autocast, fp16 in training with a scaled loss."""
import argparse
import contextlib
import json
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class Bottleneck(nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        out = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, out, 1, bias=False), nn.BatchNorm2d(out)
        self.downsample = None
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False),
                                            nn.BatchNorm2d(out))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        return F.relu(self.bn3(self.conv3(y)) + shortcut, inplace=True)


def resnet50(classes):
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True),
              nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, (width, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
        for block in range(blocks):
            layers.append(Bottleneck(channels, width, 2 if stage > 0 and block == 0 else 1))
            channels = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, classes))


def use(a, precision):
    """Sets what holds for the whole process, and returns the context of a forward pass."""
    tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    types = {"bf16": torch.bfloat16, "fp16": torch.float16}
    if precision not in types:
        return contextlib.nullcontext
    return lambda: torch.autocast(a.device, dtype=types[precision])


def make_step(a, precision):
    """A function that does a step and returns a tensor that is ready when the step is done."""
    forward_in = use(a, precision)
    layout = torch.channels_last if a.channels_last else torch.contiguous_format
    net = resnet50(a.classes).to(a.device, memory_format=layout)
    x = torch.rand(a.batch, 3, a.size, a.size, device=a.device).contiguous(memory_format=layout)
    if a.mode == "infer":
        net.eval()
        if a.freeze and a.compile:
            from torch._inductor import config
            config.freezing = True
        elif a.freeze:
            with torch.no_grad(), forward_in():
                net = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, x)))
        net = torch.compile(net) if a.compile else net

        def infer():
            with torch.no_grad(), forward_in():
                return net(x)[0, 0]
        return infer
    labels = torch.arange(a.batch, device=a.device) % a.classes
    optimiser = torch.optim.SGD(net.parameters(), 1e-6, momentum=0.9)
    scaler = torch.amp.GradScaler(a.device, enabled=precision == "fp16")
    net = torch.compile(net) if a.compile else net

    def train():
        optimiser.zero_grad()
        with forward_in():
            loss = F.cross_entropy(net(x), labels)
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()
        return loss
    return train


def time_steps(a, step):
    """Milliseconds of each timed step."""
    for _ in range(a.warmup):
        step().item()
    ms, begin = [], time.perf_counter()
    while len(ms) < a.repeats or time.perf_counter() - begin < a.min_seconds:
        if a.device == "cuda":
            events = [torch.cuda.Event(enable_timing=True) for _ in range(a.repeats + 1)]
            events[0].record()
            for event in events[1:]:
                step()
                event.record()
            torch.cuda.synchronize()
            ms += [one.elapsed_time(next_one) for one, next_one in zip(events, events[1:])]
        else:
            start = time.perf_counter()
            step().item()
            ms.append((time.perf_counter() - start) * 1e3)
    return ms


def export(a):
    torch.onnx.export(resnet50(a.classes).eval(), torch.rand(a.batch, 3, a.size, a.size), a.out,
                      opset_version=17, dynamo=False)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("mode", choices=["train", "infer", "export"])
    p.add_argument("--size", type=int, default=64)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--classes", type=int, default=1000)
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--warmup", type=int, default=2)
    p.add_argument("--repeats", type=int, default=7)
    p.add_argument("--min-seconds", type=float, default=1.0)
    p.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    p.add_argument("--precision", metavar="fp32,tf32,bf16,fp16", default="fp32")
    p.add_argument("--compile", action="store_true", help="by torch.compile")
    p.add_argument("--channels-last", action="store_true")
    p.add_argument("--freeze", action="store_true")
    p.add_argument("--out", default="resnet50.onnx", help="the file that export writes")
    a = p.parse_args()
    precisions = a.precision.split(",")
    if not set(precisions) <= {"fp32", "tf32", "bf16", "fp16"}:
        p.error("--precision takes fp32, tf32, bf16 and fp16")
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    if a.mode == "export":
        export(a)
        return
    for precision in precisions:
        ms = time_steps(a, make_step(a, precision))
        median = statistics.median(ms)
        print(json.dumps({"median_ms": median, "min_ms": min(ms), "max_ms": max(ms),
                          "img_s": a.batch / median * 1e3, "precision": precision,
                          "compiled": a.compile, "device": a.device,
                          "version": torch.__version__}), flush=True)


if __name__ == "__main__":
    main()
