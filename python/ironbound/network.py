"""Networks: loaded or converted once, shared by all questions about them."""

from __future__ import annotations

import functools
import os
import sys
from typing import Any, Union

import numpy as np

from . import _native

Source = Union["Network", str, "os.PathLike[str]", bytes, Any]
"""A :class:`Network`, the path or bytes of an ONNX (or ``.nnet``) file, or a PyTorch module."""


class Network:
    """A network to ask questions about; loading it once saves the time of loading it for every call.

    Args:
        source: the path of an ONNX or ``.nnet`` file (gzipped or not), the bytes of an ONNX file, an
            ``onnx.ModelProto``, or a PyTorch module.
        input_shape: for a module, the shape of one input without the batch dimension; needed only where the module does not tell.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or is no network.
        UnsupportedError: it holds an operator or a module that is not supported; the message names it.

    A module is converted as it is now: later training does not change the network.
    """

    def __init__(self, source: Any, input_shape: tuple[int, ...] | None = None) -> None:
        self.module: Any = None
        if isinstance(source, (str, os.PathLike)):
            self._native = _native.Network.read(source)
        elif isinstance(source, (bytes, bytearray, memoryview)):
            self._native = _native.Network.parse(bytes(source), "the given bytes")
        elif is_module(source):
            from . import torch_modules

            self._native = torch_modules.convert(source, input_shape)
            self.module = source
        elif hasattr(source, "SerializeToString"):
            self._native = _native.Network.parse(source.SerializeToString(), type(source).__name__)
        else:
            raise ValueError(
                f"expected a PyTorch module, the path or bytes of an ONNX file, or an ironbound.Network, not {type(source).__name__}"
            )

    @property
    def native(self) -> _native.Network:
        """The engine's network."""
        return self._native

    @property
    def input_shapes(self) -> list[tuple[int, ...]]:
        """The shape of every input, batch dimension included where the file has one."""
        return [tuple(shape) for _, shape in self._native.inputs]

    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        """The shape of every output."""
        return [tuple(shape) for _, shape in self._native.outputs]

    @property
    def input_size(self) -> int:
        """Number of input elements."""
        return self._native.input_len

    @property
    def output_size(self) -> int:
        """Number of output elements."""
        return self._native.output_len

    @property
    def dtype(self) -> np.dtype:
        """The type that the network computes in: float32 or float64."""
        return np.dtype(self._native.element)

    def __call__(self, points: Any, double: bool = False) -> np.ndarray:
        """Outputs at some points, one row each, by plain evaluation (no proof).

        Args:
            points: an array or tensor whose size is a multiple of :attr:`input_size`.
            double: compute in binary64 instead of the network's own type.
        """
        from .specs import numbers

        flat = numbers(points, "points")
        if self.input_size == 0 or flat.size == 0 or flat.size % self.input_size:
            raise ValueError(f"points: {flat.size} numbers are no points of {self.input_size} elements")
        outputs = np.frombuffer(self._native.evaluate(flat.tobytes(), double), dtype="<f8")
        return outputs.reshape(-1, self.output_size).astype(np.float64 if double else self.dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as its file: other processes get the same network, without the PyTorch module that it may have been made of."""
        return _unpickled, (self._native.source,)

    def __repr__(self) -> str:
        shapes = " x ".join(map(str, self.input_shapes)), " x ".join(map(str, self.output_shapes))
        return f"Network({shapes[0]} -> {shapes[1]}, {self.dtype}, {len(self._native.nodes)} nodes)"


@functools.lru_cache(maxsize=2)
def _unpickled(source: bytes) -> Network:
    # A worker gets the same network with every task, and reads it once.
    return Network(source)


def is_module(value: Any) -> bool:
    """True for a PyTorch module; does not import torch, as a module's class exists only where torch is loaded."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def as_network(source: Source, inputs: int | None = None, input_shape: tuple[int, ...] | None = None) -> Network:
    """The network itself, or a new one; ``inputs`` helps to guess the input shape of a module."""
    if isinstance(source, Network):
        return source
    if is_module(source) and input_shape is None and inputs is not None:
        from . import torch_modules

        input_shape = torch_modules.guess_input_shape(source, inputs)
    return Network(source, input_shape)
