#!/usr/bin/env python3
"""What a training step should take on many devices, by what it takes on one and by the link between them.

    rescl summary --model resnet50 --size 64 --json > network.json
    bench/scale/simulate.py network.json --step-ms 812 --batch 32
    bench/scale/simulate.py network.json --step-ms 812 --batch 32 --gbit 1 --latency-us 5000 --ranks 2,4

Each rank computes a batch of its own (weak scaling). Backward takes two thirds of the step and goes through
the layers from the last to the first, each for its share of the multiply-adds; a bucket of gradients (the
first of 1 MiB, then of 25 MiB) is ready when the last of its layers is. Buckets go one after the other: each
rank sends the segments that others add up, and takes theirs, then the same for the sums. Either way takes
one latency, and (ranks - 1) / ranks of the bucket's bytes go out and come in at once at the link's speed; a
message costs its sender --message-us. The update follows the last bucket.

Efficiency is the step of one device over that of many; "hidden" is the part of the exchange that lies within
backward. --add-gbs is the speed at which a host adds gradients. --measured RANKS:MS,... puts what was
measured beside it."""
import argparse
import json
import sys

FIRST, NEXT = 1 << 20, 25 << 20
FORWARD = 1 / 3


def layers_of(path):
    """(parameters, multiply-adds) of each layer, first to last."""
    with open(path, encoding="utf-8") as f:
        found = json.load(f)
    return [(layer["params"], layer["macs"]) for layer in found["layers"]]


def buckets_of(layers, backward_ms):
    """(bytes, milliseconds after backward's start) of each bucket, in the order of backward."""
    macs = sum(m for _, m in layers) or 1
    done, filled, out = 0.0, 0, []
    for params, own in reversed(layers):
        done += own
        size = 4 * params
        if filled and filled + size > (NEXT if out else FIRST):
            out.append([filled, at])
            filled = 0
        filled += size
        at = backward_ms * done / macs
    out.append([filled, backward_ms])
    return out


def step_ms(buckets, step, ranks, gbit, latency_us, message_us, add_gbs, wire_bytes=4):
    """(milliseconds of a step, of the exchange, and of the part of it that is hidden)"""
    forward = step * FORWARD
    free = begin = total = hidden = 0.0
    for size, ready in buckets:
        wire = size * wire_bytes / 4 * (ranks - 1) / ranks / (gbit * 1e9 / 8) * 1e3
        own = 2 * (wire + latency_us * 1e-3 + (ranks - 1) * message_us * 1e-3)
        own += size / (add_gbs * 1e9) * 1e3
        begin = max(free, forward + ready)
        free = begin + own
        total += own
        hidden += max(0.0, min(free, step) - begin)
    return max(step, free), total, hidden


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("network", help="what 'rescl summary --json' printed")
    p.add_argument("--step-ms", type=float, required=True, help="of one device, measured")
    p.add_argument("--batch", type=int, default=32, help="images of a device in a step")
    p.add_argument("--ranks", default="2,4,8,16,32,64,128,256,512,1024")
    p.add_argument("--gbit", default="1,10,100", help="speeds of the link, in Gbit/s")
    p.add_argument("--latency-us", type=float, default=50)
    p.add_argument("--message-us", type=float, default=2)
    p.add_argument("--add-gbs", type=float, default=5)
    p.add_argument("--wire", choices=["f32", "bf16"], default="f32")
    p.add_argument("--measured", default="", help="ranks and milliseconds of a step: 2:910,4:1020")
    args = p.parse_args()
    layers = layers_of(args.network)
    if not layers or args.step_ms <= 0:
        sys.exit("found no layers in %s, or a step of %g ms" % (args.network, args.step_ms))
    buckets = buckets_of(layers, args.step_ms * (1 - FORWARD))
    measured = dict((int(r), float(ms)) for r, ms in
                    (pair.split(":") for pair in args.measured.split(",") if pair))
    print("%.1f MiB of gradients in %d buckets: %s" % (
        sum(b for b, _ in buckets) / 2**20, len(buckets),
        ", ".join("%.1f MiB after %.0f ms" % (b / 2**20, ms) for b, ms in buckets)))
    print("\n| Gbit/s | ranks | step_ms | img_s | efficiency_% | hidden_% | measured_ms |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for gbit in (float(x) for x in args.gbit.split(",")):
        for ranks in (int(x) for x in args.ranks.split(",")):
            ms, total, hidden = step_ms(buckets, args.step_ms, ranks, gbit, args.latency_us,
                                        args.message_us, args.add_gbs,
                                        2 if args.wire == "bf16" else 4)
            print("| %g | %d | %.1f | %.1f | %.1f | %.0f | %s |" % (
                gbit, ranks, ms, ranks * args.batch / ms * 1e3, 100 * args.step_ms / ms,
                100 * hidden / total if total else 100,
                "%.1f" % measured[ranks] if ranks in measured else ""))


if __name__ == "__main__":
    main()
