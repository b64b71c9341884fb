#!/usr/bin/env python3
"""Figures of the Python package: run by an interpreter in which the wheel is installed.

    .venv-python/bin/python bench/python.py target/wheels/*.whl [--acas NETWORK QUERY]

Prints the wheel's size, the time to install it into a fresh environment, the time of `import ironbound`, what a call costs beside
the engine's own work, and the time of 1,000 robustness queries on one network.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ironbound
import numpy as np
from ironbound.onnx_writer import Model


def install_seconds(wheel):
    """Seconds of `pip install`, with NumPy and without it, into an environment that holds nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [f"{folder}/bin/python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        seconds = []
        for what in (["numpy"], [str(wheel)]):
            began = time.perf_counter()
            subprocess.run(pip + what, check=True)
            seconds.append(time.perf_counter() - began)
    return seconds


def import_seconds(module, before=""):
    """Medians of wall and CPU time of an import in a fresh process."""
    clocks = "(time.perf_counter(), time.process_time())"
    program = f"{before}\nimport time; a = {clocks}; import {module}; b = {clocks}; print(b[0] - a[0], b[1] - a[1])"
    command = [sys.executable, "-c", program]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() for _ in range(21)]
    return [1e3 * sorted(float(run[clock]) for run in runs)[10] for clock in (0, 1)]


def beside_the_engine(call, count=200):
    """Least and median of call time minus engine time, in milliseconds."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        result = call()
        times.append(1e3 * (time.perf_counter() - began - result.engine_seconds))
    return min(times), sorted(times)[count // 2]


def classifier():
    """A 64-64-10 classifier with random weights."""
    dice, model = np.random.default_rng(0), Model(np.dtype("float32"))
    value = model.input("x", (1, 64))
    for i, (inputs, outputs) in enumerate([(64, 64), (64, 10)]):
        weights = model.constant(dice.standard_normal((inputs, outputs)) / 8)
        value = model.node("Gemm", [model.node("Relu", [value]) if i else value, weights])
    return ironbound.Network(model.bytes([(value, (1, 10))]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--acas", nargs=2, metavar=("NETWORK", "QUERY"))
    arguments = parser.parse_args()
    print(f"wheel                        {arguments.wheel.stat().st_size / 1e6:.2f} MB")
    numpy_seconds, own_seconds = install_seconds(arguments.wheel)
    print(f"install                      {own_seconds:.1f} s (NumPy before it: {numpy_seconds:.1f} s)")
    for what, module, before in [("with NumPy", "ironbound", ""), ("NumPy alone", "numpy", ""), ("after NumPy", "ironbound", "import numpy")]:
        wall, used = import_seconds(module, before)
        print(f"import, {what:20} {wall:.0f} ms wall, {used:.0f} ms CPU (medians of 21)")
    if arguments.acas:
        net, query = ironbound.Network(arguments.acas[0]), ironbound.read_vnnlib(arguments.acas[1])
        least, middle = beside_the_engine(lambda: ironbound.verify(net, query, threads=1), 50)
        print(f"a call beside the engine     {least:.3f} ms least, {middle:.3f} ms median (the query of the file)")
        began, used = time.perf_counter(), time.process_time()
        result = ironbound.verify(net, query, certify=True)
        print(f"the same with certify=True   {time.perf_counter() - began:.2f} s, {time.process_time() - used:.2f} s CPU; {result}")
        region, wish = [(0.1, 0.1001)] * 5, ironbound.y.argmin() != 0
        least, middle = beside_the_engine(lambda: ironbound.verify(net, region, wish, threads=1))
        print(f"  with x_specs and y_specs   {least:.3f} ms least, {middle:.3f} ms median")
    net, images = classifier(), np.random.default_rng(1).uniform(0, 1, (1000, 64))
    began, used = time.perf_counter(), time.process_time()
    table = ironbound.certify_dataset(net, images, np.argmax(net(images), axis=1), 0.005)
    print(f"1,000 robustness queries     {time.perf_counter() - began:.2f} s, {time.process_time() - used:.2f} s CPU; {table}")


if __name__ == "__main__":
    main()
