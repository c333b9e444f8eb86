#!/usr/bin/env python3
"""Inference of an ONNX model of images (n, c, h, w) by ONNX Runtime's CPU provider or by OpenVINO's CPU
plugin, timed as `rescl bench model` times ours. Prints one JSON line: median, minimum and maximum of the
steps' milliseconds, images per second, and the version.

OpenVINO computes in bf16 by itself where the processor can: here it does what --precision says."""
import argparse
import json
import statistics
import time

import numpy

OPENVINO_TYPES = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}


def onnxruntime_step(a):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = a.threads
    session = onnxruntime.InferenceSession(a.model, options, providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0]
    feed = {source.name: random_images(source.shape)}
    return source.shape[0], lambda: session.run(None, feed), onnxruntime.__version__


def openvino_step(a):
    import openvino
    core = openvino.Core()
    config = {"INFERENCE_PRECISION_HINT": OPENVINO_TYPES[a.precision], "PERFORMANCE_HINT": "LATENCY"}
    if a.threads:
        config["INFERENCE_NUM_THREADS"] = a.threads
    request = core.compile_model(a.model, "CPU", config).create_infer_request()
    images = random_images(list(request.get_input_tensor().shape))
    request.set_input_tensor(openvino.Tensor(images))
    return images.shape[0], request.infer, openvino.__version__


def random_images(shape):
    return numpy.random.default_rng(0).random(shape, dtype=numpy.float32)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("--engine", choices=["onnxruntime", "openvino"], default="onnxruntime")
    p.add_argument("--precision", choices=sorted(OPENVINO_TYPES), default="fp32")
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--warmup", type=int, default=2)
    p.add_argument("--repeats", type=int, default=7)
    p.add_argument("--min-seconds", type=float, default=1.0)
    a = p.parse_args()
    if a.engine == "onnxruntime" and a.precision != "fp32":
        p.error("ONNX Runtime computes a model of float32 in fp32 alone")
    batch, step, version = (openvino_step if a.engine == "openvino" else onnxruntime_step)(a)
    for _ in range(a.warmup):
        step()
    ms, begin = [], time.perf_counter()
    while len(ms) < a.repeats or time.perf_counter() - begin < a.min_seconds:
        start = time.perf_counter()
        step()
        ms.append((time.perf_counter() - start) * 1e3)
    median = statistics.median(ms)
    print(json.dumps({"median_ms": median, "min_ms": min(ms), "max_ms": max(ms),
                      "img_s": batch / median * 1e3, "version": version}))


main()
