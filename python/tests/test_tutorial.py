"""The tutorial, from top to bottom."""

import re
import subprocess
import sys
from pathlib import Path

import ironbound
import numpy as np
import pytest

PROGRAM = Path(sys.executable).with_name("ironbound")
TUTORIAL = Path(__file__).resolve().parents[1] / "docs/tutorial.md"


@pytest.fixture
def world(tmp_path, monkeypatch):
    """What the tutorial takes for granted: models, images, a query and a quantized network."""
    torch = pytest.importorskip("torch", reason="SKIPPED LOUDLY: PyTorch is not installed, so the tutorial was not run")
    pytest.importorskip("matplotlib", reason="SKIPPED LOUDLY: matplotlib is not installed, so the tutorial was not run").use("agg")
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    nn = torch.nn
    circle = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2), nn.Softmax(dim=1))
    digits = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    images = np.random.default_rng(0).uniform(0, 1, (4, 64))
    with torch.no_grad():
        digits[2].bias[6] += 2
        few = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 10))
        few[2].bias[6] += 2
    small = ironbound.Network(few)
    subprocess.run([PROGRAM, "quantized", "digits", "--max", "1", "--save", "."], check=True, capture_output=True)
    x_specs = [(0.5, 0.501)] * 64
    (tmp_path / "query.vnnlib").write_text(ironbound.to_vnnlib(x_specs, ironbound.y.argmax() == 6, 64, 10))
    table = ironbound.certify_dataset(digits, images, [6] * 4, 0.001)
    plane = ironbound.verify(circle, [(0.1, 0.2)] * 2, [[0, 1]] * 2)
    broken = ironbound.verify(digits, x_specs, ironbound.y.argmax() != 6)
    return {
        "A question": {"model": circle},
        "Robustness": {"model": digits, "image": images[0], "images": images, "labels": [6] * 4},
        "Bounds": {"net": ironbound.Network(nn.Linear(4, 3)), "low": np.zeros((2, 4)), "high": np.ones((2, 4))},
        # Proofs of wide networks can be checked, but not begun with.
        "Certificates": {"net": small, "retrained": small, "x_specs": [(0.5, 0.501)] * 4},
        "VNN-LIB": {"net": ironbound.Network(digits), "x_specs": x_specs},
        "Quantized networks": {"images": [[8] * 64, [3] * 64], "image": [8] * 64},
        "Pictures": {
            "net": ironbound.Network(circle), "low": [0, 0], "high": [1, 1], "image": np.full(64, 0.5), "failing": broken,
            "x_specs": [(0.1, 0.2)] * 2, "result": plane, "table_1": table, "table_2": table, "table_3": table,
        },
    }  # fmt: skip


def test_every_piece_of_the_tutorial_runs(world):
    names, pieces = {}, 0
    for section in TUTORIAL.read_text().split("\n## ")[1:]:
        title = section.partition("\n")[0]
        names |= world.get(title, {})
        for piece in re.findall(r"```python\n(.*?)```", section, re.DOTALL):
            exec(compile(piece.replace("inputs=784", "inputs=64"), f"tutorial, {title}", "exec"), names)
            pieces += 1
    assert pieces == 8 and len(names["table"]) == 4
    files = [f"proof/{name}" for name in ("network.onnx", "query.vnnlib", "proof.cert")]
    done = subprocess.run([PROGRAM, "check", *files], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("accepted: holds"), done
