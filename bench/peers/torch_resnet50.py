#!/usr/bin/env python3
"""ResNet-50 v1.5 on PyTorch's CPU backend, timed as `rescl bench model` times ours.

Prints one JSON line: median, minimum and maximum of the steps' milliseconds, and images per second.
For training a step is zero_grad, forward, cross-entropy, backward
and SGD with momentum; for inference it is forward, with --freeze of a traced network whose
normalisation is folded. `export` writes the network of inference as ONNX instead."""
import argparse
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


def make_step(a):
    layout = torch.channels_last if a.channels_last else torch.contiguous_format
    net = resnet50(a.classes).to(memory_format=layout)
    x = torch.rand(a.batch, 3, a.size, a.size).contiguous(memory_format=layout)
    if a.mode == "infer":
        net.eval()
        with torch.no_grad():
            if a.freeze:
                net = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, x)))

        def infer():
            with torch.no_grad():
                return net(x)[0, 0].item()
        return infer
    labels = torch.arange(a.batch) % a.classes
    optimiser = torch.optim.SGD(net.parameters(), 1e-6, momentum=0.9)

    def train():
        optimiser.zero_grad()
        loss = F.cross_entropy(net(x), labels)
        loss.backward()
        optimiser.step()
        return loss.item()
    return train


def export(a):
    torch.onnx.export(resnet50(a.classes).eval(), torch.rand(a.batch, 3, a.size, a.size), a.out,
                      opset_version=13)


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
    p.add_argument("--channels-last", action="store_true")
    p.add_argument("--freeze", action="store_true")
    p.add_argument("--out", default="resnet50.onnx", help="the file that export writes")
    a = p.parse_args()
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    if a.mode == "export":
        export(a)
        return
    step = make_step(a)
    for _ in range(a.warmup):
        step()
    ms, begin = [], time.perf_counter()
    while len(ms) < a.repeats or time.perf_counter() - begin < a.min_seconds:
        start = time.perf_counter()
        step()
        ms.append((time.perf_counter() - start) * 1e3)
    median = statistics.median(ms)
    print(json.dumps({"median_ms": median, "min_ms": min(ms), "max_ms": max(ms),
                      "img_s": a.batch / median * 1e3, "version": torch.__version__}))


main()
