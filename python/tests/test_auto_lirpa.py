"""The auto_LiRPA door beside auto_LiRPA's own results, stored by peers/store_auto_lirpa.py (auto_LiRPA 0.3 from PyPI, torch 1.13.1)."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="SKIPPED LOUDLY: torch is not installed, so the auto_LiRPA door was not tested")

from ironbound import UnsupportedError  # noqa: E402
from ironbound.compat.auto_lirpa import BoundedModule, BoundedTensor, PerturbationLpNorm  # noqa: E402

sys.path.insert(0, str(Path(__file__).with_name("peers")))
from models import cases, rows  # noqa: E402

STORED = np.load(Path(__file__).with_name("peers") / "auto_lirpa.npz")
CASES = {name: (module, centres, eps) for name, module, centres, eps in cases()}
METHODS = ["IBP", "CROWN", "CROWN-IBP", "CROWN-Optimized"]
NOISE = 2e-5
"""auto_LiRPA computes in binary32 without outward rounding."""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", CASES)
def test_bounds_are_those_of_auto_lirpa_or_better(name, method):
    module, centres, eps = CASES[name]
    bounded = BoundedModule(module, torch.empty_like(centres[:1]), bound_opts={"optimize_bound_args": {"iteration": 20}})
    x = BoundedTensor(centres, PerturbationLpNorm(norm=math.inf, eps=eps))
    lower, upper = bounded.compute_bounds(x=(x,), method=method)
    theirs = [torch.from_numpy(STORED[f"{name}/{method}/{end}"]) for end in ("lower", "upper")]
    assert lower.shape == theirs[0].shape and upper.shape == theirs[1].shape and lower.dtype == torch.float32
    width = float((theirs[1] - theirs[0]).mean())
    # Optimised slopes are found by a local search, each tool with its own.
    slack = NOISE * (1 + width) + (0.02 * width if method == "CROWN-Optimized" else 0)
    assert torch.all(lower >= theirs[0] - slack) and torch.all(upper <= theirs[1] + slack), (lower - theirs[0], theirs[1] - upper)
    if name in ("relu", "deep", "conv") and method in ("IBP", "CROWN", "CROWN-IBP"):
        # The very same method: not merely better.
        assert torch.allclose(lower, theirs[0], atol=NOISE * (1 + width)) and torch.allclose(upper, theirs[1], atol=NOISE * (1 + width))
    with_rows, nothing = bounded.compute_bounds(x=(x,), method=method, C=rows(), bound_upper=False)
    stored = torch.from_numpy(STORED[f"{name}/{method}/rows/lower"])
    assert nothing is None and with_rows.shape == stored.shape == (3, 3)
    assert torch.all(with_rows >= stored - slack)


@pytest.mark.parametrize("name", CASES)
def test_bounds_and_linear_functions_enclose_the_outputs(name):
    module, centres, eps = CASES[name]
    bounded = BoundedModule(module, centres[:1])
    x = BoundedTensor(centres, PerturbationLpNorm(x_L=centres - eps, x_U=centres + eps))
    assert torch.equal(bounded(x), module(centres))
    lower, upper, table = bounded.compute_bounds(method="CROWN", return_A=True)
    linear = table[bounded.output_name[0]][bounded.input_name[0]]
    assert linear["lA"].shape == (3, 4, *centres.shape[1:]) and linear["lbias"].shape == (3, 4)
    for _ in range(50):
        points = (centres + eps * (2 * torch.rand_like(centres) - 1)).detach()
        with torch.no_grad():
            outputs = module(points).double()
        below = torch.einsum("brn,bn->br", linear["lA"].flatten(2), points.flatten(1).double()) + linear["lbias"]
        assert torch.all(lower - 1e-5 <= outputs) and torch.all(outputs <= upper + 1e-5) and torch.all(below <= outputs + 1e-5)


def test_a_shared_specification_matrix_has_a_batch_of_one():
    module, centres, eps = CASES["relu"]
    bounded, x = BoundedModule(module, centres), BoundedTensor(centres, PerturbationLpNorm(eps=eps))
    shared = bounded.compute_bounds(x=(x,), C=rows()[:1], method="crown")[0]
    assert torch.equal(shared[0], bounded.compute_bounds(x=(x,), C=rows(), method="CROWN")[0][0])


def test_what_is_not_there_is_refused_by_name():
    module, centres, eps = CASES["relu"]
    bounded, x = BoundedModule(module, centres), BoundedTensor(centres, PerturbationLpNorm(eps=eps))
    with pytest.raises(UnsupportedError, match="norm=2"):
        PerturbationLpNorm(norm=2, eps=0.1)
    with pytest.raises(UnsupportedError, match="method 'forward'"):
        bounded.compute_bounds(x=(x,), method="forward")
    with pytest.raises(ValueError, match="expected a BoundedTensor"):
        bounded.compute_bounds(x=(centres,))
    with pytest.raises(ValueError, match=r"C: expected shape \(3, rows, 4\), not \(3, 4\)"):
        bounded.compute_bounds(x=(x,), C=torch.ones(3, 4))
    with pytest.raises(ValueError, match="inputs of shape"):
        bounded.compute_bounds(x=(BoundedTensor(torch.zeros(1, 5), PerturbationLpNorm(eps=eps)),))
    assert not bounded.compute_bounds(x=(x,))[0].requires_grad
