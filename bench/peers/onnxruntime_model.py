#!/usr/bin/env python3
"""Inference of an ONNX model of images (n, c, h, w) by ONNX Runtime's CPU provider, timed as
`rescl bench model` times ours. Prints one JSON line: median, minimum and maximum of the steps'
milliseconds, and images per second."""
import argparse
import json
import statistics
import time

import numpy
import onnxruntime


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("model")
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--warmup", type=int, default=2)
    p.add_argument("--repeats", type=int, default=7)
    p.add_argument("--min-seconds", type=float, default=1.0)
    a = p.parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = a.threads
    session = onnxruntime.InferenceSession(a.model, options, providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0]
    feed = {source.name: numpy.random.default_rng(0).random(source.shape, dtype=numpy.float32)}
    for _ in range(a.warmup):
        session.run(None, feed)
    ms, begin = [], time.perf_counter()
    while len(ms) < a.repeats or time.perf_counter() - begin < a.min_seconds:
        start = time.perf_counter()
        session.run(None, feed)
        ms.append((time.perf_counter() - start) * 1e3)
    median = statistics.median(ms)
    print(json.dumps({"median_ms": median, "min_ms": min(ms), "max_ms": max(ms),
                      "img_s": source.shape[0] / median * 1e3,
                      "version": onnxruntime.__version__}))


main()
