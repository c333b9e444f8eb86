#!/usr/bin/env python3
"""rescl, PyTorch, OpenVINO and ONNX Runtime in turn on this machine's CPU: the same network (ResNet-50
v1.5), sizes, optimiser and number of threads.

    python3 -m venv V && V/bin/pip install torch openvino onnx onnxruntime numpy
    bench/peers/compare.py --rescl build/rescl --python V/bin/python
    bench/peers/compare.py --python V/bin/python --precision bf16 train:64:32 infer:224:1

A work is MODE:SIZE:BATCH. Each round runs every contestant once, in a process of its own; the ratio of a
round pairs neighbours in time, so that a machine whose speed drifts hits both alike. The table has
medians of the rounds' medians, and the best single step. PyTorch takes part in the two ways that its
users choose from, both channels-last and, where the library is installed, with tcmalloc: eager, and
by torch.compile, for inference with its parameters frozen. In bf16 it runs under autocast. ONNX Runtime
takes part in fp32 alone; OpenVINO, without tcmalloc, under which it aborts, in both. Who lacks a module is
left out by name. Resident memory is the largest of the process' life, as the system counts it."""
import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile

import turns

WORKS = ["train:64:32", "train:224:8", "infer:224:1", "infer:224:8", "infer:64:32"]


def run(command, env):
    """The row that a command prints as JSON, with the most memory that it had resident."""
    out, rss = turns.run(command, env)
    found = json.loads(out)
    if isinstance(found, list): # of rescl
        found = dict(found[0], img_s=found[0]["rate"])
    return dict(found, rss_mib=rss)


def has(python, module):
    found = subprocess.run([python, "-c", "import " + module], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
    return found.returncode == 0


def export(a, size, batch, folder):
    """The file of the network as ONNX."""
    path = os.path.join(folder, "resnet50_%d_%d.onnx" % (size, batch))
    if not os.path.exists(path):
        turns.run([a.python, os.path.join(turns.HERE, "torch_resnet50.py"), "export", "--out", path,
                   "--size", str(size), "--batch", str(batch)], dict(os.environ))
    return path


def contestants(a, work, precision, folder):
    """(name, command, environment) of each."""
    mode, size, batch = work
    times = ["--warmup", "2", "--repeats", str(a.repeats), "--min-seconds", str(a.seconds)]
    sizes = ["--size", str(size), "--batch", str(batch), "--threads", str(a.threads)]
    found = [("rescl", [a.rescl, "bench", "model", "--device", "cpu", "--model", "resnet50", "--mode",
                        mode, "--size", str(size), "--batch-size", str(batch), "--classes", "1000",
                        "--precision", precision, "--max-noise", "0", "--json"] + times, turns.own_env(a.threads))]
    torch = [a.python, os.path.join(turns.HERE, "torch_resnet50.py"), mode, "--channels-last",
             "--precision", precision] + sizes + times
    frozen = ["--freeze"] if mode == "infer" else []
    if "torch" in a.modules:
        found += [("PyTorch eager", torch, turns.fast_env()),
                  ("PyTorch compiled", torch + ["--compile"] + frozen, turns.fast_env())]
    if mode == "infer" and "torch" in a.modules and "onnx" in a.modules:
        model = [a.python, os.path.join(turns.HERE, "onnx_model.py"), export(a, size, batch, folder),
                 "--threads", str(a.threads), "--precision", precision] + times
        plain = dict(os.environ)
        if "openvino" in a.modules:
            found.append(("OpenVINO", model + ["--engine", "openvino"], plain))
        if "onnxruntime" in a.modules and precision == "fp32":
            found.append(("ONNX Runtime", model + ["--engine", "onnxruntime"], plain))
    return found


def measure(a, work, precision, folder):
    """Rows of each contestant, one for each round."""
    entries = contestants(a, work, precision, folder)
    rows = {name: [] for name, _, _ in entries}
    for i in range(a.rounds):
        for name, command, env in entries:
            row = run(command, env)
            rows[name].append(row)
            print("%s %dx%d b%d %s, round %d  %-16s  %8.1f ms  %7.2f img/s" %
                  (work[0], work[1], work[1], work[2], precision, i + 1, name, row["median_ms"],
                   row["img_s"]), file=sys.stderr)
    return rows


def print_table(work, precision, rows):
    print("\n| resnet50 %s %dx%d b%d %s | ms a step | img/s | best img/s | rescl's speed over it | "
          "resident MiB |" % (work[0], work[1], work[1], work[2], precision))
    print("| --- | --- | --- | --- | --- | --- |")
    for name, found in rows.items():
        ratio = [f["median_ms"] / r["median_ms"] for f, r in zip(found, rows["rescl"])]
        print("| %s | %s | %.1f | %.1f | %s | %.0f |" %
              (name, turns.spread([f["median_ms"] for f in found]),
               statistics.median(f["img_s"] for f in found),
               work[2] * 1e3 / min(f["min_ms"] for f in found), turns.spread(ratio),
               statistics.median(f["rss_mib"] for f in found)))


def processor():
    try:
        with open("/proc/cpuinfo") as f:
            return re.search(r"model name\s*:\s*(.*)", f.read())[1]
    except (OSError, TypeError):
        return platform.processor() or platform.machine()


def parse_work(text):
    found = re.fullmatch(r"(train|infer):(\d+):(\d+)", text)
    if not found:
        raise argparse.ArgumentTypeError("'%s' is not MODE:SIZE:BATCH" % text)
    return found[1], int(found[2]), int(found[3])


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    turns.add_options(p)
    p.add_argument("--precision", metavar="fp32,bf16", default="fp32")
    p.add_argument("--seconds", type=float, default=3.0, help="at least so long each time")
    p.add_argument("work", nargs="*", type=parse_work, metavar="MODE:SIZE:BATCH",
                   help="; by default " + ", ".join(WORKS))
    a = p.parse_args()
    precisions = a.precision.split(",")
    if not set(precisions) <= {"fp32", "bf16"}:
        p.error("--precision takes fp32 and bf16")
    a.modules = []
    for module in ["torch", "onnx", "openvino", "onnxruntime"]:
        if has(a.python, module):
            a.modules.append(module)
        else:
            print("%s has no %s: without it" % (a.python, module), file=sys.stderr)
    machine = {"processor": processor(), "threads": a.threads,
               "load_before": os.getloadavg()[0], "works": []}
    print("%s, %d threads, load %.2f" % (machine["processor"], a.threads, machine["load_before"]))
    with tempfile.TemporaryDirectory() as folder:
        for work in a.work or [parse_work(text) for text in WORKS]:
            for precision in precisions:
                rows = measure(a, work, precision, folder)
                machine["works"].append({"mode": work[0], "size": work[1], "batch": work[2],
                                         "precision": precision, "rows": rows})
                if not a.json:
                    print_table(work, precision, rows)
    machine["load_after"] = os.getloadavg()[0]
    if a.json:
        print(json.dumps(machine))
        return
    versions = {name.split()[0] + " " + row["version"] for w in machine["works"]
                for name, found in w["rows"].items() for row in found if "version" in row}
    print("\nload %.2f after it; %s" % (machine["load_after"], ", ".join(sorted(versions))))


main()
