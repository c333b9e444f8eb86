"""What the comparisons share: contestants run in turns, each in a process of its own, so that the
ratio of a round pairs neighbours in time and a machine whose speed drifts hits both alike."""
import glob
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def run(command, env, text=""):
    """What a command that reads `text` prints, and the most memory that it had resident in MiB."""
    with tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as source:
        source.write(text.encode())
        source.seek(0)
        process = subprocess.Popen(command, env=env, stdin=source, stdout=subprocess.PIPE,
                                   stderr=err)
        out = process.stdout.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            err.seek(0)
            sys.exit("%s failed:\n%s" % (" ".join(command), err.read().decode()))
    return out, usage.ru_maxrss / 1024


def own_env(threads):
    """The environment of rescl."""
    return dict(os.environ, POCL_MAX_PTHREAD_COUNT=str(threads))


def fast_env():
    """PyTorch's best: with tcmalloc, where it is installed, memory is not mapped anew each time."""
    env = dict(os.environ)
    preload = sorted(glob.glob("/usr/lib/*/libtcmalloc_minimal.so.4"))
    if preload:
        env["LD_PRELOAD"] = preload[0]
    return env


def spread(values):
    return "%.3g (%.3g to %.3g)" % (statistics.median(values), min(values), max(values))


def add_options(p):
    """What every comparison asks for."""
    p.add_argument("--rescl", default="build/rescl")
    p.add_argument("--python", default="/usr/bin/python3", help="an interpreter that has torch")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--repeats", type=int, default=5)
    p.add_argument("--json", action="store_true")
