"""Input sets and output properties, in the terms of the call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _native
from .properties import All, Property, decimal_text, exact, y


class Box:
    """All inputs between ``low`` and ``high``, element by element, flat and in the network's order.

    Args:
        low: the lower ends, an array, a tensor or nested lists; floats are taken as the exact binary numbers that they are.
        high: the upper ends.
    """

    def __init__(self, low: Any, high: Any) -> None:
        ends = numbers(low, "low"), numbers(high, "high")
        if len(ends[0]) != len(ends[1]):
            raise ValueError(f"{len(ends[0])} lower and {len(ends[1])} upper ends")
        self._region = _native.Region.of_ends(ends[0].tobytes(), ends[1].tobytes())

    @staticmethod
    def around(point: Any, eps: Any, clip: tuple[Any, Any] | None = None) -> Box:
        """All inputs that differ from ``point`` by at most ``eps`` in every element, within ``clip``, exactly: nothing is rounded.

        Args:
            point: the centre, any shape.
            eps: the radius in units of the input, a number or an exact decimal such as ``"0.02"``.
            clip: the least and the greatest value that an element may have.
        """
        ends = None if clip is None else (_decimal(clip[0], "clip"), _decimal(clip[1], "clip"))
        return Box._of(_native.Region.around(numbers(point, "the point").tobytes(), _decimal(eps, "eps"), ends))

    @staticmethod
    def _of(region: _native.Region) -> Box:
        box = Box.__new__(Box)
        box._region = region
        return box

    @property
    def native(self) -> _native.Region:
        """The engine's box, in exact decimals."""
        return self._region

    @property
    def low(self) -> np.ndarray:
        """The lower ends in binary64, rounded down."""
        return np.frombuffer(self._region.low, dtype="<f8")

    @property
    def high(self) -> np.ndarray:
        """The upper ends in binary64, rounded up."""
        return np.frombuffer(self._region.high, dtype="<f8")

    def __len__(self) -> int:
        return len(self._region)

    def __repr__(self) -> str:
        if len(self) > 4:
            return f"Box of {len(self)} elements, {int(np.sum(self.low < self.high))} of which vary"
        return " x ".join(f"[{low}, {high}]" for low, high in zip(self.low, self.high))


def _decimal(value: Any, what: str) -> str:
    text = decimal_text(exact(value, what))
    if text is None:
        raise ValueError(f"{what}: {value!r} is no finite decimal; give a float or a decimal")
    return text


def numbers(values: Any, what: str) -> np.ndarray:
    """A flat binary64 array of finite numbers from an array, a tensor or nested lists."""
    detach = getattr(values, "detach", None)
    try:
        array = np.asarray(detach().cpu().double().numpy() if detach else values)
        if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
            raise ValueError(f"elements of type {array.dtype}")
        array = np.ascontiguousarray(array, dtype="<f8").reshape(-1)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{what}: expected numbers, {error}") from error
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{what}: element {int(np.flatnonzero(~np.isfinite(array))[0])} is not a finite number")
    return array


def box(x_specs: Any, size: int) -> Box:
    """The box of ``x_specs``: a :class:`Box`, or one ``(low, high)`` pair per input element."""
    result = x_specs if isinstance(x_specs, Box) else _pairs(x_specs)
    if len(result) != size:
        raise ValueError(
            f"x_specs: {len(result)} ranges for {size} input elements; give one (low, high) per element of the flattened input"
        )
    return result


def _pairs(x_specs: Any) -> Box:
    if hasattr(x_specs, "detach") or isinstance(x_specs, np.ndarray):
        if len(x_specs.shape) != 2 or x_specs.shape[1] != 2:
            raise ValueError(f"x_specs: expected shape (inputs, 2), not {tuple(x_specs.shape)}; or write Box(low, high)")
        ends = numbers(x_specs, "x_specs").reshape(-1, 2)
        return Box(ends[:, 0], ends[:, 1])
    if not isinstance(x_specs, Sequence) or isinstance(x_specs, (str, bytes)):
        raise ValueError(f"x_specs: expected a list of (low, high), one per input element, or a Box, not {type(x_specs).__name__}")
    texts = [_pair(pair, f"x_specs[{i}]") for i, pair in enumerate(x_specs)]
    return Box._of(_native.Region.of_ends([low for low, _ in texts], [high for _, high in texts]))


def _pair(pair: Any, what: str) -> tuple[str, str]:
    try:
        low, high = pair
    except (TypeError, ValueError):
        raise ValueError(f"{what}: expected (low, high), not {pair!r}") from None
    ends = exact(low, what), exact(high, what)
    if ends[0] > ends[1]:
        raise ValueError(f"{what}: low {float(ends[0])} is above high {float(ends[1])}")
    return _decimal(ends[0], what), _decimal(ends[1], what)


def wanted(y_specs: Any, size: int) -> Property:
    """The property of ``y_specs``: a :class:`Property`, or one closed ``[low, high]`` per output; an infinite end is no bound."""
    if isinstance(y_specs, Property):
        return y_specs
    if isinstance(y_specs, bool) or not hasattr(y_specs, "__len__"):
        raise ValueError(
            f"y_specs: expected a list of [low, high], one per output, or a property such as ironbound.y[0] > 0, not {type(y_specs).__name__}"
        )
    if len(y_specs) != size:
        raise ValueError(f"y_specs: {len(y_specs)} ranges for {size} outputs; give one closed [low, high] per output, or a property")
    parts: list[Property] = []
    for i, pair in enumerate(y_specs):
        try:
            low, high = pair
        except (TypeError, ValueError):
            raise ValueError(f"y_specs[{i}]: expected [low, high], not {pair!r}") from None
        if not float(low) <= float(high):
            raise ValueError(f"y_specs[{i}]: [{low}, {high}] is no interval: low must not be above high, and neither may be NaN")
        if not math.isinf(float(low)):
            parts.append(y[i] >= exact(low))
        if not math.isinf(float(high)):
            parts.append(y[i] <= exact(high))
    return All(parts)
