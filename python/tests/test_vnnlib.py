"""VNN-LIB in and out."""

import gzip

import ironbound
import numpy as np
import pytest
from conftest import absolute
from ironbound import Box, x, y

TEXT = b"""(declare-const X_0 Real)
(declare-const Y_0 Real)
(assert (>= X_0 -1))
(assert (<= X_0 1))
(assert (> Y_0 0.51))
"""


def test_a_query_is_read_from_text_and_from_files(identity, tmp_path):
    query = ironbound.read_vnnlib(TEXT)
    assert ironbound.verify(identity, query)
    for name, content in [("q.vnnlib", TEXT), ("q.vnnlib.gz", gzip.compress(TEXT))]:
        (tmp_path / name).write_bytes(content)
        assert ironbound.verify(identity, tmp_path / name)
        assert ironbound.verify(absolute(), str(tmp_path / name))
    assert query.boxes[0].low[0] == -1 and "1 inputs" in repr(query)


def test_a_broken_query_names_its_line(identity, tmp_path):
    with pytest.raises(ValueError, match="the given text:4"):
        ironbound.read_vnnlib(TEXT.replace(b"(<= X_0 1)", b"(<= X_0 one)"))
    with pytest.raises(ValueError, match="1 input elements, the network has 4|declares 1"):
        ironbound.verify(ironbound.Network(_four()), ironbound.read_vnnlib(TEXT))
    with pytest.raises(ValueError, match="leave y_specs out"):
        ironbound.verify(identity, ironbound.read_vnnlib(TEXT), [[0, 1]])


def _four():
    from conftest import dense

    return dense([4, 2])[0]


STANDARD = b"""(vnnlib-version <2.0>)
(declare-network f
    (declare-input x float32 [1,1])
    (declare-output y float32 [1,1])
)
(assert (>= x[0,0] -1.0))
(assert (<= x[0,0] 1.0))
(assert (> y[0,0] 0.75))
"""


def test_version_2_asks_for_the_type_that_it_declares(identity):
    result = ironbound.verify(identity, ironbound.read_vnnlib(STANDARD))
    assert result and result.semantics in ("both", "float32")
    with pytest.raises(ValueError, match="semantics='real' would not answer it"):
        ironbound.verify(identity, ironbound.read_vnnlib(STANDARD), semantics="real")
    with pytest.raises(ValueError, match="declares `x` as float64"):
        ironbound.verify(identity, ironbound.read_vnnlib(STANDARD.replace(b"float32", b"float64")))


def test_a_query_over_two_networks_is_refused(identity):
    second = b"(declare-network g (declare-input u float32 [1,1]) (declare-output v float32 [1,1]))\n(assert (>= x"
    two = STANDARD.replace(b"(assert (>= x", second, 1).replace(b"(> y[0,0] 0.75)", b"(> y[0,0] v[0,0])")
    with pytest.raises(ValueError, match="networks|unsupported|u"):
        ironbound.verify(identity, ironbound.read_vnnlib(two))


WISHES = [
    [[0.1, 0.5], [-1, 2]],
    y.argmax() == 1,
    (y[0] > 3 * y[1] - 0.25) | (y[1] <= 7),
    y[0] <= x[1] + 1,
    y[0] / 3 < y[1],
    ~((y[0] > 1) & (y[1] < -1)) & (y[0] != 2),
]


@pytest.mark.parametrize("number", range(len(WISHES)))
def test_what_is_written_reads_back_as_the_same_question(number):
    from conftest import dense

    net = ironbound.Network(dense([2, 8, 2], seed=number)[0])
    text = ironbound.to_vnnlib([(-0.5, 0.5), ("0.1", "0.3")], WISHES[number], 2, 2)
    query = ironbound.read_vnnlib(text.encode())
    assert query.boxes[0].native.ends() == (["-0.5", "0.1"], ["0.5", "0.3"])
    direct = ironbound.verify(net, [(-0.5, 0.5), ("0.1", "0.3")], WISHES[number])
    assert ironbound.verify(net, query).verdict == direct.verdict != "unknown"


def test_nothing_can_break_a_tautology():
    text = ironbound.to_vnnlib(Box([0], [1]), ~(y[0] - y[0] > 1), 1, 1)
    with pytest.raises(ValueError):
        ironbound.read_vnnlib(text.encode())
    assert ironbound.verify(absolute(), ironbound.read_vnnlib(text.encode(), allow_empty=True))


def test_a_benchmark_query_has_its_known_verdict(shared):
    family = shared / "data/vnncomp/acasxu_2023"
    net = ironbound.Network(next(family.glob("onnx/ACASXU_run2a_1_1_batch_2000.onnx*")))
    assert ironbound.verify(net, next(family.glob("vnnlib/prop_3.vnnlib*")), timeout=60)
    result = ironbound.verify(
        ironbound.Network(next(family.glob("onnx/ACASXU_run2a_2_2_batch_2000.onnx*"))),
        next(family.glob("vnnlib/prop_2.vnnlib*")),
        timeout=60,
    )
    assert result.verdict == "fails" and np.argmax(result.counterexamples[0].output) == 0
