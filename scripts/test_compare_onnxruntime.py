"""Ironbound evaluates networks as onnxruntime does: the embedded ones, and a few of the development set where it is there."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
IRONBOUND = os.path.abspath(os.environ.get("IRONBOUND", HERE.parent / "target/release/ironbound"))
FEW = ["run2a_1_1_", "run2a_5_9_", "cersyve/onnx/pendulum_", "AllInOne_10_10", "mnist-net_256x2", "dubinsrejoin", "ruarobot"]


def shared():
    """The folder of benchmark families, if there is one: IRONBOUND_SHARED, or `shared` beside a folder above."""
    places = [Path(os.environ["IRONBOUND_SHARED"])] if "IRONBOUND_SHARED" in os.environ else []
    places += [folder / "shared" for folder in HERE.parents]
    return next((place / "data/vnncomp" for place in places if (place / "data/vnncomp").is_dir()), None)


def compare(root, *options):
    command = [sys.executable, HERE / "compare_onnxruntime.py", "--root", root, "--ironbound", IRONBOUND, "--points", "3", *options]
    return subprocess.run(command, capture_output=True, text=True)


class SameOutputs(unittest.TestCase):
    def test_embedded_networks(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([IRONBOUND, "digits", "export", Path(folder) / "demo"], check=True, capture_output=True)
            done = compare(folder, "--limit", "1e-5")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("2 networks, 0 with errors", done.stdout)

    def test_a_few_development_networks(self):
        root = shared()
        if root is None:
            self.skipTest("SKIPPED: no shared data folder (set IRONBOUND_SHARED)")
        compared = 0
        for name in FEW:
            done = compare(root, "--only", name, "--limit", "1e-4")
            if "nothing compared" in done.stderr:
                continue
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            compared += 1
        self.assertGreaterEqual(compared, 3)


if __name__ == "__main__":
    unittest.main()
