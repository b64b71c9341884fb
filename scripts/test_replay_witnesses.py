"""The replay of witnesses accepts what satisfies a query exactly, and nothing else."""

import json
import pathlib
import tempfile
import unittest
from fractions import Fraction

import numpy
import onnx
from onnx import helper, numpy_helper

import replay_witnesses
from replay_witnesses import Query

VERSION_1 = """; X_0 + X_1 >= 2 on the unit square
(declare-const X_0 Real) (declare-const X_1 Real) (declare-const Y_0 Real)
(assert (>= X_0 0.0)) (assert (<= X_0 1)) (assert (>= X_1 0)) (assert (<= X_1 1e0))
(assert (or (and (>= Y_0 2.0) (<= Y_0 2.5)) (and (< Y_0 -1))))
"""

VERSION_2 = """(vnnlib-version <2.0>)
(declare-network f (declare-input X float32 [1,2]) (declare-output A float32 []) (declare-output B float32 [2]))
(assert (and (== X[0,1] 0.5) (> (+ A (* 2 B[1])) (- X[0,0] 1))))
"""


def sum_network():
    """Y = X_0 + X_1."""
    nodes = [helper.make_node("Gemm", ["X", "W"], ["Y"])]
    value = lambda name, size: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, size])
    weights = numpy_helper.from_array(numpy.ones((2, 1), dtype=numpy.float32), "W")
    graph = helper.make_graph(nodes, "sum", [value("X", 2)], [value("Y", 1)], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


class Replay(unittest.TestCase):
    def test_comparisons_are_exact(self):
        query = Query(VERSION_1)
        corner, just_inside = [Fraction(1), Fraction(1)], [Fraction(1), Fraction(1) - Fraction(1, 10**30)]
        self.assertTrue(query.holds(corner, [Fraction(2)]))
        self.assertFalse(query.holds(just_inside, [sum(just_inside)]))
        self.assertFalse(query.holds([Fraction(1) + Fraction(1, 10**30), Fraction(1)], [Fraction(2)]))
        self.assertFalse(query.holds(corner, [Fraction(-1)]))

    def test_version_2_names_elements_by_their_indices(self):
        query = Query(VERSION_2)
        half = Fraction(1, 2)
        self.assertTrue(query.holds([Fraction(3), half], [Fraction(2), Fraction(0), Fraction(1)]))
        self.assertFalse(query.holds([Fraction(3), half], [Fraction(2), Fraction(1), Fraction(0)]))

    def test_decimals_are_rounded_once_and_ties_go_to_even(self):
        for text, expected in [("0.1", "0.1"), ("16777217", "16777216"), ("16777219", "16777220"), ("1e-46", "0")]:
            self.assertEqual(replay_witnesses.to_float32(text), numpy.float32(expected))
        # Just above a tie of float32, and equal to it in float64.
        self.assertEqual(replay_witnesses.to_float32("16777217.0000000000000001"), numpy.float32(16777218))

    def test_a_witness_is_replayed_from_its_file(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            onnx.save(sum_network(), root / "net.onnx")
            (root / "query.vnnlib").write_text(VERSION_1)
            witness = {"family": "tiny", "onnx": "net.onnx", "vnnlib": "query.vnnlib", "breaks_float32": True, "input": ["1", "1.0"]}
            (root / "good.json").write_text(json.dumps(witness))
            (root / "bad.json").write_text(json.dumps(witness | {"input": ["1", "0.9"]}))
            self.assertIsNone(replay_witnesses.replay(root / "good.json", root))
            self.assertIsNotNone(replay_witnesses.replay(root / "bad.json", root))


if __name__ == "__main__":
    unittest.main()
