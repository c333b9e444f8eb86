#!/usr/bin/env python3
"""Asks ONNX Runtime what exported models answer to 20 images, and compares with rescl.

    python3 tests/oracle/check_onnx.py build/tests/export_logits [MODEL ...]

Needs numpy, onnx and onnxruntime. Exits with 1 when logits differ by more than 1e-4 of their norm.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
import safetensors

TOLERANCE = 1e-4
MODELS = {"resnet50_signs": 64, "resnet18": 64, "resnet50": 64, "wide_resnet50_2": 64,
          "resnext50_32x4d": 64, "resnet18_keras": 64, "resnet50_keras": 64, "resnet101_keras": 64,
          "resnet8": 32, "resnet20": 32}


def check(tool, model, folder):
    path, answers = (os.path.join(folder, model + end) for end in (".onnx", ".safetensors"))
    subprocess.run([tool, model, str(MODELS.get(model, 64)), path, answers], check=True,
                   stdout=subprocess.DEVNULL)
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    tensors, _ = safetensors.read(answers)
    x = np.ascontiguousarray(tensors["pixels"].transpose(0, 3, 1, 2))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    theirs, = session.run(["logits"], {"input": x})
    one, = session.run(["logits"], {"input": x[:1]})  # the batch is free
    want = tensors["logits"]
    distance = np.linalg.norm(theirs - want) / np.linalg.norm(want)
    worst = max(np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in zip(theirs, want))
    good = distance <= TOLERANCE and worst <= TOLERANCE and one.shape == (1, want.shape[1])
    names = [t.name for t in proto.graph.initializer]
    print(f"{model}: {len(proto.graph.node)} nodes, {names[0]} to {names[-1]}, "
          f"logits {distance:.1e} away, worst image {worst:.1e}{'' if good else ': TOO FAR'}")
    os.remove(path)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tool", help="export_logits, as the tests build it")
    parser.add_argument("models", nargs="*", metavar="MODEL", help="of " + ", ".join(MODELS))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = [check(args.tool, m, folder) for m in args.models or MODELS]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
