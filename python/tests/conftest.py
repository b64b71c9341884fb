"""Networks for the tests, written with the package's own ONNX writer: numpy is all that is needed."""

from __future__ import annotations

import os
from pathlib import Path

import ironbound
import numpy as np
import pytest
from ironbound.onnx_writer import Model


def dense(layers, *, softmax=False, seed=0, dtype="float32", activation="Relu"):
    """ONNX bytes of a fully connected network with random weights, and its weights."""
    dice = np.random.default_rng(seed)
    model = Model(np.dtype(dtype))
    value = model.input("x", (1, layers[0]))
    weights = []
    for i, (inputs, outputs) in enumerate(zip(layers, layers[1:])):
        w = (dice.standard_normal((inputs, outputs)) / np.sqrt(inputs)).astype(dtype)
        b = (0.1 * dice.standard_normal(outputs)).astype(dtype)
        weights.append((w, b))
        value = model.node("Gemm", [value, model.constant(w), model.constant(b)])
        if i + 2 < len(layers):
            value = model.node(activation, [value])
    if softmax:
        value = model.node("Softmax", [value], axis=1)
    return model.bytes([(value, (1, layers[-1]))]), weights


def absolute():
    """|x| - 0.5 for one input: holds below 0.5 exactly on [-1, 1]."""
    model = Model(np.dtype("float32"))
    x = model.input("x", (1, 1))
    both = model.node("Gemm", [x, model.constant(np.array([[1.0, -1.0]]))])
    value = model.node("Gemm", [model.node("Relu", [both]), model.constant(np.array([[1.0], [1.0]])), model.constant(np.array([-0.5]))])
    return model.bytes([(value, (1, 1))])


@pytest.fixture(scope="session")
def identity():
    """|x| - 0.5."""
    return ironbound.Network(absolute())


@pytest.fixture(scope="session")
def classifier():
    """A 4-16-16-3 classifier with random weights."""
    return ironbound.Network(dense([4, 16, 16, 3])[0])


@pytest.fixture(scope="session")
def shared():
    """The shared data folder with benchmarks that are too large for the repository."""
    named = os.environ.get("IRONBOUND_SHARED")
    for folder in [Path(named)] if named else [p / "shared" for p in Path(__file__).resolve().parents]:
        if (folder / "data/vnncomp").is_dir():
            return folder
    pytest.skip("SKIPPED LOUDLY: the shared data folder is not here, so nothing was compared with it")
