#!/usr/bin/env python3
"""rescl, PyTorch and ONNX Runtime in turn on this machine's CPU: the same network (ResNet-50 v1.5),
sizes, optimiser and number of threads.

    bench/peers/compare.py --rescl build/rescl --mode train --size 64 --batch 32
    bench/peers/compare.py --mode infer --size 224 --batch 1 --onnxruntime venv/bin/python

Each round runs every contestant once, in a process of its own; the ratio of a round pairs
neighbours in time, so that a machine whose speed drifts hits both alike. PyTorch takes part in its
default form and in its best (channels-last and, where the library is installed, tcmalloc; frozen
and fused for inference). ONNX Runtime joins inference where --onnxruntime names an interpreter that
has it. Needs python3-torch; the rest is the standard library. Resident memory is the largest of the
process' life, as the system counts it."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import turns


def run(command, env):
    """The row that a command prints as JSON, with the most memory that it had resident."""
    out, rss = turns.run(command, env)
    found = json.loads(out)
    return dict(found[0] if isinstance(found, list) else found, rss_mib=rss)


def contestants(a, folder):
    """(name, command, environment) of each."""
    env = dict(os.environ)
    times = ["--warmup", "2", "--repeats", str(a.repeats), "--min-seconds", str(a.seconds)]
    sizes = ["--size", str(a.size), "--batch", str(a.batch), "--threads", str(a.threads)]
    ours = [a.rescl, "bench", "model", "--device", "cpu", "--model", "resnet50", "--mode", a.mode,
            "--size", str(a.size), "--batch-size", str(a.batch), "--classes", "1000", "--json"]
    script = [a.python, os.path.join(turns.HERE, "torch_resnet50.py")]
    torch = script + [a.mode] + sizes
    best = torch + ["--channels-last"] + (["--freeze"] if a.mode == "infer" else []) + times
    found = [("rescl", ours + times, turns.own_env(a.threads)), ("torch", torch + times, env),
             ("torch best", best, turns.fast_env())]
    if a.onnxruntime and a.mode == "infer":
        model = os.path.join(folder, "resnet50.onnx")
        subprocess.run(script + ["export", "--out", model] + sizes, check=True,
                       stdout=subprocess.DEVNULL)
        found.append(("onnxruntime",
                      [a.onnxruntime, os.path.join(turns.HERE, "onnxruntime_model.py"), model,
                       "--threads", str(a.threads)] + times, env))
    return found


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    turns.add_options(p)
    p.add_argument("--onnxruntime", metavar="PYTHON",
                   help="an interpreter that has onnxruntime, for inference")
    p.add_argument("--mode", choices=["train", "infer"], default="train")
    p.add_argument("--seconds", type=float, default=3.0)
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        entries = contestants(a, folder)
        rows = {name: [] for name, _, _ in entries}
        for i in range(a.rounds):
            for name, command, env in entries:
                row = run(command, env)
                rows[name].append(row)
                print("round %d  %-11s  %8.1f ms  %7.2f img/s" %
                      (i + 1, name, row["median_ms"], row["img_s"]), file=sys.stderr)
    if a.json:
        print(json.dumps({"mode": a.mode, "size": a.size, "batch": a.batch, "rows": rows}))
        return
    print("| resnet50 %s %dx%d b%d, %d threads | ms a step | img/s | rescl's speed over it | "
          "resident MiB |" %
          (a.mode, a.size, a.size, a.batch, a.threads))
    print("| --- | --- | --- | --- | --- |")
    for name, found in rows.items():
        ratio = [f["median_ms"] / r["median_ms"] for f, r in zip(found, rows["rescl"])]
        print("| %s | %s | %.1f | %s | %.0f |" %
              (name, turns.spread([f["median_ms"] for f in found]),
               statistics.median(f["img_s"] for f in found), turns.spread(ratio),
               statistics.median(f["rss_mib"] for f in found)))


main()
