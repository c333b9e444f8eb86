#!/usr/bin/env python3
"""rescl's kernels on an NVIDIA GPU whose driver has no OpenCL: the PTX that scripts/offline-gpu-check
keeps (-p), loaded by CuPy.

    ptx_run.py FOLDER

Loads every .ptx file of the folder that fits the device best (its subfolders are named by architecture),
which makes the driver compile it, and prints what each kernel takes; then the device's peaks by peak.cl,
and element-wise kernels checked against CuPy's own and timed by events. Profilers see the kernels under
their names. One JSON line for each result; what fails says so and does not stop the rest."""
import glob
import json
import os
import re
import sys

import cupy
import numpy

COUNT = 1 << 26  # floats of an array: 256 MiB
REPEATS = 10


def say(**what):
    print(json.dumps(what), flush=True)


def folder_of(root):
    """The subfolder of the newest architecture that the device can run."""
    device = int(cupy.cuda.Device().compute_capability)
    known = [int(name[3:]) for name in os.listdir(root) if re.fullmatch(r"sm_\d+", name)]
    fit = [sm for sm in known if sm <= device]
    if not fit:
        sys.exit("no PTX in %s is for sm_%d or older" % (root, device))
    return os.path.join(root, "sm_%d" % max(fit))


def kernels_of(path):
    with open(path, encoding="utf-8") as file:
        return re.findall(r"\.entry (\w+)", file.read())


def milliseconds(launch):
    """The median time of a launch."""
    launch()
    times = []
    for _ in range(REPEATS):
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record()
        launch()
        end.record()
        end.synchronize()
        times.append(cupy.cuda.get_elapsed_time(begin, end))
    return float(numpy.median(times))


def load_all(folder):
    """Every kernel of every file: (file, kernel name) -> function."""
    found = {}
    for path in sorted(glob.glob(os.path.join(folder, "*.ptx"))):
        name = os.path.basename(path)[:-len(".ptx")]
        try:
            module = cupy.RawModule(path=path)
            for kernel in kernels_of(path):
                function = module.get_function(kernel)
                found[name, kernel] = function
                say(file=name, kernel=kernel, registers=function.num_regs,
                    private_bytes=function.local_size_bytes, local_bytes=function.shared_size_bytes,
                    most_items=function.max_threads_per_block)
        except Exception as error:  # of whatever driver there is
            say(file=name, failed=str(error))
    return found


def pick(found, kernel):
    """A kernel's function, that for whole vectors where there is a choice, and its work-group size."""
    keys = sorted((key for key in found if key[1] == kernel), key=lambda key: "ALIGNED" not in key[0])
    if not keys:
        raise LookupError("no file has %s" % kernel)
    size = re.search(r"WG=(\d+)", keys[0][0])
    return found[keys[0]], int(size.group(1)) if size else 256


def groups():
    return cupy.cuda.runtime.getDeviceProperties(0)["multiProcessorCount"] * 16


def run_peak(found):
    """The kernels of peak.cl: fused multiply-adds, and reading and writing arrays of 4-vectors."""
    function, size = pick(found, "peak_fma")
    items, loops = groups() * size, 4096
    out = cupy.zeros(4 * items, dtype=cupy.float32)
    ms = milliseconds(lambda: function((groups(),), (size,), (
        out, numpy.float32(0.999), numpy.float32(1e-3), numpy.int32(loops))))
    say(kernel="peak_fma", ms=ms, gflops=2.0 * 48 * 4 * loops * items / ms / 1e6)
    function, size = pick(found, "peak_triad")
    a, b, c = (cupy.ones(COUNT, dtype=cupy.float32) for _ in range(3))
    ms = milliseconds(lambda: function((groups(),), (size,), (
        a, b, c, numpy.float32(2), numpy.uint64(COUNT // 4))))
    say(kernel="peak_triad", ms=ms, gb_s=3 * a.nbytes / ms / 1e6, right=bool((a == 3).all()))


def run_element_wise(found):
    """Kernels of (arrays..., count, chunk), of which the last array is the result."""
    x, y = (cupy.random.random(COUNT, dtype=cupy.float32) - numpy.float32(0.5) for _ in range(2))
    out = cupy.empty_like(x)
    for kernel, arrays, expected in [("relu_fwd", (x, out), cupy.maximum(x, 0)),
                                     ("add_fwd", (x, y, out), x + y)]:
        function, size = pick(found, kernel)
        arguments = arrays + (numpy.uint32(COUNT), numpy.uint32(1))
        ms = milliseconds(lambda: function((groups(),), (size,), arguments))
        say(kernel=kernel, ms=ms, gb_s=len(arrays) * x.nbytes / ms / 1e6,
            right=bool((out == expected).all()))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = load_all(folder_of(sys.argv[1]))
    for run in (run_peak, run_element_wise):
        try:
            run(found)
        except Exception as error:  # of whatever driver there is
            say(failed=str(error))


if __name__ == "__main__":
    main()
