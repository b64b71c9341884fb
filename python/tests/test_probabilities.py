"""Bounds on the probabilities of a Softmax, by linear conditions on its logits."""

import math

import ironbound
import numpy as np
import pytest
from conftest import dense
from ironbound import Box, y
from ironbound.probabilities import linear_conditions
from ironbound.properties import violations


def met(atom, values):
    total = float(atom.linear.constant) + sum(float(c) * values[i] for (_, i), c in atom.linear.terms.items())
    return total > 0 or (total == 0 and not atom.strict)


WISHES = [y[0] >= 0.4, y[1] <= 0.3, (y[0] >= 0.25) & (y[2] <= 0.5) & (y[1] <= 0.999), y[2] > 1e-6, y[0] < 1 - 1e-9, y[1] >= 0.9]


@pytest.mark.parametrize("number", range(len(WISHES)))
def test_every_input_that_breaks_the_bounds_meets_a_condition(number):
    seen = 0
    for seed in range(4):
        net = ironbound.Network(dense([3, 8, 3], softmax=True, seed=seed)[0])
        logits = net.native.without_softmax()
        broken = violations(WISHES[number], 3, 3)
        # Those for certificates hold on every box, whatever the one that they were made for.
        conditions = linear_conditions(logits, Box([-2] * 3, [2] * 3).native, broken)
        anywhere = linear_conditions(logits, Box([0.1] * 3, [0.2] * 3).native, broken, alone=True)
        points = np.random.default_rng(seed).uniform(-2, 2, (3000, 3))
        values = np.frombuffer(logits.evaluate(points.tobytes(), True), dtype="<f8").reshape(-1, 3)
        shares = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
        for z, share in zip(values, shares):
            if any(all(met(a, share) for a in conjunction) for conjunction in broken):
                seen += 1
                for implied in (conditions, anywhere):
                    assert any(all(met(a, z) for a in conjunction) for conjunction in implied), (z, share)
    # The fourth and fifth wish are true everywhere here.
    assert seen or number in (3, 4)


def test_two_outputs_are_decided_exactly():
    net = ironbound.Network(dense([3, 16, 2], softmax=True, seed=7)[0])
    points = np.random.default_rng(0).uniform(-1, 1, (200000, 3))
    least = float(net(points, double=True)[:, 0].min())
    box = [(-1, 1)] * 3
    assert ironbound.verify(net, box, y[0] >= least - 0.02, timeout=60)
    assert ironbound.verify(net, box, y[0] >= least + 0.01, timeout=60).verdict == "fails"
    assert ironbound.verify(net, box, [[least - 0.02, 1], [0, 1.02 - least]], timeout=60)


def test_many_inputs_are_no_obstacle():
    # More inputs vary than the search for probabilities themselves would split.
    net = ironbound.Network(dense([100, 20, 20, 6], softmax=True, seed=3)[0])
    centre = np.full(100, 0.5)
    shares = net(centre)[0]
    label = int(np.argmax(shares))
    dice = np.random.default_rng(0)
    radius = 0.04
    sampled = net(centre + radius * dice.choice([-1.0, 1.0], (20000, 100)))[:, label].min()
    spec = [[0.0, 1.0]] * 6
    spec[label] = [float(sampled) * 0.5, 1.0]
    box = Box.around(centre, radius)
    result = ironbound.verify(net, box, spec, timeout=30)
    assert result and result.semantics == "real"
    spec[label] = [float(sampled) + 1e-3, 1.0]
    assert not ironbound.verify(net, box, spec, timeout=10)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_false_is_proved_close_to_the_truth(seed):
    net = ironbound.Network(dense([2, 12, 4], softmax=True, seed=seed)[0])
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 400), np.linspace(-1, 1, 400)), axis=-1).reshape(-1, 2)
    shares = net(grid, double=True)
    box = [(-1, 1)] * 2
    for output in range(4):
        low, high = float(shares[:, output].min()), float(shares[:, output].max())
        assert not ironbound.verify(net, box, y[output] >= low + 1e-7, timeout=5)
        assert not ironbound.verify(net, box, y[output] <= high - 1e-7, timeout=5)
        # As close as that it takes some hundred parts; slivers that are thin along one input and as wide as the box along the other
        # would never get there.
        assert ironbound.verify(net, box, y[output] >= low - 0.003, timeout=20)
        assert ironbound.verify(net, box, y[output] <= high + 0.003, timeout=20)


def test_other_properties_have_no_conditions():
    net = ironbound.Network(dense([3, 8, 3], softmax=True)[0])
    logits, region = net.native.without_softmax(), Box([0] * 3, [1] * 3).native
    for wish in (y[0] + y[1] > 0.5, y[0] >= 2, (y[0] > 0.5) | (y[1] > 0.5), y.argmax() == 1):
        assert linear_conditions(logits, region, violations(wish, 3, 3)) is None
    assert linear_conditions(logits, region, violations(y[0] <= math.nextafter(1, 0), 3, 3)) is not None
