#!/usr/bin/env python3
"""Stores auto_LiRPA's bounds of the networks in models.py in auto_lirpa.npz.

Run in an environment of its own:

    pip install torch==1.13.1 "numpy<1.25" setuptools==65.5.0 appdirs pyyaml packaging tqdm
    pip install --no-deps auto_LiRPA==0.3
    python store_auto_lirpa.py

Keys: CASE/METHOD/lower and CASE/METHOD/upper, shape (3, outputs); CASE/METHOD/rows/lower with the matrices of models.rows().
"""

import sys
from pathlib import Path

import numpy as np
import torch
from auto_LiRPA import BoundedModule, BoundedTensor
from auto_LiRPA.perturbations import PerturbationLpNorm

from models import cases, rows

METHODS = ["IBP", "CROWN", "CROWN-IBP", "CROWN-Optimized"]


def main():
    stored = {}
    for name, module, centres, eps in cases():
        for method in METHODS:
            # Adaptive lower slopes are auto_LiRPA's default; 20 steps as in ours.
            options = {"optimize_bound_args": {"iteration": 20}, "sparse_intermediate_bounds": False}
            bounded = BoundedModule(module, torch.empty_like(centres[:1]), bound_opts=options)
            x = BoundedTensor(centres, PerturbationLpNorm(norm=float("inf"), eps=eps))
            lower, upper = bounded.compute_bounds(x=(x,), method=method)
            stored[f"{name}/{method}/lower"], stored[f"{name}/{method}/upper"] = lower.detach().numpy(), upper.detach().numpy()
            lower, _ = bounded.compute_bounds(x=(x,), method=method, C=rows(), bound_upper=False)
            stored[f"{name}/{method}/rows/lower"] = lower.detach().numpy()
            print(name, method, lower.detach().numpy().min(), file=sys.stderr)
    np.savez_compressed(Path(__file__).with_name("auto_lirpa.npz"), **stored)


if __name__ == "__main__":
    main()
