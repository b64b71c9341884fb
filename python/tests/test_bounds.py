"""Bounds enclose what the network does, and get tighter from method to method."""

import ironbound
import numpy as np
import pytest
from conftest import dense

METHODS = ["interval", "forward", "crown-interval", "crown-forward", "crown", "alpha"]


@pytest.mark.parametrize("activation", ["Relu", "Sigmoid", "Tanh"])
@pytest.mark.parametrize("semantics", ["real", "float32", "both"])
def test_bounds_and_linear_functions_enclose_samples(activation, semantics):
    net = ironbound.Network(dense([4, 12, 12, 3], activation=activation)[0])
    dice = np.random.default_rng(1)
    low = dice.uniform(-1, 1, (3, 4))
    high = low + dice.uniform(0, 0.6, (3, 4))
    previous = None
    for method in METHODS:
        lower, upper, linear = ironbound.bounds(net, low, high, method, return_linear=True, semantics=semantics)
        assert lower.shape == upper.shape == (3, 3) and linear.lower_slopes.shape == (3, 3, 4)
        for i in range(3):
            points = dice.uniform(low[i], high[i], (500, 4))
            outputs = net(points, double=True)
            slack = 1e-6 if semantics == "float32" else 0.0
            assert np.all(lower[i] - slack <= outputs) and np.all(outputs <= upper[i] + slack)
            below = points @ linear.lower_slopes[i].T + linear.lower_constants[i]
            above = points @ linear.upper_slopes[i].T + linear.upper_constants[i]
            assert np.all(below <= outputs + 1e-9 + slack) and np.all(outputs <= above + 1e-9 + slack)
        if previous is not None and method in ("crown", "alpha"):
            assert np.all(upper - lower <= previous * (1 + 1e-9))
        if method in ("interval", "crown"):
            previous = upper - lower


def test_rows_are_bounded_jointly(classifier):
    low, high = np.full((2, 4), 0.3), np.full((2, 4), 0.4)
    rows = np.array([[1.0, -1.0, 0.0]])
    lower, upper = ironbound.bounds(classifier, low, high, rows=rows)
    single = ironbound.bounds(classifier, low, high)
    assert lower.shape == (2, 1) and lower[0, 0] > single[0][0, 0] - single[1][0, 1]
    apart = ironbound.bounds(classifier, low, high, rows=np.stack([rows, -rows]))
    assert apart[0][0, 0] == lower[0, 0] and apart[1][1, 0] == -lower[0, 0] and apart[0][1, 0] == -upper[0, 0]


def test_one_box_comes_without_batch(classifier):
    lower, upper = ironbound.bounds(classifier, [0.1] * 4, [0.1] * 4)
    assert lower.shape == (1, 3) and np.all(lower <= upper) and np.all(upper - lower < 1e-4)
    assert np.all(lower <= classifier([0.1] * 4)) and np.all(classifier([0.1] * 4) <= upper)


def test_every_layer_has_bounds(classifier):
    layers = ironbound.layer_bounds(classifier, [0.1] * 4, [0.2] * 4)
    assert [operator for _, operator, _, _ in layers] == ["Input", "Gemm", "Relu", "Gemm", "Relu", "Gemm"]
    assert all(np.all(lower <= upper) for _, _, lower, upper in layers) and np.all(layers[2][2] >= 0)
