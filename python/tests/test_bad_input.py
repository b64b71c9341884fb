"""Mistakes of the caller give messages that say what to do; never a panic, never a verdict."""

import re

import ironbound
import numpy as np
import pytest
from conftest import dense
from ironbound import Box, y

BAD_BOXES = [
    ([(0, 1)] * 3, "3 ranges for 4 input elements"),
    ([(0, 1)] * 3 + [(1, 0)], r"x_specs\[3\]: low 1.0 is above high 0.0"),
    ([(0, 1)] * 3 + [(0, float("nan"))], r"x_specs\[3\]: nan is not a finite number"),
    ([(0, 1)] * 3 + [(0, float("inf"))], r"x_specs\[3\]: inf is not a finite number"),
    ([(0, 1)] * 3 + [(0, "one")], r"x_specs\[3\]: 'one' is not a finite number"),
    ([(0, 1)] * 3 + [0.5], r"x_specs\[3\]: expected \(low, high\), not 0.5"),
    ([(0, 1)] * 3 + [(0, 1, 2)], r"x_specs\[3\]: expected \(low, high\)"),
    ([(0, 1)] * 3 + [(0, None)], r"x_specs\[3\]: expected a number, not NoneType"),
    ([(0, 1)] * 3 + [(False, True)], r"x_specs\[3\]: expected a number, not False"),
    (np.zeros((2, 4)), r"expected shape \(inputs, 2\), not \(2, 4\)"),
    (np.zeros((3, 2)), "3 ranges for 4 input elements"),
    (np.full((4, 2), np.nan), "x_specs: element 0 is not a finite number"),
    (np.zeros((4, 2), dtype=complex), "elements of type complex128"),
    (np.array([["a", "b"]] * 4), "elements of type"),
    (None, r"x_specs: expected a list of \(low, high\), one per input element, or a Box, not NoneType"),
    (0.5, "x_specs: expected a list of"),
    ({}, "x_specs: expected a list of"),
]


@pytest.mark.parametrize(("box", "message"), BAD_BOXES)
def test_a_wrong_input_set_is_refused(classifier, box, message):
    with pytest.raises(ValueError, match=message):
        ironbound.verify(classifier, box, y[0] > 0)


BAD_WISHES = [
    ([[0, 1]], "1 ranges for 3 outputs"),
    ([[0, 1], [0, 1], [1, 0]], r"y_specs\[2\]: \[1, 0\] is no interval"),
    ([[0, 1], [0, 1], [float("nan"), 0]], r"y_specs\[2\]: \[nan, 0\] is no interval"),
    ([[0, 1], [0, 1], 3], r"y_specs\[2\]: expected \[low, high\], not 3"),
    (True, "expected a list of"),
    (None, "y_specs is missing"),
]


@pytest.mark.parametrize(("wish", "message"), BAD_WISHES)
def test_a_wrong_property_is_refused(classifier, wish, message):
    with pytest.raises(ValueError, match=message):
        ironbound.verify(classifier, [(0, 1)] * 4, wish)


BAD_OPTIONS = [
    ({"timeout": 0}, "timeout=0: a time limit is a positive number"),
    ({"timeout": -1}, "positive number of seconds"),
    ({"timeout": float("nan")}, "positive number of seconds"),
    ({"timeout": "10"}, "timeout='10': a time limit is a positive number of seconds, or None"),
    ({"threads": 0}, "threads=0: expected a whole number of at least 1"),
    ({"threads": -1}, "threads=-1: expected a whole number"),
    ({"threads": 1.5}, "threads=1.5: expected a whole number"),
    ({"seed": -1}, "seed=-1: expected a whole number of at least 0"),
    ({"max_memory": 2**64}, "max_memory=18446744073709551616: expected"),
    ({"counterexamples": 5}, "counterexamples: expected a list to append to, not int"),
    ({"reuse": b"proof"}, "reuse: expected an ironbound.Certificate, as Certificate.load"),
    ({"max_counterexamples": "3"}, "max_counterexamples='3': expected a whole number of at least 1"),
    ({"semantics": "exact"}, "semantics 'exact'; use"),
    ({"max_counterexamples": 0}, "at least 1"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_wrong_options_are_refused(classifier, options, message):
    with pytest.raises(ValueError, match=message):
        ironbound.verify(classifier, [(0, 1)] * 4, y[0] > 0, **options)


def test_things_that_are_no_networks(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.onnx"):
        ironbound.Network(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    for source, message in [
        (tmp_path / "text.onnx", "text.onnx"),
        (b"", "the file is empty"),
        (b"\x08\x01garbage", "not a readable ONNX file|no operator set"),
        (42, "expected a PyTorch module, the path or bytes of an ONNX file"),
        (None, "expected a PyTorch module"),
    ]:
        with pytest.raises(ValueError, match=message):
            ironbound.Network(source)


def test_every_truncation_of_a_file_is_refused():
    whole = dense([2, 3, 2])[0]
    for size in range(0, len(whole) - 1, 7):
        with pytest.raises(ValueError):
            ironbound.Network(whole[:size])


def test_an_unsupported_operator_is_named():
    from ironbound.onnx_writer import Model

    model = Model(np.dtype("float32"))
    x = model.input("x", (1, 2))
    with pytest.raises(ironbound.UnsupportedError, match="Erf"):
        ironbound.Network(model.bytes([(model.node("Erf", [x]), (1, 2))]))
    assert issubclass(ironbound.UnsupportedError, ValueError)


def test_robustness_says_what_does_not_fit(classifier):
    for change, message in [
        ({"label": 3}, "label=3: the network has 3 outputs"),
        ({"label": -1}, "label=-1"),
        ({"label": 0.5}, "label: expected the index of an output, not 0.5"),
        ({"label": "6"}, "label: expected the index of an output, not '6'"),
        ({"image": [128.0] * 4}, r"element 0 of the point is 128, outside clip=\(0, 1\); scale it, or give another clip"),
        ({"eps": -0.1}, "a radius is not negative"),
        ({"eps": float("nan")}, "eps: nan is not a finite number"),
        ({"norm": 2}, "norm=2: only 'inf'"),
        ({"image": [0.5] * 3 + [1.5]}, r"element 3 of the point is 1.5, outside clip=\(0, 1\)"),
        ({"image": [0.5] * 5}, "5 elements, the network takes 4"),
    ]:
        arguments = {"image": [0.5] * 4, "label": 0, "eps": 0.1} | change
        with pytest.raises(ValueError, match=message):
            ironbound.robustness(classifier, **arguments)


def test_bounds_say_what_does_not_fit(classifier):
    low, high = np.zeros((2, 4)), np.ones((2, 4))
    for arguments, message in [
        ((low, high[:1]), "low has 2 boxes, high 1"),
        ((high, low), r"box 0, input 0: \[1, 0\] is no interval"),
        ((np.zeros(3), np.ones(3)), "does not hold boxes of 4 elements"),
        ((low * np.nan, high), "is not a finite number"),
        ((low, high, "lp"), "method 'lp'; use 'interval'"),
    ]:
        with pytest.raises(ValueError, match=message):
            ironbound.bounds(classifier, *arguments)
    with pytest.raises(ValueError, match=re.escape("rows: expected shape (rows, 3) or (2, rows, 3), not (1, 2)")):
        ironbound.bounds(classifier, low, high, rows=np.ones((1, 2)))


def test_boxes_are_checked():
    with pytest.raises(ValueError, match="1 lower and 2 upper ends"):
        Box([0], [1, 2])
    with pytest.raises(ValueError, match="input 1: the lower end 2 is above the upper end 1"):
        Box([0, 2], [1, 1])
    ball = Box.around([0.5, 0.0], "0.1", clip=(0, 1))
    assert ball.low[1] == 0 and ball.native.ends() == (["0.4", "0"], ["0.6", "0.1"])


def test_certificates_are_bytes(classifier):
    with pytest.raises(ValueError, match=r"query: expected the bytes of a file, not str; Certificate.load\(folder\) reads saved ones"):
        ironbound.check_certificate(b"", "query.vnnlib", b"")


def test_submodules_are_there_without_an_import_of_their_own():
    assert ironbound.quantized.Network and ironbound.pictures.decision and ironbound.compat
    with pytest.raises(AttributeError, match="module 'ironbound' has no attribute 'quantised'"):
        ironbound.quantised
