#!/usr/bin/env python3
"""Time against number of neurons, and one thread against two: robustness of synthetic fully connected ReLU networks.

    bench/scaling.py IRONBOUND [--widths 32,64,128,256,512] [--depths 2,4,6] [--limit 60] [--parts 300]

Networks have 40 inputs in [0, 1], DEPTH hidden layers of WIDTH neurons with weights of He's distribution (a fixed seed for each shape) and
ten outputs; the query asks whether a point of the ball around a fixed image gets another class. The radius is the first of a geometric
sequence (0.008, growing by a tenth) at which one thread needs at least `--parts` subproblems, or else the last that was decided with the most: so every network
is one that branching decides. Prints a Markdown table of CPU and wall seconds. Needs numpy and onnx.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

INPUTS, OUTPUTS = 40, 10


def network(width, depth):
    """Weights and biases by layer, binary32."""
    dice = np.random.default_rng([width, depth])
    sizes = [INPUTS, *[width] * depth, OUTPUTS]
    layer = lambda n, m: (dice.normal(0, np.sqrt(2 / n), (n, m)).astype(np.float32), dice.normal(0, 0.1, m).astype(np.float32))
    return [layer(n, m) for n, m in zip(sizes, sizes[1:])], dice.uniform(0.2, 0.8, INPUTS)


def write_onnx(layers, path):
    nodes, constants, value = [], [], "x"
    for k, (weights, bias) in enumerate(layers):
        constants += [numpy_helper.from_array(weights, f"w{k}"), numpy_helper.from_array(bias, f"b{k}")]
        last = k + 1 == len(layers)
        nodes.append(helper.make_node("Gemm", [value, f"w{k}", f"b{k}"], ["y" if last else f"a{k}"]))
        if not last:
            nodes.append(helper.make_node("Relu", [f"a{k}"], [f"h{k}"]))
            value = f"h{k}"
    tensor = lambda name, n: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, n])
    graph = helper.make_graph(nodes, "scaling", [tensor("x", INPUTS)], [tensor("y", OUTPUTS)], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def label(layers, image):
    for k, (weights, bias) in enumerate(layers):
        image = image @ weights + bias
        image = np.maximum(image, 0) if k + 1 < len(layers) else image
    return int(np.argmax(image))


def write_query(image, radius, label, path):
    lines = [f"(declare-const X_{i} Real)" for i in range(INPUTS)] + [f"(declare-const Y_{j} Real)" for j in range(OUTPUTS)]
    for i, x in enumerate(image):
        lines += [f"(assert (<= X_{i} {min(x + radius, 1):.9f}))", f"(assert (>= X_{i} {max(x - radius, 0):.9f}))"]
    others = " ".join(f"(and (>= Y_{j} Y_{label}))" for j in range(OUTPUTS) if j != label)
    path.write_text("\n".join([*lines, f"(assert (or {others}))"]) + "\n")


def verify(ironbound, model, query, threads, limit):
    command = [ironbound, "verify", str(model), str(query), "--threads", str(threads), "--timeout", str(limit), "--json"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)


def hard_radius(arguments, model, image, own):
    """The radius to measure at, and the result of one thread there."""
    best, radius = None, 0.008
    while radius < 0.5:
        write_query(image, radius, own, model.with_suffix(".vnnlib"))
        result = verify(arguments.ironbound, model, model.with_suffix(".vnnlib"), 1, arguments.limit)
        if result["verdict"] != "unsat":
            break
        if best is None or result["subproblems"] >= best[1]["subproblems"]:
            best = (radius, result)
        if result["subproblems"] >= arguments.parts:
            break
        radius *= 1.1
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ironbound")
    numbers = lambda text: [int(word) for word in text.split(",")]
    parser.add_argument("--widths", type=numbers, default=[32, 64, 128, 256, 512])
    parser.add_argument("--depths", type=numbers, default=[2, 4, 6])
    parser.add_argument("--limit", type=float, default=60)
    parser.add_argument("--parts", type=int, default=300)
    arguments = parser.parse_args()
    print("| layers | neurons | radius | verdict | parts | CPU s, 1 thread | wall s | CPU s, 2 threads | wall s | same tree |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for depth in arguments.depths:
            for width in arguments.widths:
                layers, image = network(width, depth)
                model = Path(folder) / f"{depth}x{width}.onnx"
                write_onnx(layers, model)
                own = label(layers, image)
                found = hard_radius(arguments, model, image, own)
                if found is None:
                    print(f"| {depth} x {width} | {depth * width} | none is decided | | | | | | | |", flush=True)
                    continue
                radius, one = found
                write_query(image, radius, own, model.with_suffix(".vnnlib"))
                two = verify(arguments.ironbound, model, model.with_suffix(".vnnlib"), 2, arguments.limit)
                same = "yes" if (one["verdict"], one["subproblems"]) == (two["verdict"], two["subproblems"]) else "NO"
                same = "time limit" if two["verdict"] == "timed-out" else same
                times = " | ".join(f"{r['cpu_seconds']:.2f} | {r['seconds']:.2f}" for r in (one, two))
                print(f"| {depth} x {width} | {depth * width} | {radius:.4f} | {one['verdict']} | {one['subproblems']} | {times} | {same} |", flush=True)


if __name__ == "__main__":
    main()
