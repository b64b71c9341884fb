#!/usr/bin/env python3
"""Compares what Ironbound and onnxruntime compute, on every network of a folder of benchmark families.

    scripts/compare_onnxruntime.py [--root ../shared/data/vnncomp] [--ironbound target/release/ironbound] [--points 10] [--only NAME]

For every network: random points of the input box of the first query that asks about it (from the family's instances.csv),
rounded to the network's input type. Prints the largest difference of an output, absolute and relative to the largest
output of that point, and the same between Ironbound in double precision and onnxruntime. Needs onnx, onnxruntime and
numpy from PyPI. Exits with 1 if a network cannot be read or differs by more than --limit, relatively.
"""

import argparse
import csv
import gzip
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import onnxruntime

BOUND = re.compile(r"\(\s*(<=|>=)\s+X_(\d+)\s+([^\s()]+)\s*\)")


def read(path):
    """The bytes of a file, or of its compressed form where only that is there."""
    packed = path.with_name(path.name + ".gz")
    if not path.exists() and packed.exists():
        path = packed
    raw = path.read_bytes()
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def box(text, count):
    """The hull of all input bounds of a VNN-LIB 1.0 query; [-1, 1] where it names none."""
    low, high = numpy.full(count, numpy.inf), numpy.full(count, -numpy.inf)
    for relation, index, number in BOUND.findall(text):
        ends = low if relation == ">=" else high
        pick = min if relation == ">=" else max
        ends[int(index)] = pick(ends[int(index)], float(number))
    return numpy.where(numpy.isfinite(low), low, -1.0), numpy.where(numpy.isfinite(high), high, 1.0)


def networks(root):
    """Every network that is asked about, once, with its first query."""
    seen = {}
    for listing in sorted(root.glob("*/instances.csv")):
        for network, query, *_ in csv.reader(listing.open()):
            seen.setdefault(listing.parent / network.strip(), listing.parent / query.strip())
    return seen


class Runtime:
    """One network in onnxruntime."""

    def __init__(self, model):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.shapes = [[d if isinstance(d, int) and d > 0 else 1 for d in i.shape] for i in self.session.get_inputs()]
        self.double = any(i.type == "tensor(double)" for i in self.session.get_inputs())
        self.count = sum(int(numpy.prod(s)) for s in self.shapes)

    def run(self, point):
        """All outputs, flat and concatenated."""
        feed, start = {}, 0
        for value, shape in zip(self.session.get_inputs(), self.shapes):
            size = int(numpy.prod(shape))
            feed[value.name] = point[start : start + size].reshape(shape)
            start += size
        return numpy.concatenate([numpy.asarray(y, dtype=numpy.float64).ravel() for y in self.session.run(None, feed)])


def evaluate(ironbound, path, points, double):
    """Outputs of `ironbound eval`, one row for each point."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(" ".join(repr(float(x)) for x in point) + "\n" for point in points))
        file.flush()
        command = [ironbound, "eval", str(path), "--points", file.name] + (["--double"] if double else [])
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return [numpy.array([float(y) for y in line.split()]) for line in done.stdout.splitlines()]


def largest(ours, theirs):
    """Largest absolute difference, and largest relative to the largest output of its point."""
    absolute = max(float(numpy.max(numpy.abs(a - b))) for a, b in zip(ours, theirs))
    relative = max(float(numpy.max(numpy.abs(a - b)) / max(1e-30, numpy.max(numpy.abs(b)))) for a, b in zip(ours, theirs))
    return absolute, relative


def compare(network, query, arguments):
    """One line of the table; the largest relative difference."""
    runtime = Runtime(read(network))
    low, high = box(read(query).decode(), runtime.count)
    dice = numpy.random.default_rng(1)
    kind = numpy.float64 if runtime.double else numpy.float32
    points = [(low + dice.random(runtime.count) * (high - low)).astype(kind) for _ in range(arguments.points)]
    theirs = [runtime.run(p) for p in points]
    path = network if network.exists() else network.with_name(network.name + ".gz")
    absolute, relative = largest(evaluate(arguments.ironbound, path, points, False), theirs)
    wide, _ = largest(evaluate(arguments.ironbound, path, points, True), theirs)
    return f"{absolute:12.3e} {relative:12.3e} {wide:12.3e}", relative


def main():
    here = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=here.parent / "shared/data/vnncomp")
    parser.add_argument("--ironbound", default=str(here / "target/release/ironbound"))
    parser.add_argument("--points", type=int, default=10)
    parser.add_argument("--only", default="", help="networks whose path contains this")
    parser.add_argument("--limit", type=float, default=1e-3)
    arguments = parser.parse_args()
    found = {n: q for n, q in networks(arguments.root).items() if arguments.only in str(n)}
    if not found:
        print(f"no networks below {arguments.root}: nothing compared", file=sys.stderr)
        return 1
    print(f"{'absolute':>12} {'relative':>12} {'double':>12}  network")
    bad = 0
    for network, query in sorted(found.items()):
        name = network.relative_to(arguments.root)
        try:
            line, relative = compare(network, query, arguments)
            bad += not relative <= arguments.limit
        except (RuntimeError, OSError) as error:
            line, bad = f"error: {error}", bad + 1
        print(f"{line}  {name}", flush=True)
    print(f"{len(found)} networks, {bad} with errors or above the limit")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
