"""Bitwuzla agrees with Ironbound on exported queries about quantized networks, small ones with every rounding mode."""

import json
import os
import random
import subprocess
import tempfile
import unittest
from pathlib import Path

import bitwuzla

HERE = Path(__file__).resolve().parent
IRONBOUND = os.path.abspath(os.environ.get("IRONBOUND", HERE.parent / "target/release/ironbound"))
MODES = ["half-up", "half-down", "half-even", "half-away", "floor", "toward-zero"]


def solve(text):
    """`sat` or `unsat`, by Bitwuzla."""
    manager = bitwuzla.TermManager()
    options = bitwuzla.Options()
    parser = bitwuzla.Parser(manager, options)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "query.smt2"
        path.write_text(text.replace("(check-sat)", ""))
        parser.parse(str(path), False, True)
    return str(parser.bitwuzla().check_sat()).lower().split(".")[-1]


def layer(rng, inputs, outputs, mode, last):
    return {
        "weights": [[rng.randint(-7, 7) for _ in range(inputs)] for _ in range(outputs)],
        "bias": [rng.randint(-60, 60) for _ in range(outputs)],
        "multiplier": [rng.randint(1, 3) for _ in range(outputs)],
        "shift": 2 if last else 4,
        "rounding": mode,
        "offset": rng.randint(-1, 1),
        "low": -30 if last else 0,
        "high": 30 if last else 15,
    }


class SameVerdicts(unittest.TestCase):
    def run_in(self, folder, *arguments):
        return subprocess.run([IRONBOUND, "quantized", *arguments], cwd=folder, capture_output=True, text=True)

    def compare(self, folder, network, query):
        files = ["--weights", network, "--query", query]
        decided = self.run_in(folder, *files)
        self.assertIn(decided.returncode, (0, 1), decided.stderr)
        exported = self.run_in(folder, *files, "--export")
        self.assertEqual(exported.returncode, 0, exported.stderr)
        text = (Path(folder) / "smt2" / (Path(query).stem + ".smt2")).read_text()
        verdict = decided.stdout.split()[0]
        self.assertEqual({"robust": "unsat", "vulnerable": "sat"}[verdict], solve(text))
        return verdict

    def test_random_networks_with_every_rounding_mode(self):
        seen = []
        with tempfile.TemporaryDirectory() as folder:
            for seed in range(36):
                rng = random.Random(seed)
                mode = MODES[seed % len(MODES)]
                network = {
                    "format": "integer_network_v0_1", "input_low": 0, "input_high": 63,
                    "layers": [layer(rng, 3, 4, mode, False), layer(rng, 4, 3, mode, True)],
                }
                low = [rng.randint(0, 50) for _ in range(3)]
                query = {"format": "integer_query_v0_1", "low": low, "high": [v + 5 for v in low], "label": rng.randint(0, 2)}
                Path(folder, "network.json").write_text(json.dumps(network))
                Path(folder, "query.json").write_text(json.dumps(query))
                seen.append(self.compare(folder, "network.json", "query.json"))
        self.assertGreater(seen.count("robust"), 3)
        self.assertGreater(seen.count("vulnerable"), 3)

    def test_embedded_digits_with_few_pixels_free(self):
        with tempfile.TemporaryDirectory() as folder:
            saved = self.run_in(folder, "digits", "--max", "4", "--eps", "0", "--save", "digits")
            self.assertEqual(saved.returncode, 0, saved.stderr)
            for number in range(4):
                path = Path(folder) / f"digits/query_{number:03}.json"
                query = json.loads(path.read_text())
                for pixel in (28, 36):
                    query["low"][pixel] = max(0, query["low"][pixel] - 2)
                    query["high"][pixel] = min(16, query["high"][pixel] + 2)
                path.write_text(json.dumps(query))
                self.compare(folder, "digits/network.json", f"digits/query_{number:03}.json")


if __name__ == "__main__":
    unittest.main()
