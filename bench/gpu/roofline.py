#!/usr/bin/env python3
"""What a training step takes on a GPU that need not be here, kernel by kernel.

    list_step nv:sm_90 resnet50 224 256 bf16 >step; offline-gpu-check -r rows nv:sm_90
    roofline.py --device h100 step rows

`step` is what the host launches (tests/offline/list_step), `rows` what the compiled kernels are made of
(scripts/offline-gpu-check -r). A kernel takes the longest of

  arithmetic  its multiply-adds, those of the tiles' edges too, at the rate that the share of FMAs among
              the instructions of its hottest loop allows (an instruction and lane a clock), or at the rate
              of the matrix engine, of which a multiprocessor reaches --issue; where the groups do not come
              out even, the whole last wave
  memory      each tensor that it touches once at --bandwidth of what the memory promises

and a gap between launches. Every kernel of the step needs a rule here for what it touches."""
import argparse
import math
import re
import sys
from collections import defaultdict

# Units, FMA lanes of a unit (an instruction that does two counts as two), the makers' clock in GHz, bytes/s,
# microseconds between launches, and multiply-adds of 16 bits in a clock of a unit's matrix engine, half as many
# of TF32 (src/device/quirks.def); and the share of FMAs where no disassembler tells it.
DEVICES = {
    "h100": ("H100 SXM", 132, 128, 1.98, 3.35e12, 2, 1280),
    "t4": ("T4", 40, 64, 1.59, 320e9, 4, 0),
    "mi210": ("MI210", 104, 64, 1.7, 1.638e12, 5, 512),
    "7900xtx": ("RX 7900 XTX", 48, 128, 2.5, 960e9, 5, 512),
    "a770": ("A770", 32, 128, 2.1, 560e9, 10, 1024),
}
FLOAT = 4
UNKNOWN_FMA = 0.6


class Kernel:
    """A line of `step`."""

    def __init__(self, line):
        word = line.rstrip("\n").split("\t")
        self.node, self.op, self.go, self.impl, self.name, self.program = word[:6]
        self.macs = float(word[6])
        self.src = [[int(x) for x in shape.split("x")] for shape in word[7].split(";")]
        self.dst = [int(x) for x in word[8].split("x")]
        self.wei = [] if word[9] == "-" else [int(x) for x in word[9].split("x")]
        self.diff = [int(digit) for digit in word[10]]
        (self.moments_in, self.moments_out, self.sums_in, self.sums_out, self.mask,
         self.scratch, self.in_src, self.in_dst) = (int(x) for x in word[11:19])

    def option(self, name):
        return int(re.search(r"-D%s=(\d+)" % name, self.program).group(1))


def count(shape):
    return math.prod(shape) if shape else 0


def pixels(shape):
    return count(shape[:-1])


def written(flags, size):
    """Bytes of a gradient of that size: none, written, or read and written."""
    return size * (0 if not flags & 1 else 2 if flags & 2 else 1)


# ---- what a kernel touches, in bytes ---------------------------------------------------------------------
# in_src and in_dst: of a number of src and of dst, and of their gradients.


def product(k):
    x, y, w = k.in_src * count(k.src[0]), k.in_dst * count(k.dst), count(k.wei)
    moments = FLOAT * k.moments_out * (2 * k.dst[-1] + 1)
    weights = (FLOAT if k.impl == "simt_gemm" else k.in_src) * w
    if k.go == "fwd":
        rest = k.in_src * sum(count(s) for s in k.src[1:])
        # A 1x1 kernel with a stride reads every stride-th pixel only.
        if len(k.wei) == 4 and k.wei[0] == k.wei[1] == 1:
            x = min(x, k.in_src * pixels(k.dst) * k.src[0][-1])
        return x + weights + y + rest + moments + k.scratch
    if k.go == "bwd_data":
        # The sums of the batch normalisation before it take its input, and its mask.
        sums = x + FLOAT * 2 * k.sums_out * k.src[0][-1] + count(k.src[0]) / 8 if k.sums_out else 0
        return y + weights + written(k.diff[0], x) + k.scratch + sums
    return x + y + (0 if k.scratch else FLOAT * w) + k.scratch


def normalise_sums(k):
    return 2 * k.in_src * count(k.src[0]) + mask(k)


def normalise_back(k):
    n = k.in_src * count(k.src[0])
    return 2 * n + mask(k) + sum(written(d, n) for d in k.diff)


def mask(k):
    """Of a ReLU: a bit for each number."""
    return count(k.dst) / 8


def sources(k):
    return k.in_src * sum(map(count, k.src))


BYTES = {
    r"conv2d_(simt|mma)_(product|bwd_params)": product,
    r"conv2d_simt_join": lambda k: k.scratch + (k.in_dst * count(k.dst) if k.go == "fwd"
                                                else k.in_src * count(k.src[0])),
    r"conv2d_simt_pack": lambda k: 2 * FLOAT * count(k.wei),
    r"conv2d_mma_pack": lambda k: (FLOAT + k.in_src) * count(k.wei),
    r"conv2d_sum": lambda k: k.scratch + FLOAT * count(k.wei),
    r"conv2d_bwd_bias": lambda k: k.in_dst * count(k.dst),
    r"batchnorm_fwd_stats": lambda k: k.in_src * count(k.src[0]),
    r"batchnorm_fwd_finish": lambda k: k.scratch or FLOAT * k.moments_in * (2 * k.dst[-1] + 1),
    r"batchnorm_fwd_apply": lambda k: k.in_dst * count(k.dst) + sources(k) + k.mask,
    r"batchnorm_bwd_sums": normalise_sums,
    r"batchnorm_bwd_finish": lambda k: k.scratch or FLOAT * 2 * k.sums_in * k.dst[-1],
    r"batchnorm_bwd_data": normalise_back,
    r"(max|avg)pool_(fwd|bwd_data)": lambda k: sources(k) + 2 * k.in_dst * count(k.dst),
    r"softmax_xent_.*": lambda k: 2 * sources(k),
    r"relu_fwd|relu_bwd_data|add_fwd|add_bwd_data|shortcut_.*":
        lambda k: k.in_dst * count(k.dst) + 2 * sources(k),
}
NO_LAUNCH = {"conv2d_sum": lambda k: not k.scratch}  # a bias is summed in one part


def rule_of(k):
    for pattern, rule in BYTES.items():
        if re.fullmatch(pattern, k.name):
            return rule
    sys.exit("roofline.py has no rule for what %s touches" % k.name)


# ---- products ----------------------------------------------------------------------------------------------


def tiles_of(k):
    """Rows and columns of the product, and of a group's tile."""
    if k.go == "bwd_params":
        rows, cols = count(k.wei[:-1]), k.wei[-1]
    elif k.go == "fwd":
        rows, cols = pixels(k.dst), k.dst[-1]
    else:
        rows, cols = pixels(k.src[0]), k.src[0][-1]
    return rows, cols, k.option("TM"), k.option("TN")


def seconds_of_product(k, device, fma, waves, issue):
    _, units, lanes, clock, _, _, engine = device
    rows, cols, tm, tn = tiles_of(k)
    across = math.ceil(cols / tn)
    edges = math.ceil(rows / tm) * tm * across * tn / (rows * cols)
    groups = math.ceil(rows / tm) * across
    parts = max(1, round(k.scratch / FLOAT / (rows * cols))) if k.scratch else 1
    uneven = 1.0
    if waves:  # groups that a unit holds
        rounds = groups * parts / (units * waves)
        uneven = math.ceil(rounds) / rounds if rounds > 1 else 1 / min(1, groups * parts / units)
    rate = lanes * fma
    if k.impl == "mma_gemm":
        narrow = 1 if k.in_src == 2 else 0.5  # of 16 bits twice as many as of TF32
        rate = engine * narrow
        if waves:  # NVIDIA's: an instruction of 32 lanes does so many, of which as many issue as the loop has
            rate = min(rate, lanes / 32 * fma * 2048 * narrow)
    return k.macs * edges * uneven / (units * rate * clock * 1e9 * issue)


def read_rows(path):
    """(program, kernel) -> share of FMAs, groups of a unit."""
    found = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            word = line.rstrip("\n").split("\t")
            if len(word) < 12:
                continue
            program = (word[1] + " " + word[2]).strip()
            groups = re.match(r"(\d+) groups of", word[11])
            fma = UNKNOWN_FMA if word[10] == "-" else int(word[10]) / 100
            found[program, word[3]] = (fma, int(groups.group(1)) if groups else 0)
    return found


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--device", choices=DEVICES, default="h100")
    p.add_argument("--issue", type=float, default=0.85, help="share of the clocks with an instruction")
    p.add_argument("--bandwidth", type=float, default=0.85, help="share of the memory's")
    p.add_argument("--kernels", action="store_true", help="also a line for each kernel")
    p.add_argument("step")
    p.add_argument("rows")
    a = p.parse_args()
    device, rows = DEVICES[a.device], read_rows(a.rows)
    bandwidth, gap = device[4] * a.bandwidth, device[5] * 1e-6
    with open(a.step, encoding="utf-8") as file:
        kernels = [Kernel(line) for line in file]
    batch = kernels[0].dst[0]
    total = defaultdict(lambda: [0, 0.0, 0.0, 0.0, 0.0])
    weights = {k.node: count(k.wei) for k in kernels}
    for k in kernels:
        if NO_LAUNCH.get(k.name, lambda k: False)(k):
            continue
        touched, fma, arithmetic = rule_of(k)(k), 0, 0.0
        if re.search(r"_(product|bwd_params)$", k.name) and k.macs:
            fma, waves = rows.get((k.program, k.name), (UNKNOWN_FMA, 0))
            arithmetic = seconds_of_product(k, device, fma, waves, a.issue)
        t = max(arithmetic, touched / bandwidth) + gap
        row = total["%s %s" % (k.op, k.go), k.name]
        row[0] += 1
        row[1] += 2 * k.macs if arithmetic else 0
        row[2] += touched
        row[3] += t
        row[4] += t if arithmetic > touched / bandwidth else 0
    images = count(kernels[0].src[0])
    total["input", "normalize_images"] = [1, 0, 5 * images, 5 * images / bandwidth + gap, 0]
    total["optimiser", "optim_sgd"] = [1, 0, 5 * FLOAT * sum(weights.values()),
                                       5 * FLOAT * sum(weights.values()) / bandwidth + gap, 0]
    seconds = sum(row[3] for row in total.values())
    if a.kernels:
        print("| pass | kernel | launches | GFLOP | GB | ms | of it bound by arithmetic |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for (what, name), row in sorted(total.items(), key=lambda item: -item[1][3]):
            print("| %s | `%s` | %d | %.0f | %.1f | %.2f | %.0f %% |" %
                  (what, name, row[0], row[1] / 1e9, row[2] / 1e9, row[3] * 1e3, 100 * row[4] / row[3]))
    flops, touched = (sum(row[i] for row in total.values()) for i in (1, 2))
    print("%s: %.1f ms a step, %.0f images/s; %d launches, %.0f MB and %.1f GFLOP an image; %.1f TFLOP/s" %
          (device[0], seconds * 1e3, batch / seconds, sum(row[0] for row in total.values()),
           touched / batch / 1e6, flops / batch / 1e9, flops / seconds / 1e12))


if __name__ == "__main__":
    main()
