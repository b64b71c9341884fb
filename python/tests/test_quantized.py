"""Integer networks: against enumeration, against the command line, and with mistakes of the caller."""

import itertools
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import ironbound
import numpy as np
import pytest
from ironbound import quantized
from ironbound.quantized import Layer

PROGRAM = Path(sys.executable).with_name("ironbound")


def rounded(value, mode):
    """A fraction as an integer, from the definition of the mode."""
    floor = value.numerator // value.denominator
    rest = value - floor
    if mode == "floor":
        return floor
    if mode == "toward-zero":
        return floor + (value < 0 and rest > 0)
    if rest != Fraction(1, 2):
        return floor + (rest > Fraction(1, 2))
    return floor + {"half-up": 1, "half-down": 0, "half-even": floor % 2, "half-away": int(value > 0)}[mode]


def evaluated(layers, point):
    """The outputs, in Python's own integers."""
    values = [int(x) for x in point]
    for layer in layers:
        sums = [int(b) + sum(int(w) * x for w, x in zip(row, values)) for row, b in zip(layer.weights, layer.bias)]
        factors = np.broadcast_to(layer.multiplier, len(sums))
        quotients = [rounded(Fraction(a * int(m), 2**layer.shift), layer.rounding) + layer.offset for a, m in zip(sums, factors)]
        values = [min(max(q, layer.low), layer.high) for q in quotients]
    return values


def tiny(seed):
    dice = np.random.default_rng(seed)
    mode = quantized.ROUNDINGS[seed % 6]
    scale = dice.integers(1, 5, 4) if seed % 2 else 1
    return [
        Layer(dice.integers(-8, 9, (4, 3)), dice.integers(-9, 10, 4), 2, 0, 15, scale, mode),
        Layer(dice.integers(-8, 9, (3, 4)), dice.integers(-9, 10, 3), 3, -16, 15, 1, mode, seed % 3 - 1),
    ]


BOX = list(itertools.product(range(5), repeat=3))


@pytest.mark.parametrize("seed", range(12))
def test_evaluation_and_verdicts_are_those_of_enumeration(seed):
    layers = tiny(seed)
    net = quantized.Network(layers, (0, 4))
    outputs = [evaluated(layers, point) for point in BOX]
    assert net(BOX).tolist() == outputs
    classes = {point: int(np.argmax(values)) for point, values in zip(BOX, outputs)}
    assert net.classify(BOX).tolist() == list(classes.values())
    for label in range(3):
        for centre in [(0, 0, 0), (2, 2, 2), (4, 1, 3)]:
            for eps in range(5):
                result = quantized.robustness(net, centre, label, eps, certify=True)
                inside = [p for p in BOX if max(abs(a - b) for a, b in zip(p, centre)) <= eps]
                assert bool(result) == all(classes[p] == label for p in inside), (label, centre, eps)
                assert result.certificate.check().startswith(f"{result.verdict} (integer)")
                if not result:
                    point = tuple(result.counterexample.tolist())
                    assert point in inside and result.found == classes[point] != label
                    assert result.counterexample.output.tolist() == evaluated(layers, point)


@pytest.mark.parametrize("seed", range(6))
def test_the_largest_radius_is_that_of_enumeration(seed):
    net = quantized.Network(tiny(seed), (0, 4))
    classes = dict(zip(BOX, net.classify(BOX).tolist()))
    for centre in [(1, 2, 3), (2, 2, 2)]:
        distance = [max(abs(a - b) for a, b in zip(p, centre)) for p in BOX if classes[p] != classes[centre]]
        radius = quantized.largest_radius(net, centre, most=4)
        expected = min(distance, default=5)
        assert (radius.robust, radius.broken) == (min(expected - 1, 4), None if expected > 4 else expected)
        assert radius.undecided == [] and (radius.counterexample is None) == (radius.broken is None)
    wrong = (classes[centre] + 1) % 3
    radius = quantized.largest_radius(net, centre, wrong, most=4)
    assert (radius.robust, radius.broken, radius.counterexample.tolist()) == (-1, 0, list(centre))


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The embedded network and queries, as the command line writes and decides them."""
    folder = tmp_path_factory.mktemp("digits")
    command = [PROGRAM, "quantized", "digits", "--eps", "1", "--max", "20", "--timeout", "60", "--save", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = (line.split() for line in done.stdout.splitlines())
    return folder, {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def test_the_embedded_digits_are_decided_as_on_the_command_line(digits, tmp_path):
    folder, expected = digits
    net = quantized.Network(folder / "network.json")
    assert repr(net) == "quantized.Network(64-32-10, inputs from 0 to 16)" and (net.input_size, net.output_size) == (64, 10)
    holds = 0
    for i in range(20):
        query = json.loads((folder / f"query_{i:03}.json").read_text())
        result = quantized.verify(net, query["low"], query["high"], query["label"], timeout=60, certify=True)
        holds += bool(result)
        result.certificate.save(tmp_path / str(i))
        assert ironbound.Certificate.load(tmp_path / str(i)).proof == result.certificate.proof
    assert holds == expected["robust"] and 20 - holds == expected["vulnerable"] + expected["misclassified"]
    # The program accepts the files too.
    files = [tmp_path / "19" / name for name in ("network.json", "query.json", "proof.cert")]
    assert subprocess.run([PROGRAM, "check", *files], capture_output=True).returncode == 0


def test_a_changed_certificate_is_rejected(digits):
    net = quantized.Network(digits[0] / "network.json")
    certificate = quantized.robustness(net, [8] * 64, eps=0, certify=True).certificate
    with pytest.raises(ValueError, match="rejected"):
        ironbound.check_certificate(certificate.network, certificate.query, certificate.proof[:-1])
    with pytest.raises(ValueError, match="another query"):
        ironbound.check_certificate(certificate.network, certificate.query + b" ", certificate.proof)


def test_time_is_kept_and_nothing_claimed_then(digits):
    net = quantized.Network(digits[0] / "network.json")
    result = quantized.robustness(net, [8] * 64, eps=3, timeout=1e-4)
    assert result.seconds < 2 and (result.verdict != "unknown" or (not result and "time limit" in str(result) and result.semantics is None))


def test_npz_and_json_and_arrays_are_the_same_network(tmp_path):
    layers = tiny(0)
    arrays = {"input": np.array([0, 4])}
    for k, layer in enumerate(layers):
        row = [1, layer.shift, quantized.ROUNDINGS.index(layer.rounding), layer.offset, layer.low, layer.high]
        arrays |= {f"layers.{k}.weight": layer.weights, f"layers.{k}.bias": layer.bias, f"layers.{k}.requantise": np.array([row])}
    np.savez(tmp_path / "net.npz", **arrays)
    given = quantized.Network(layers, (0, 4))
    read = quantized.Network(tmp_path / "net.npz")
    again = quantized.Network(given.native.source)
    assert (given(BOX) == read(BOX)).all() and (given(BOX) == again(BOX)).all()
    answers = [quantized.robustness(net, [2, 2, 2], eps=1) for net in (tmp_path / "net.npz", given, again)]
    assert len({(answer.verdict, answer.label) for answer in answers}) == 1
    with pytest.raises(ironbound.UnsupportedError, match="the checker does not read npz: give the network as JSON"):
        quantized.robustness(read, [2, 2, 2], certify=True)


def test_keras_weights_of_the_published_benchmark(shared):
    net = quantized.Network(shared / "data/qnn/mnist_mlp.h5")
    assert net.input_size == 784 and net.input_range == (0, 255)
    result = quantized.robustness(net, np.zeros((28, 28), dtype=np.uint8), eps=1, timeout=30)
    assert result.verdict in ("holds", "fails") and result.semantics == "integer"


BAD = [
    ({"image": [0, 1]}, "image: 2 elements, the network takes 3"),
    ({"image": [0, 1, 5]}, "image: element 2 is 5; this network takes integers from 0 to 4"),
    ({"image": [0, 1, -1]}, "image: element 2 is -1"),
    ({"image": [0, 0.5, 1]}, r"image: element 1 is 0.5; whole numbers are needed \(an image is given in its integer pixels\)"),
    ({"image": [0, float("nan"), 1]}, "image: element 1 is nan"),
    ({"image": [0, 1e300, 1]}, r"image: element 1 is 1e\+300"),
    ({"image": ["0", "1", "2"]}, "image: elements of type <U1; integers are needed"),
    ({"image": [True, False, True]}, "elements of type bool"),
    ({"label": 3}, "label=3: the network has 3 outputs, counted from 0"),
    ({"label": -1}, "label=-1"),
    ({"label": 0.5}, "label: element 0 is 0.5"),
    ({"eps": -1}, "eps=-1: a radius is not negative"),
    ({"eps": 0.02}, "eps: element 0 is 0.02; whole numbers are needed"),
    ({"timeout": 0}, "timeout=0: a time limit is a positive number"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_wrong_questions_are_refused(change, message):
    net = quantized.Network(tiny(0), (0, 4))
    with pytest.raises(ValueError, match=message):
        quantized.robustness(**({"net": net, "image": [1, 2, 3], "label": 0, "eps": 1} | change))


def test_crossed_ends_are_refused():
    net = quantized.Network(tiny(0), (0, 4))
    with pytest.raises(ValueError, match=r"input 1: \[3, 2\] is not a range inside \[0, 4\]"):
        quantized.verify(net, [0, 3, 0], [4, 2, 4], 0)
    with pytest.raises(ValueError, match="high: 2 elements"):
        quantized.verify(net, [0, 3, 0], [4, 2], 0)


BAD_NETWORKS = [
    ([Layer([[1, 2]], [0, 1], 0, 0, 1)], "layer 0: biases: expected 1, found 2"),
    ([Layer([1, 2], [0], 0, 0, 1)], r"layer 0.weights: expected shape \(outputs, inputs\), not \(2,\)"),
    ([Layer([[1.5]], [0], 0, 0, 1)], "layer 0.weights: element 0 is 1.5"),
    ([Layer([[1]], [0], 0, 0, 1, rounding="up")], "rounding`: expected one of half-up"),
    ([Layer([[1]], [0], 0, 5, 1)], "layer 0, requantisation 0"),
    ([Layer([[1]], [0], 99, 0, 1)], "layer 0, requantisation 0"),
    ([Layer([[2**40]], [0], 0, 0, 1)], "weights of 32 bits"),
    ([Layer([[2**31 - 1] * 9], [2**46], 0, 0, 1)], "the accumulator may reach"),
    ([], "expected the path or bytes of a file"),
    (42, "expected the path or bytes of a file, or a list of ironbound.quantized.Layer, not int"),
    (b"hello", "neither HDF5"),
    (b"{}", "expected a member `format`"),
]


@pytest.mark.parametrize(("source", "message"), BAD_NETWORKS)
def test_things_that_are_no_networks(source, message):
    with pytest.raises(ValueError, match=message):
        quantized.Network(source)
    with pytest.raises(FileNotFoundError, match="none.json"):
        quantized.Network("none.json")
