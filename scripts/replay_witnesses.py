#!/usr/bin/env python3
"""Replays the witnesses that `ironbound bench --witnesses DIR` wrote, in onnxruntime.

    scripts/replay_witnesses.py DIR --root FOLDER_OF_FAMILIES

For every witness: the printed decimals satisfy the query's input constraints exactly, and the outputs that onnxruntime
computes on their float32 rounding satisfy its output constraints exactly. The query is read by a small evaluator of its own
(exact fractions, no tolerance), which shares nothing with the verifier. Needs onnxruntime and numpy from PyPI.
"""

import argparse
import gzip
import json
import operator
import re
import sys
from fractions import Fraction
from pathlib import Path

COMPARISONS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt, "=": operator.eq, "==": operator.eq, "!=": operator.ne}
TOKEN = re.compile(r"[()]|[^\s()\[\]]+(?:\[[^\]]*\])?|\[[^\]]*\]")
NUMBER = re.compile(r"[+-]?(\d|\.\d)")


def read(path):
    """The bytes of a file, or of its compressed form where only that is there."""
    packed = path.with_name(path.name + ".gz")
    if not path.exists() and packed.exists():
        path = packed
    raw = path.read_bytes()
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def parse(text):
    """The query's top-level forms as nested lists."""
    text = re.sub(r";[^\n]*", "", text)
    stack = [[]]
    for token in TOKEN.findall(text):
        if token == "(":
            stack.append([])
        elif token == ")":
            form = stack.pop()
            stack[-1].append(form)
        else:
            stack[-1].append(token)
    if len(stack) != 1:
        raise ValueError("unbalanced parentheses")
    return stack[0]


class Query:
    """A VNN-LIB query over one network, evaluated exactly at one point."""

    def __init__(self, text):
        forms = parse(text)
        self.assertions = [form[1] for form in forms if form and form[0] == "assert"]
        networks = [form for form in forms if form and form[0] == "declare-network"]
        if len(networks) > 1:
            raise ValueError("a query over several networks")
        # Version 2 addresses elements as NAME[i,j]; these tables say where they lie among all inputs, or all outputs.
        self.variables, self.sizes = {}, {"declare-input": 0, "declare-output": 0}
        for form in networks[0] if networks else []:
            if isinstance(form, list) and form[0] in self.sizes:
                self.declare(form)

    def declare(self, form):
        kind, name, _, *shape = form
        dimensions = [int(d) for d in re.findall(r"\d+", " ".join(shape))]
        self.variables[name] = (kind, self.sizes[kind], dimensions)
        size = 1
        for d in dimensions:
            size *= d
        self.sizes[kind] += size

    def element(self, name):
        """('declare-input' or 'declare-output', flat index)."""
        if not self.variables:
            prefix, index = name.rsplit("_", 1)
            return {"X": "declare-input", "Y": "declare-output"}[prefix], int(index)
        base, _, indices = name.partition("[")
        kind, flat, dimensions = self.variables[base]
        offset = 0
        for index, dimension in zip([int(i) for i in re.findall(r"\d+", indices)], dimensions, strict=True):
            offset = offset * dimension + index
        return kind, flat + offset

    def term(self, form, point):
        if isinstance(form, str):
            if NUMBER.match(form):
                return Fraction(form)
            kind, index = self.element(form)
            return point[kind][index]
        values = [self.term(part, point) for part in form[1:]]
        if form[0] == "+":
            return sum(values, Fraction(0))
        if form[0] == "-":
            return -values[0] if len(values) == 1 else values[0] - sum(values[1:], Fraction(0))
        if form[0] == "*":
            product = Fraction(1)
            for value in values:
                product *= value
            return product
        raise ValueError(f"unknown operator {form[0]}")

    def formula(self, form, point):
        if form[0] == "and":
            return all(self.formula(part, point) for part in form[1:])
        if form[0] == "or":
            return any(self.formula(part, point) for part in form[1:])
        left, right = (self.term(part, point) for part in form[1:])
        return COMPARISONS[form[0]](left, right)

    def holds(self, inputs, outputs):
        point = {"declare-input": inputs, "declare-output": outputs}
        return all(self.formula(assertion, point) for assertion in self.assertions)


def to_float32(text):
    """The float32 number nearest to a decimal, ties to even; rounded once."""
    import numpy

    exact = Fraction(text)
    guess = numpy.float32(float(exact))
    candidates = [guess, numpy.nextafter(guess, numpy.float32(-numpy.inf)), numpy.nextafter(guess, numpy.float32(numpy.inf))]
    finite = [c for c in candidates if numpy.isfinite(c)]
    return min(finite, key=lambda c: (abs(Fraction(float(c)) - exact), int(c.view(numpy.uint32)) & 1))


def run(model, decimals):
    """The outputs of onnxruntime at the rounded point, flat."""
    import numpy
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed, start = {}, 0
    for node in session.get_inputs():
        shape = [d if isinstance(d, int) and d > 0 else 1 for d in node.shape]
        size = int(numpy.prod(shape))
        kind, rounded = (numpy.float64, float) if "double" in node.type else (numpy.float32, to_float32)
        feed[node.name] = numpy.array([rounded(d) for d in decimals[start : start + size]], dtype=kind).reshape(shape)
        start += size
    if start != len(decimals):
        raise ValueError(f"{len(decimals)} inputs in the witness, {start} in the model")
    outputs = session.run(None, feed)
    return [value for output in outputs for value in output.astype(numpy.float64).ravel().tolist()]


def replay(path, root):
    """None if the witness stands, else what is wrong with it."""
    witness = json.loads(path.read_text())
    folder = root / witness["family"] if (root / witness["family"]).is_dir() else root
    query = Query(read(folder / witness["vnnlib"]).decode())
    outputs = run(read(folder / witness["onnx"]), witness["input"])
    if any(y != y or abs(y) == float("inf") for y in outputs):
        return "an output is not a finite number"
    if query.holds([Fraction(text) for text in witness["input"]], [Fraction(y) for y in outputs]):
        return None
    known = "" if witness["breaks_float32"] else " (shown for the real network only)"
    return f"the query is not satisfied at the point{known}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("witnesses", type=Path)
    parser.add_argument("--root", type=Path, required=True, help="the folder whose subfolders are the families, or one family")
    arguments = parser.parse_args()
    paths = sorted(arguments.witnesses.glob("*.json"))
    failures = 0
    for path in paths:
        problem = replay(path, arguments.root)
        if problem:
            failures += 1
            print(f"{path.name}: {problem}")
    print(f"{len(paths) - failures} of {len(paths)} witnesses replayed")
    return 1 if failures or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
