"""Bounds on the probabilities of a final Softmax, as linear comparisons of its logits.

With ``d_j = z_j - z_i``, ``y_i = 1 / (1 + sum_j exp(d_j))`` falls in every difference. For the real function therefore

* ``y_i < p`` needs ``sum_j exp(d_j) > 1/p - 1``. Let ``U_j`` be proved upper bounds of the differences and ``c`` a level with
  ``sum_j exp(min(U_j, c)) <= 1/p - 1``: then some ``d_j`` with ``U_j > c`` is above ``c``;
* ``y_i > q`` needs ``sum_j exp(d_j) < 1/q - 1``, so every ``d_j`` is below ``ln(1/q - 1)``.

If no input satisfies these linear conditions, none breaks the bounds. The converse is not true for more than two outputs: what
satisfies them is no counterexample. Exponentials are taken in 50 decimal digits, with a margin for their rounding.
"""

from __future__ import annotations

import math
from decimal import Context, Decimal
from fractions import Fraction

import numpy as np

from . import _native
from .properties import Atom, Conjunction, Linear

_CONTEXT = Context(prec=50)
_MARGIN = Decimal("1e-40")
"""Far above the relative rounding errors of the few operations below."""


_SLACK = 0.01
"""By how much the bounds of a certificate's conditions are relaxed, relative to their size plus one, so that they can be proved."""


def linear_conditions(
    logits: _native.Network, region: _native.Region, broken: list[Conjunction], alone: bool = False
) -> list[Conjunction] | None:
    """Linear conditions on the logits that every input which breaks the bounds satisfies; None if these are no such bounds.

    Args:
        logits: the network without its Softmax.
        region: the inputs.
        broken: the disjuncts, each a single comparison of one output with a number.
        alone: the conditions are to imply the bounds by themselves, for a certificate: also those that bounds on the differences, found
            on the way, exclude.
    """
    conditions: list[Conjunction] = []
    for conjunction in broken:
        bound = _bound(conjunction)
        if bound is None:
            return None
        output, low, limit = bound
        if low:
            conditions += _below(logits, region, output, limit, alone)
        else:
            conditions += _above(logits.output_len, output, limit)
    return conditions


def _bound(conjunction: Conjunction) -> tuple[int, bool, Fraction] | None:
    """(i, True, p) for the condition ``y_i < p`` (or <=), (i, False, q) for ``y_i > q``, with the number strictly between 0 and 1."""
    if len(conjunction) != 1 or len(conjunction[0].linear.terms) != 1:
        return None
    linear = conjunction[0].linear
    ((name, output), coefficient), limit = next(iter(linear.terms.items())), Fraction(0)
    limit = -linear.constant / coefficient
    return (output, coefficient < 0, limit) if name == "y" and 0 < limit < 1 else None


def _decimal(value: Fraction) -> Decimal:
    return _CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))


def _exp(value: float) -> Decimal:
    return _CONTEXT.exp(Decimal(value))


def _difference(j: int, i: int) -> Linear:
    return Linear({("y", j): Fraction(1), ("y", i): Fraction(-1)})


def _below(logits: _native.Network, region: _native.Region, output: int, limit: Fraction, alone: bool) -> list[Conjunction]:
    others = [j for j in range(logits.output_len) if j != output]
    rows = np.zeros((len(others), logits.output_len))
    rows[range(len(others)), others] = 1.0
    rows[:, output] = -1.0
    bounds = _native.output_bounds(logits, region.low, region.high, rows.tobytes(), row_count=len(others), semantics="real")
    highest = [float(u) for u in np.frombuffer(bounds[1], dtype="<f8")]
    if alone:
        # If every d_j is at most min(U_j, c), for any numbers U_j, the sum is at most the budget.
        highest = [u + _SLACK * (1 + abs(u)) for u in highest]
    level = _level(highest, _CONTEXT.multiply(_decimal(1 / limit - 1), 1 - _MARGIN))
    return [[Atom(_difference(j, output) - min(u, level), strict=False)] for j, u in zip(others, highest) if alone or u > level]


def _level(highest: list[float], budget: Decimal) -> float:
    """A number c with ``sum exp(min(U_j, c)) <= budget``, close to the largest."""

    def fits(level: float) -> bool:
        total = sum((_exp(max(-1e4, min(u, level))) for u in highest), Decimal(0))
        return _CONTEXT.multiply(total, 1 + _MARGIN) <= budget

    # All of them at the same level always fit; bisection from there up.
    low = math.log(float(budget) / len(highest)) if budget > Decimal("1e-300") else -700.0
    while not fits(low):
        low -= max(1e-12, 1e-12 * abs(low))
    high = max(low, min(max(highest), low + math.log(len(highest)) + 700.0))
    if fits(high):
        return high
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _above(outputs: int, output: int, limit: Fraction) -> list[Conjunction]:
    budget = _CONTEXT.multiply(_decimal(1 / limit - 1), 1 + _MARGIN)
    level = math.log(float(budget)) if budget > Decimal("1e-300") else -600.0
    while not _exp(level) >= budget:
        level += max(1e-12, 1e-12 * abs(level))
    return [[Atom(level - _difference(j, output), strict=False) for j in range(outputs) if j != output]]
