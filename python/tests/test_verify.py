"""Verdicts, counterexamples and what comes with them."""

import math
import threading
import time

import ironbound
import numpy as np
import pytest
from conftest import dense
from ironbound import y


def test_a_property_that_holds_is_true_and_says_so(identity):
    result = ironbound.verify(identity, [(-1, 1)], [[-0.51, 0.51]])
    assert result and result.verdict == "holds" and result.semantics in ("real", "both")
    assert str(result).startswith("holds (") and result.counterexamples == [] and result.reason is None


def test_a_counterexample_is_an_input_that_breaks_the_property(identity):
    found = []
    result = ironbound.verify(identity, [(-1, 1)], [[-0.5, 0.25]], counterexamples=found)
    assert not result and result.verdict == "fails" and "counterexample" in str(result)
    (point,) = found
    assert point.shape == (1, 1) and point.dtype == np.float32 and abs(point[0, 0]) > 0.75
    assert point.output == identity(point)[0] and point.output[0] > 0.25
    assert -1 <= float(result.exact_inputs[0][0]) <= 1


def test_closed_ends_are_closed(identity):
    # The greatest value on [-1, 1] is exactly 0.5: no counterexample to <=, one to <.
    assert ironbound.verify(identity, [(-1, 1)], [[-1, 0.5]], semantics="real").verdict != "fails"
    assert ironbound.verify(identity, [(-1, 1)], y[0] < 0.5).counterexamples[0].output[0] == 0.5


def test_several_different_counterexamples(classifier):
    found = []
    ironbound.verify(classifier, [(-3, 3)] * 4, y[0] > 1e6, counterexamples=found, max_counterexamples=5)
    assert len(found) == 5 and len({tuple(point.reshape(-1)) for point in found}) == 5
    assert all(np.all(np.abs(point) <= 3) and point.output[0] <= 1e6 for point in found)


def test_infinite_ends_are_no_bounds(identity):
    assert ironbound.verify(identity, [(-1, 1)], [[-math.inf, 0.51]])
    assert ironbound.verify(identity, [(-1, 1)], [[-math.inf, math.inf]])


def test_exact_decimals_are_taken_as_written(identity):
    from decimal import Decimal
    from fractions import Fraction

    # The double nearest to 0.1 lies above one tenth.
    assert ironbound.Box([0], [0.1]).native.ends()[1][0].startswith("0.1000000000000000055511151231257827")
    assert ironbound.Box.around([0], Decimal("0.1")).native.ends() == (["-0.1"], ["0.1"])
    # On [-0.75, 0.75] the network's greatest value is 1/4.
    box = [("-0.75", Decimal("0.75"))]
    assert ironbound.verify(identity, box, y[0] < "0.25").verdict == "fails"
    assert ironbound.verify(identity, box, y[0] <= Decimal("0.25"), semantics="real").verdict != "fails"
    assert ironbound.verify(identity, box, 3 * y[0] / 7 <= Fraction(3, 28) + Fraction(1, 1000))


def test_a_wrong_verdict_is_never_given_on_random_networks():
    dice = np.random.default_rng(5)
    decided = 0
    for seed in range(12):
        net = ironbound.Network(dense([3, 8, 8, 2], seed=seed)[0])
        centre, radius = dice.uniform(-1, 1, 3), dice.uniform(0.05, 0.5)
        box = [(c - radius, c + radius) for c in centre]
        sampled = net(dice.uniform([b[0] for b in box], [b[1] for b in box], (2000, 3)))[:, 0].max()
        for limit in (sampled - 0.01, sampled + 0.1):
            result = ironbound.verify(net, box, y[0] <= float(limit))
            decided += result.verdict != "unknown"
            if result:
                assert sampled <= limit
            if result.verdict == "fails":
                assert net(result.counterexamples[0])[0, 0] > limit
    assert decided >= 22


def test_the_verdict_does_not_depend_on_threads(classifier):
    results = [ironbound.verify(classifier, [(-2, 2)] * 4, y[0] <= y[1] + 1, threads=n) for n in (1, 2)]
    assert results[0].verdict == results[1].verdict and results[0].subproblems == results[1].subproblems


def hard():
    """A query that takes far longer than any test: tight, with all of 12 inputs free."""
    net = ironbound.Network(dense([12, 60, 60, 60, 60, 60, 1], seed=3)[0])
    sampled = net(np.random.default_rng(0).uniform(-3, 3, (20000, 12)))
    return net, [(-3, 3)] * 12, y[0] <= float(sampled.max() + 1.5 * (sampled.max() - sampled.min()))


def test_a_time_limit_is_kept_and_named():
    net, box, wish = hard()
    started = time.monotonic()
    result = ironbound.verify(net, box, wish, timeout=1.0, progress=False)
    assert time.monotonic() - started < 3 and not result
    assert result.verdict == "unknown" and result.timed_out and "time limit" in str(result)


def test_other_threads_run_meanwhile():
    net, box, wish = hard()
    ticks, done = [], threading.Event()

    def tick():
        while not done.wait(0.01):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    ironbound.verify(net, box, wish, timeout=1.5, progress=False)
    done.set()
    thread.join()
    assert len(ticks) > 10


def test_progress_is_reported_and_an_error_of_its_receiver_ends_the_search():
    net, box, wish = hard()
    seen = []

    def receive(progress):
        seen.append(progress)
        if len(seen) == 2:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        ironbound.verify(net, box, wish, timeout=60, progress=receive)
    assert all(isinstance(p, ironbound.Progress) and 0 <= p.proved <= 1 and p.subproblems > 0 for p in seen)
    assert "% proved" in str(seen[0])


@pytest.mark.parametrize("companion", [True, False])
def test_a_bar_is_shown_with_and_without_tqdm(companion, capfd, monkeypatch):
    from ironbound import progress

    if companion:
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setattr(progress, "_tqdm", lambda: None)
    net, box, wish = hard()
    ironbound.verify(net, box, wish, timeout=5, progress=True)
    shown = capfd.readouterr().err
    assert "proved" in shown and "subproblems" in shown
    ironbound.verify(net, box, wish, timeout=1.5, progress=False)
    assert capfd.readouterr().err == ""


def test_an_onnx_message_is_a_network():
    class Message:
        def SerializeToString(self):
            return dense([2, 3, 2])[0]

    assert ironbound.Network(Message()).output_size == 2


def test_a_network_is_shared_by_threads(classifier):
    from concurrent.futures import ThreadPoolExecutor

    def ask(seed):
        centre = np.random.default_rng(seed).uniform(-1, 1, 4)
        label = int(np.argmax(classifier(centre)))
        return ironbound.robustness(classifier, centre, label, 0.01, clip=None, threads=1).verdict

    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(ask, range(40)))
    assert verdicts == [ask(seed) for seed in range(40)] and "holds" in verdicts


def test_a_final_softmax_is_removed_for_orders_under_real_only():
    with_softmax = ironbound.Network(dense([4, 16, 3], softmax=True)[0])
    without = ironbound.Network(dense([4, 16, 3])[0])
    centre = np.full(4, 0.3)
    label = int(np.argmax(without(centre)))
    ours = ironbound.robustness(with_softmax, centre, label, 0.02)
    assert ours and ours.semantics == "real" and any("Softmax was removed" in note for note in ours.notes)
    assert ironbound.robustness(without, centre, label, 0.02).semantics == "both"
    far = ironbound.robustness(with_softmax, centre, label, 100.0, clip=None)
    point = far.counterexamples[0]
    assert far.verdict == "fails" and far.semantics == "real" and np.argmax(point.output) != label and abs(point.output.sum() - 1) < 1e-5


def test_a_saturating_softmax_is_not_proved_under_float32():
    from ironbound.onnx_writer import Model

    model = Model(np.dtype("float32"))
    x = model.input("x", (1, 1))
    logits = model.node("Gemm", [x, model.constant(np.array([[-1.0, -1.0, 0.0]])), model.constant(np.array([1.0, 0.0, 200.0]))])
    net = ironbound.Network(model.bytes([(model.node("Softmax", [logits], axis=1), (1, 3))]))
    wish = y[0] > y[1]
    assert ironbound.verify(net, [(0, 1)], wish).semantics == "real"
    # In binary32 both probabilities underflow to zero: a tie.
    assert ironbound.verify(net, [(0, 1)], wish, semantics="float32", timeout=5).verdict != "holds"


def test_bounds_on_probabilities():
    net = ironbound.Network(dense([4, 16, 16, 3], softmax=True)[0])
    centre = np.full(4, 0.3)
    shares = net(centre)[0]
    label = int(np.argmax(shares))
    spec = [[0, 1]] * 3
    spec[label] = [float(shares[label]) - 0.05, 1]
    box = [(c - 0.02, c + 0.02) for c in centre]
    result = ironbound.verify(net, box, spec)
    assert result and result.semantics == "real" and any("differences of logits" in note for note in result.notes)
    spec[label] = [float(shares[label]) + 0.01, 1]
    result = ironbound.verify(net, box, spec)
    assert result.verdict == "fails" and result.counterexamples[0].output[label] < spec[label][0]


def test_a_sigmoid_between_its_ends_is_proved_under_real():
    from ironbound.onnx_writer import Model

    model = Model(np.dtype("float32"))
    net = ironbound.Network(model.bytes([(model.node("Sigmoid", [model.input("x", (1, 1))]), (1, 1))]))
    result = ironbound.verify(net, [(1, 2)], [[0.5, 1]])
    assert result and result.semantics == "real" and any("never leaves its range" in note for note in result.notes)
    assert ironbound.verify(net, [(1, 2)], y[0] >= 0.5).semantics == "both"
    assert ironbound.verify(net, [(-1, 2)], [[0.5, 1]]).verdict == "fails"


def test_no_input_can_break_a_property_without_violations(identity):
    assert ironbound.verify(identity, [(-1, 1)], ~(y[0] - y[0] > 1))
    assert ironbound.verify(identity, [(-1, 1)], y[0] - y[0] > 1).verdict == "fails"
