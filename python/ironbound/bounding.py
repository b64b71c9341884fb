"""Proved bounds of outputs, for batches of boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _native
from .network import Network, Source, as_network


@dataclass(frozen=True)
class LinearBounds:
    """Linear functions of the flattened input that bound each row from below and above on the whole box.

    ``lower_slopes @ x + lower_constants <= rows @ y(x) <= upper_slopes @ x + upper_constants`` for every x of the box.

    Attributes:
        lower_slopes: shape (batch, rows, inputs).
        lower_constants: shape (batch, rows); all allowances for rounding are in here.
        upper_slopes: shape (batch, rows, inputs).
        upper_constants: shape (batch, rows).
    """

    lower_slopes: Any
    lower_constants: Any
    upper_slopes: Any
    upper_constants: Any


def bounds(
    net: Source,
    low: Any,
    high: Any,
    method: str = "crown",
    return_linear: bool = False,
    *,
    rows: Any = None,
    semantics: str = "both",
    steps: int = 20,
    threads: int | None = None,
) -> Any:
    """Proved lower and upper bounds of the outputs, or of linear functions of them, over a batch of boxes.

    Args:
        net: as for :func:`verify`.
        low: lower ends, shape (batch, ...) with as many elements per row as the network has inputs; one box may come without batch.
        high: upper ends, the same shape.
        method: ``"interval"``; ``"crown"``: linear bounds back to the inputs; ``"alpha"``: the same with optimised slopes;
            ``"crown-interval"``: linear bounds of the outputs over intervals of the layers; ``"forward"``: one linear function of the inputs
            per value, layer by layer upwards (fast where few inputs vary); ``"crown-forward"``: linear bounds of the outputs over those.
        return_linear: also return the :class:`LinearBounds`.
        rows: coefficients on the outputs, shape (rows, outputs) or (batch, rows, outputs); None for the outputs themselves.
        semantics: ``"both"``, ``"real"`` or ``"float32"``.
        steps: slope steps of ``"alpha"``.
        threads: worker threads; None for one per core.

    Returns:
        ``(lower, upper)`` of shape (batch, rows), binary64, rounded outward; with ``return_linear`` a third value. Tensors if
        ``low`` is one. Where nothing can be proved a bound is infinite.

    Raises:
        ValueError: shapes that do not fit, NaN, crossed ends, an unknown method.
    """
    network = as_network(net, np.asarray(_shape(low)).prod() if len(_shape(low)) == 1 else int(np.prod(_shape(low)[1:])))
    lows, highs = _boxes(low, network, "low"), _boxes(high, network, "high")
    if lows.shape != highs.shape:
        raise ValueError(f"low has {len(lows)} boxes, high {len(highs)}")
    matrix = _rows(rows, network.output_size, len(lows))
    count = matrix.shape[-2]
    parts = _native.output_bounds(
        network.native, lows.tobytes(), highs.tobytes(), matrix.tobytes(), row_count=count, method=method, semantics=semantics,
        steps=steps, linear=return_linear, threads=threads,
    )  # fmt: skip
    arrays = [np.frombuffer(part, dtype="<f8") for part in parts]
    back = _like(low)
    lower, upper = (back(arrays[i].reshape(len(lows), count).copy()) for i in (0, 1))
    if not return_linear:
        return lower, upper
    slopes = [back(arrays[i].reshape(len(lows), count, network.input_size).copy()) for i in (2, 4)]
    constants = [back(arrays[i].reshape(len(lows), count).copy()) for i in (3, 5)]
    return lower, upper, LinearBounds(slopes[0], constants[0], slopes[1], constants[1])


def layer_bounds(
    net: Source, low: Any, high: Any, method: str = "crown", *, semantics: str = "both", steps: int = 20, threads: int | None = None
) -> list[tuple[str, str, np.ndarray, np.ndarray]]:
    """Proved bounds of every value of the network over one box.

    Returns:
        (name, operator, lower, upper) of every node, inputs first.
    """
    network = as_network(net, int(np.prod(_shape(low))))
    ends = [_boxes(end, network, what) for end, what in ((low, "low"), (high, "high"))]
    ranges = _native.node_ranges(
        network.native, ends[0].tobytes(), ends[1].tobytes(), method=method, semantics=semantics, steps=steps, threads=threads
    )
    operators = [operator for _, operator, _, _ in network.native.nodes]
    numbers = [(np.frombuffer(least, dtype="<f8"), np.frombuffer(most, dtype="<f8")) for _, least, most in ranges]
    return [(name, operator, *ends) for (name, _, _), operator, ends in zip(ranges, operators, numbers)]


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(value.shape) if hasattr(value, "shape") else np.shape(value)


def _boxes(end: Any, network: Network, what: str) -> np.ndarray:
    from .specs import numbers

    flat = numbers(end, what)
    if flat.size == 0 or flat.size % network.input_size:
        raise ValueError(f"{what}: shape {_shape(end)} does not hold boxes of {network.input_size} elements")
    return flat.reshape(-1, network.input_size)


def _rows(rows: Any, outputs: int, batch: int) -> np.ndarray:
    from .specs import numbers

    if rows is None:
        return np.eye(outputs)
    shape = _shape(rows)
    if len(shape) not in (2, 3) or shape[-1] != outputs or (len(shape) == 3 and shape[0] != batch):
        raise ValueError(f"rows: expected shape (rows, {outputs}) or ({batch}, rows, {outputs}), not {shape}")
    return numbers(rows, "rows").reshape(shape)


def _like(example: Any) -> Any:
    if hasattr(example, "detach"):
        import torch

        return torch.from_numpy
    return lambda array: array
