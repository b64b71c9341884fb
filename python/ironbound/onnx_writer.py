"""ONNX files from Python, without the onnx package: the dozen protobuf fields that a network needs.

Field numbers: onnx.proto of ONNX 1.16 (https://github.com/onnx/onnx/blob/v1.16.0/onnx/onnx.proto).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

_OPSET = 17
_TYPES = {np.dtype("<f4"): 1, np.dtype("<f8"): 11, np.dtype("<i8"): 7}
_INT, _FLOAT, _INTS = 2, 1, 7  # AttributeProto.AttributeType


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _tensor(name: str, array: np.ndarray) -> bytes:
    dims = b"".join(_number(1, d) for d in array.shape)
    return dims + _number(2, _TYPES[array.dtype]) + _bytes(8, name) + _bytes(9, array.tobytes())


def _attribute(name: str, value: Any) -> bytes:
    if isinstance(value, float):
        return _bytes(1, name) + _varint(2 << 3 | 5) + struct.pack("<f", value) + _number(20, _FLOAT)
    if isinstance(value, int):
        return _bytes(1, name) + _number(3, value) + _number(20, _INT)
    return _bytes(1, name) + b"".join(_number(8, int(v)) for v in value) + _number(20, _INTS)


class Model:
    """An ONNX model that grows node by node; every name is a value."""

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self._nodes: list[bytes] = []
        self._tensors: list[bytes] = []
        self._inputs: list[bytes] = []
        self._count = 0

    def _fresh(self, hint: str) -> str:
        self._count += 1
        return f"{hint}_{self._count}"

    def _value(self, name: str, shape: Sequence[int]) -> bytes:
        dims = b"".join(_bytes(1, _number(1, d)) for d in shape)
        tensor = _number(1, _TYPES[self.dtype]) + _bytes(2, dims)
        return _bytes(1, name) + _bytes(2, _bytes(1, tensor))

    def input(self, name: str, shape: Sequence[int]) -> str:
        """Declares an input of the network."""
        self._inputs.append(self._value(name, shape))
        return name

    def constant(self, array: Any, hint: str = "constant") -> str:
        """A constant: integers as int64, anything else in the network's type."""
        value = np.asarray(array)
        kind = np.dtype("<i8") if value.dtype.kind in "iu" else self.dtype
        name = self._fresh(hint)
        # ascontiguousarray would make a vector of a scalar.
        self._tensors.append(_tensor(name, np.array(value, dtype=kind, order="C")))
        return name

    def node(self, operator: str, inputs: Sequence[str], hint: str = "", **attributes: Any) -> str:
        """Adds a node with one output and returns its name."""
        name = self._fresh(hint or operator.lower())
        parts = [_bytes(1, i) for i in inputs] + [_bytes(2, name), _bytes(3, name), _bytes(4, operator)]
        parts += [_bytes(5, _attribute(key, value)) for key, value in attributes.items() if value is not None]
        self._nodes.append(b"".join(parts))
        return name

    def bytes(self, outputs: Sequence[tuple[str, Sequence[int]]]) -> bytes:
        """The file, with these outputs and their shapes."""
        graph = b"".join(_bytes(1, node) for node in self._nodes) + _bytes(2, "network")
        graph += b"".join(_bytes(5, tensor) for tensor in self._tensors)
        graph += b"".join(_bytes(11, value) for value in self._inputs)
        graph += b"".join(_bytes(12, self._value(name, shape)) for name, shape in outputs)
        return _number(1, 8) + _bytes(2, "ironbound") + _bytes(7, graph) + _bytes(8, _bytes(1, "") + _number(2, _OPSET))
