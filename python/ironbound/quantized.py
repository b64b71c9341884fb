"""Quantized networks in exact integers: what a microcontroller computes, decided bit for bit.

A network is a chain of layers ``a = W h + b``, ``h' = clip(round(a * multiplier / 2**shift) + offset, low, high)``. The class of an
input is the *first* maximum over all outputs. Source of the benchmark's format: Henzinger, Lechner and Zikelic (AAAI 2021).

    >>> from ironbound import quantized
    >>> net = quantized.Network("network.json")  # doctest: +SKIP
    >>> print(quantized.robustness(net, image, label=7, eps=2))  # doctest: +SKIP
    holds (integer), 0.003 s, 12 parts, no certificate
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _native
from .certificates import Certificate
from .verification import Counterexample

ROUNDINGS = ("half-up", "half-down", "half-even", "half-away", "floor", "toward-zero")
"""How ``a * multiplier / 2**shift`` becomes an integer; ``half-up`` is ``(a + half) >> shift``."""


@dataclass(frozen=True)
class Layer:
    """A layer given in arrays of integers.

    Attributes:
        weights: shape (outputs, inputs), 32 bits.
        bias: one per output, in units of the accumulator.
        shift: bits that the accumulator is shifted by.
        low: least value of the result.
        high: greatest value of the result.
        multiplier: a positive number, or one per output.
        rounding: one of :data:`ROUNDINGS`.
        offset: is added after rounding.
    """

    weights: Any
    bias: Any
    shift: int
    low: int
    high: int
    multiplier: Any = 1
    rounding: str = "half-up"
    offset: int = 0

    def _fields(self, place: str) -> dict[str, Any]:
        weights = whole(self.weights, f"{place}.weights")
        if weights.ndim != 2:
            raise ValueError(f"{place}.weights: expected shape (outputs, inputs), not {weights.shape}")
        numbers = {name: int(whole(getattr(self, name), f"{place}.{name}")) for name in ("shift", "low", "high", "offset")}
        bias, multiplier = whole(self.bias, f"{place}.bias"), whole(self.multiplier, f"{place}.multiplier")
        return {
            "weights": weights.tolist(), "bias": bias.reshape(-1).tolist(), "multiplier": multiplier.tolist(), "rounding": self.rounding,
            **numbers,
        }  # fmt: skip


class Network:
    """An integer network; loading it once saves the time of loading it for every call.

    Args:
        source: the path or the bytes of a file: Keras weights (``.h5``, quantized on load to 6 bits as in the published benchmark), JSON
            or npz (docs/quantized.md), gzipped or not; or a list of :class:`Layer`.
        input_range: least and greatest value of every input, for a list of layers.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, layers do not fit together, or an accumulator might overflow.
    """

    def __init__(self, source: Any, input_range: tuple[int, int] = (0, 255)) -> None:
        if isinstance(source, (str, os.PathLike)):
            self._native = _native.IntegerNetwork.read(source)
        elif isinstance(source, (bytes, bytearray, memoryview)):
            self._native = _native.IntegerNetwork.parse(bytes(source), "the given bytes")
        elif isinstance(source, Sequence) and source and all(isinstance(layer, Layer) for layer in source):
            self._native = _native.IntegerNetwork.parse(_json(source, input_range), "the given layers")
        else:
            raise ValueError(f"expected the path or bytes of a file, or a list of ironbound.quantized.Layer, not {type(source).__name__}")

    @property
    def native(self) -> _native.IntegerNetwork:
        """The engine's network."""
        return self._native

    @property
    def input_size(self) -> int:
        """Number of input elements."""
        return self._native.inputs

    @property
    def output_size(self) -> int:
        """Number of outputs."""
        return self._native.outputs

    @property
    def input_range(self) -> tuple[int, int]:
        """Least and greatest value of every input."""
        return self._native.input_range

    def __call__(self, points: Any) -> np.ndarray:
        """Outputs at some points, bit for bit, one row each.

        Args:
            points: integers, as many as a multiple of :attr:`input_size`.
        """
        flat = whole(points, "points")
        if flat.size == 0 or flat.size % self.input_size:
            raise ValueError(f"points: {flat.size} numbers are no points of {self.input_size} elements")
        return np.frombuffer(self._native.evaluate(flat.tobytes()), dtype="<i8").reshape(-1, self.output_size)

    def classify(self, points: Any) -> np.ndarray:
        """The class of every point: the first maximum of its outputs."""
        classes: np.ndarray = np.argmax(self(points), axis=1)
        return classes

    def __repr__(self) -> str:
        low, high = self.input_range
        return f"quantized.Network({self._native.shape}, inputs from {low} to {high})"


Source = Any
"""A :class:`Network`, or what one is made of."""


@dataclass(frozen=True)
class Result:
    """What was decided; true exactly when every integer point of the box has the class.

    Attributes:
        verdict: ``"holds"`` (proved), ``"fails"`` (see ``counterexample``) or ``"unknown"`` (see ``reason``).
        label: the class that was asked for.
        counterexample: an integer point of the box with another class, in the shape of the image; ``output`` is what the network
            answers. None unless the verdict is ``"fails"``.
        found: the counterexample's class.
        reason: why nothing was decided; None otherwise.
        parts: parts of the box that were bounded.
        seconds: wall time.
        certificate: accepted by the independent checker, if one was asked for.
        semantics: ``"integer"``: the bit-exact function, integer inputs; None for ``"unknown"``.
    """

    verdict: str
    label: int
    counterexample: Any
    found: int | None
    reason: str | None
    parts: int
    seconds: float
    certificate: Certificate | None = None
    semantics: str | None = field(default=None)

    def __bool__(self) -> bool:
        return self.verdict == "holds"

    def __str__(self) -> str:
        words = [f"{self.verdict} ({self.semantics})" if self.semantics else self.verdict]
        if self.reason:
            words.append(self.reason)
        if self.found is not None:
            words.append(f"a point of the box has class {self.found} instead of {self.label}")
        words += [f"{self.seconds:.3f} s", f"{self.parts} parts"]
        return ", ".join([*words, "no certificate" if self.certificate is None else f"certificate: {self.certificate.shown}"])


def verify(net: Source, low: Any, high: Any, label: int, *, timeout: float | None = None, certify: bool = False) -> Result:
    """Proves that every integer point of a box has the class ``label``, or finds one that has not.

    Args:
        net: as for :class:`Network`.
        low: the least value of every input, integers of any shape.
        high: the greatest value of every input.
        label: the class, counted from 0.
        timeout: wall-clock limit in seconds; None for no limit.
        certify: have the independent checker judge the answer; ``result.certificate`` then holds it.

    Raises:
        ValueError: the arguments do not fit together; the message says which and how.
        UnsupportedError: a certificate about an npz file, which the checker does not read.
        KeyboardInterrupt: Ctrl-C; nothing is claimed.
    """
    network = net if isinstance(net, Network) else Network(net)
    if certify and network.native.source.startswith(b"PK"):
        raise _native.UnsupportedError("the checker does not read npz: give the network as JSON (docs/quantized.md) or as layers, or certify=False")
    ends = _points(network, low, "low"), _points(network, high, "high")
    label = _class(network, label)
    answer = network.native.decide(ends[0].tobytes(), ends[1].tobytes(), label, timeout=timeout, certify=certify)
    reason = "the time limit was reached" if answer["verdict"] == "unknown" else None
    certificate = None
    if "certificate" in answer:
        query, proof, objection = answer["certificate"]
        if objection is not None:
            # The engine and the checker disagree: nothing is claimed.
            return Result("unknown", label, None, None, f"the checker rejects it: {objection}", answer["parts"], answer["seconds"])
        certificate = Certificate(network.native.source, query, proof, f"{answer['verdict']} (integer)")
    point = None
    if "witness" in answer:
        point = np.frombuffer(answer["witness"], dtype="<i8").reshape(ends[0].shape).view(Counterexample)
        point.output = network(point)[0]
    found = None if point is None else int(np.argmax(point.output))
    semantics = None if reason else "integer"
    return Result(answer["verdict"], label, point, found, reason, answer["parts"], answer["seconds"], certificate, semantics)


def robustness(
    net: Source, image: Any, label: int | None = None, eps: int = 1, *, timeout: float | None = None, certify: bool = False
) -> Result:
    """Proves that every integer image within ``eps`` of ``image``, pixel by pixel, has the class ``label``; or finds one that has not.

    Args:
        net: as for :class:`Network`; load one to ask about many images.
        image: integers in the network's input range, any shape.
        label: the class; None for the one that the network gives the image.
        eps: how far every pixel may move, a whole number of steps; pixels stay in the input range.
        timeout: as for :func:`verify`.
        certify: as for :func:`verify`.
    """
    network = net if isinstance(net, Network) else Network(net)
    centre, radius = _points(network, image, "image"), int(whole(eps, "eps"))
    if radius < 0:
        raise ValueError(f"eps={radius}: a radius is not negative")
    least, most = network.input_range
    wanted = int(network.classify(centre)[0]) if label is None else label
    # No sum can overflow: both ends of the input range are far from those of 64 bits.
    radius = min(radius, most - least)
    low, high = np.maximum(centre - radius, least), np.minimum(centre + radius, most)
    return verify(network, low, high, wanted, timeout=timeout, certify=certify)


@dataclass(frozen=True)
class Radius:
    """The largest radius at which an image is robust.

    Attributes:
        robust: proved at this radius and so at every smaller one; -1 if the image itself has another class.
        broken: the least radius with a counterexample; None if there is none up to the largest radius that was asked for.
        counterexample: the counterexample at ``broken``.
        undecided: radii that were not decided in time.
        queries: radii that were tried.
    """

    robust: int
    broken: int | None
    counterexample: Any
    undecided: list[int]
    queries: int


def largest_radius(net: Source, image: Any, label: int | None = None, *, most: int = 255, timeout: float | None = 60.0) -> Radius:
    """The largest radius at which an image is robust: exact, unless a radius between is not decided in time.

    Doubles the radius, then halves the gap: small radii are decided faster.

    Args:
        net: as for :class:`Network`.
        image: as for :func:`robustness`.
        label: as for :func:`robustness`.
        most: the largest radius to look at.
        timeout: limit for one radius, in seconds.
    """
    network = net if isinstance(net, Network) else Network(net)
    if most < 0:
        raise ValueError(f"most={most}: a radius is not negative")
    wanted = int(network.classify(_points(network, image, "image"))[0]) if label is None else label
    robust, open_from, step, queries = -1, most + 1, 0, 0
    broken, example, undecided = None, None, []
    while robust + 1 < open_from:
        result = robustness(network, image, wanted, step, timeout=timeout)
        queries += 1
        if result:
            robust = step
        elif result.verdict == "fails":
            open_from, broken, example = step, step, result.counterexample
        else:
            open_from = step
            undecided.append(step)
        doubled = open_from > most and 2 * step < most
        step = max(1, 2 * step) if doubled else robust + max(1, (open_from - robust) // 2)
    return Radius(robust, broken, example, undecided, queries)


def whole(values: Any, what: str) -> np.ndarray:
    """64-bit integers; numbers with a fractional part are refused."""
    array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    if array.dtype.kind not in "iuf" or array.dtype.kind == "b":
        raise ValueError(f"{what}: elements of type {array.dtype}; integers are needed")
    if array.dtype.kind != "i":
        # Also NaN and infinities; 2**63 and more would wrap around.
        unfit = np.flatnonzero(~((np.floor(array) == array) & (np.abs(array.astype(np.float64)) < 2.0**62)))
        if unfit.size:
            bad = array.reshape(-1)[unfit[0]]
            raise ValueError(f"{what}: element {unfit[0]} is {bad}; whole numbers are needed (an image is given in its integer pixels)")
    return np.ascontiguousarray(array, dtype="<i8").reshape(array.shape)


def _points(network: Network, values: Any, what: str) -> np.ndarray:
    point = whole(values, what)
    if point.size != network.input_size:
        raise ValueError(f"{what}: {point.size} elements, the network takes {network.input_size}")
    least, most = network.input_range
    outside = np.flatnonzero((point < least) | (point > most))
    if outside.size:
        bad = point.reshape(-1)[outside[0]]
        raise ValueError(f"{what}: element {outside[0]} is {bad}; this network takes integers from {least} to {most}")
    return point


def _class(network: Network, label: Any) -> int:
    number = int(whole(label, "label"))
    if not 0 <= number < network.output_size:
        raise ValueError(f"label={number}: the network has {network.output_size} outputs, counted from 0")
    return number


def _json(layers: Sequence[Layer], input_range: tuple[int, int]) -> bytes:
    import json

    low, high = (int(whole(end, "input_range")) for end in input_range)
    described = [layer._fields(f"layer {k}") for k, layer in enumerate(layers)]
    return json.dumps({"format": "integer_network_v0_1", "input_low": low, "input_high": high, "layers": described}).encode()
