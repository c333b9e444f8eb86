#!/usr/bin/env python3
"""Convolutions on PyTorch's CPU backend, for oneDNN to time: with ONEDNN_VERBOSE=1 it writes a line
for each primitive that it has executed, with the milliseconds.

Standard input is a JSON list of convolutions, each an object with n, h, w, c, k, r, s, stride, pad_h,
pad_w, groups and a list of passes: "fwd", "bwd_data", "bwd_params". Before each call a line
"@ INDEX PASS LAYOUT" says what the next primitives belong to; layouts are PyTorch's."""
import argparse
import json
import sys

import torch

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def calls(conv, layout):
    """For each pass a function that does it."""
    def tensor(*shape):
        return torch.rand(*shape).sub_(0.5).contiguous(memory_format=layout)
    x = tensor(conv["n"], conv["c"], conv["h"], conv["w"])
    w = tensor(conv["k"], conv["c"] // conv["groups"], conv["r"], conv["s"])
    how = ([conv["stride"]] * 2, [conv["pad_h"], conv["pad_w"]], [1, 1], False, [0, 0],
           conv["groups"])

    def forward():
        return torch.ops.aten.convolution(x, w, None, *how)
    dy = torch.rand_like(forward())

    def backward(data):
        return torch.ops.aten.convolution_backward(dy, x, w, None, *how, [data, not data, False])
    return {"fwd": forward, "bwd_data": lambda: backward(True),
            "bwd_params": lambda: backward(False)}


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--repeats", type=int, default=7)
    a = p.parse_args()
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    print("# PyTorch " + torch.__version__, flush=True)
    with torch.no_grad():
        for index, conv in enumerate(json.load(sys.stdin)):
            for name, layout in LAYOUTS.items():
                print("@", flush=True)
                call = calls(conv, layout)
                for do in conv["passes"]:
                    for _ in range(a.repeats):
                        print("@ %d %s %s" % (index, do, name), flush=True)
                        call[do]()


main()
