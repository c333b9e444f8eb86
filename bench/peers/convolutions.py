#!/usr/bin/env python3
"""The convolutions of a model's training step, rescl's beside oneDNN's (which PyTorch's CPU backend
runs), in turn on this machine.

    bench/peers/convolutions.py --rescl build/rescl --size 64 --batch 32
    bench/peers/convolutions.py --size 224 --batch 8 --layers

`rescl bench op` names the distinct convolutions, how often the model has each and the passes that
training needs, and times the implementation that a network uses, packing of weights included.
PyTorch runs the same ones; the times are those that oneDNN itself writes for its primitives, so
nothing of PyTorch counts. Of PyTorch's two layouts each convolution and pass takes the faster. "With
reorders" adds what oneDNN spends on bringing activations and weights into the layouts that the
primitive wants, and results back. A total is the sum over the network's layers of the median time.
Needs PyTorch; the rest is the standard library."""
import argparse
import json
import os
import re
import statistics
import sys

import turns

PASSES = {"fwd": "forward", "bwd_data": "backward data", "bwd_params": "backward weights"}
WARMUP = 2


def parse(row):
    """The convolution of a row of `rescl bench op`, as torch_convolutions.py takes it."""
    found = re.fullmatch(r"conv2d:(\d+)x(\d+)x(\d+)x(\d+)->(\d+),(\d+)x(\d+)/(\d+)(,(\d+)groups)?",
                         row["what"])
    if not found:
        sys.exit("cannot read the problem '%s'" % row["what"])
    n, h, w, c, k, r, s, stride = (int(x) for x in found.groups()[:8])
    conv = {"n": n, "h": h, "w": w, "c": c, "k": k, "r": r, "s": s, "stride": stride,
            "groups": int(found.group(10) or 1), "pad_h": r // 2, "pad_w": s // 2, "passes": []}
    pixels = ((h + 2 * conv["pad_h"] - r) // stride + 1) * ((w + 2 * conv["pad_w"] - s) // stride + 1)
    flops = 2.0 * n * pixels * k * r * s * c / conv["groups"]
    if abs(flops / (row["gflops"] * row["median_ms"] * 1e6) - 1) > 1e-6:
        sys.exit("%s: expected a padding of half the kernel" % row["what"])
    return conv


def run_rescl(a):
    out, _ = turns.run([a.rescl, "bench", "op", "--device", "cpu", "--model", a.model, "--mode",
                        "train", "--size", str(a.size), "--batch-size", str(a.batch), "--classes",
                        "1000", "--impl", "preferred", "--warmup", str(WARMUP), "--repeats",
                        str(a.repeats), "--min-seconds", "0", "--max-noise", "0",
                        "--json"], turns.own_env(a.threads))
    return [row for row in json.loads(out) if row["op"] == "conv2d"]


def run_torch(a, convs):
    """Of each (index, pass): the primitive's and the whole milliseconds in the better layout, each
    a median, and the primitive's implementation. Also the versions."""
    env = dict(turns.fast_env(), ONEDNN_VERBOSE="1", DNNL_VERBOSE="1")
    out, _ = turns.run([a.python, os.path.join(turns.HERE, "torch_convolutions.py"), "--threads",
                        str(a.threads), "--repeats", str(a.repeats + WARMUP)], env,
                       json.dumps(convs))
    found, call, versions = {}, None, []
    for line in out.splitlines():
        word = line.split(",")
        if line.startswith("#"):
            versions.append(line[2:])
        elif line.startswith("@"):
            key = line.split()[1:]
            call = {"convolution": 0.0, "reorder": 0.0, "impl": None}
            if key:
                found.setdefault((int(key[0]), key[1]), {}).setdefault(key[2], []).append(call)
        elif "exec" in word:
            kind, impl = word[word.index("exec") + 2:][:2]
            if kind in call:
                call[kind] += float(word[-1])
            if kind == "convolution":
                call["impl"] = impl
        elif "info,oneDNN" in line:
            versions.append(word[2].split(" (")[0])
    best = {}
    for key, layouts in found.items():
        calls = [layout[WARMUP:] for layout in layouts.values()]
        if any(call["impl"] is None for layout in calls for call in layout):
            sys.exit("%s of %s: oneDNN says nothing of a convolution; is this PyTorch built with it?"
                     % (PASSES[key[1]], convs[key[0]]))
        ms = [statistics.median(c["convolution"] for c in layout) for layout in calls]
        best[key] = {"ms": min(ms), "impl": calls[ms.index(min(ms))][0]["impl"],
                     "whole_ms": min(statistics.median(c["convolution"] + c["reorder"]
                                                       for c in layout) for layout in calls)}
    return best, ", ".join(versions)


def one_round(a):
    """Rows of one round: a convolution's pass with both sides' times. Also PyTorch's versions."""
    ours = run_rescl(a)
    shapes = list(dict.fromkeys(row["what"] for row in ours))
    convs = [parse(next(row for row in ours if row["what"] == shape)) for shape in shapes]
    for row in ours:
        convs[shapes.index(row["what"])]["passes"].append(row["pass"])
    theirs, versions = run_torch(a, convs)
    return [{"what": row["what"], "pass": row["pass"], "count": row["count"],
             "impl": row["impl"], "ms": row["median_ms"], "gflops": row["gflops"],
             "peak_gflops": row["gflops"] / row["peak_share"],
             "onednn": theirs[shapes.index(row["what"]), row["pass"]]} for row in ours], versions


def total(rows, of):
    return sum(row["count"] * of(row) for row in rows)


def print_totals(a, rounds):
    print("| %s %dx%d b%d, %d threads | rescl ms | of the FMA peak | oneDNN ms | rescl's time over it |"
          " with reorders ms | rescl's time over it |" %
          (a.model, a.size, a.size, a.batch, a.threads))
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, words in list(PASSES.items()) + [(None, "all")]:
        chosen = [[row for row in rows if name in (None, row["pass"])] for rows in rounds]
        ours = [total(rows, lambda row: row["ms"]) for rows in chosen]
        flops = [total(rows, lambda row: row["ms"] * row["gflops"]) for rows in chosen]
        bare = [total(rows, lambda row: row["onednn"]["ms"]) for rows in chosen]
        whole = [total(rows, lambda row: row["onednn"]["whole_ms"]) for rows in chosen]
        print("| %s | %.1f | %.0f %% | %.1f | %s | %.1f | %s |" %
              (words, statistics.median(ours),
               100 * statistics.median(f / ms / rows[0]["peak_gflops"]
                                       for f, ms, rows in zip(flops, ours, chosen)),
               statistics.median(bare), turns.spread([x / y for x, y in zip(ours, bare)]),
               statistics.median(whole), turns.spread([x / y for x, y in zip(ours, whole)])))


def print_layers(rounds):
    print("\n| convolution | count | pass | rescl | ms | oneDNN | ms | with reorders |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for rows in zip(*rounds):
        row = rows[0]
        print("| %s | %d | %s | %s | %.3f | %s | %.3f | %.3f |" %
              (row["what"], row["count"], PASSES[row["pass"]], row["impl"],
               statistics.median(r["ms"] for r in rows), row["onednn"]["impl"],
               statistics.median(r["onednn"]["ms"] for r in rows),
               statistics.median(r["onednn"]["whole_ms"] for r in rows)))


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", default="resnet50")
    turns.add_options(p)
    p.add_argument("--size", type=int, default=64)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--layers", action="store_true", help="also a line for each convolution and pass")
    a = p.parse_args()
    rounds = []
    for i in range(a.rounds):
        rows, versions = one_round(a)
        rounds.append(rows)
        print("round %d  rescl %8.1f ms  oneDNN %8.1f ms  with reorders %8.1f ms" %
              (i + 1, total(rows, lambda row: row["ms"]),
               total(rows, lambda row: row["onednn"]["ms"]),
               total(rows, lambda row: row["onednn"]["whole_ms"])), file=sys.stderr)
    if a.json:
        print(json.dumps({"model": a.model, "size": a.size, "batch": a.batch,
                          "threads": a.threads, "versions": versions, "rounds": rounds}))
        return
    print_totals(a, rounds)
    if a.layers:
        print_layers(rounds)
    print("\n" + versions)


main()
