"""The network that `ironbound digits train-certify` exports is the one it certifies: JSON, ONNX and onnxruntime agree."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import numpy
import onnx
import onnxruntime

IRONBOUND = os.path.abspath(os.environ.get("IRONBOUND", "target/release/ironbound"))


def logits(weights, x):
    """The logits by plain float64 arithmetic on the JSON weights."""
    k = 0
    while f"layers.{k}.weight" in weights:
        if k > 0:
            x = numpy.maximum(x, 0)
        x = x @ numpy.array(weights[f"layers.{k}.weight"]).T + numpy.array(weights[f"layers.{k}.bias"])
        k += 1
    return x


class ExportedNetwork(unittest.TestCase):
    def check(self, *options):
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder)
            files = [f"--weights={place / 'w.json'}", f"--dataset={place / 'd.json'}", f"--onnx={place / 'n.onnx'}"]
            command = [IRONBOUND, "digits-train-certify", "--epochs=5", *files, *options]
            subprocess.run(command, check=True, capture_output=True)
            onnx.checker.check_model(str(place / "n.onnx"), full_check=True)
            weights = json.loads((place / "w.json").read_text())
            examples = json.loads((place / "d.json").read_text())["examples"]
            x = numpy.array([example["x"] for example in examples])
            session = onnxruntime.InferenceSession(str(place / "n.onnx"))
            deployed = session.run(None, {"x": x.astype(numpy.float32)})[0]
            self.assertEqual(deployed.shape, (360, 10))
            self.assertLess(numpy.abs(deployed - logits(weights, x)).max(), 1e-4)

    def test_linear(self):
        self.check()

    def test_hidden_layers(self):
        self.check("--hidden=16,8")


if __name__ == "__main__":
    unittest.main()
