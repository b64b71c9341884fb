"""An ONNX file without its final Softmax, for certificates about logits; field numbers as in :mod:`ironbound.onnx_writer`."""

from __future__ import annotations

from collections.abc import Iterator

from .onnx_writer import _bytes

_GRAPH, _NODE, _OUTPUT = 7, 1, 12  # ModelProto.graph, GraphProto.node, GraphProto.output
_INPUTS, _OUTPUTS, _OPERATOR, _DOMAIN = 1, 2, 4, 7  # NodeProto
_NAME = 1  # ValueInfoProto


def without_softmax(file: bytes, output: str) -> bytes | None:
    """The same file with the operand of the Softmax that makes ``output`` as its output; None if it cannot be made.

    Args:
        file: an ONNX model.
        output: the name of its only output.
    """
    try:
        graphs = [content for number, content, _ in _fields(file) if number == _GRAPH]
        graph = _cut(graphs[0], output.encode()) if len(graphs) == 1 else None
    except (IndexError, ValueError):
        return None
    if graph is None:
        return None
    return b"".join(_bytes(_GRAPH, graph) if number == _GRAPH else whole for number, _, whole in _fields(file))


def _cut(graph: bytes, output: bytes) -> bytes | None:
    operand, parts = None, []
    for number, content, whole in _fields(graph):
        if number == _NODE and _values(content, _OUTPUTS) == [output]:
            inputs = _values(content, _INPUTS)
            if _values(content, _OPERATOR) != [b"Softmax"] or any(_values(content, _DOMAIN)) or len(inputs) != 1:
                return None
            operand = inputs[0]
        else:
            parts.append((number, content, whole))
    if operand is None or [_values(c, _NAME) for n, c, _ in parts if n == _OUTPUT] != [[output]]:
        return None
    return b"".join(_bytes(_OUTPUT, _renamed(content, operand)) if number == _OUTPUT else whole for number, content, whole in parts)


def _renamed(value: bytes, name: bytes) -> bytes:
    return _bytes(_NAME, name) + b"".join(whole for number, _, whole in _fields(value) if number != _NAME)


def _values(message: bytes, wanted: int) -> list[bytes]:
    return [content for number, content, _ in _fields(message) if number == wanted]


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, content and the whole field with its tag."""
    at = 0
    while at < len(message):
        start = at
        tag, at = _varint(message, at)
        kind, begin = tag & 7, at
        if kind == 0:
            at = _varint(message, at)[1]
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        elif kind == 2:
            size, begin = _varint(message, at)
            at = begin + size
        else:
            raise ValueError("no protobuf message")
        if at > len(message):
            raise ValueError("a field is cut off")
        yield tag >> 3, message[begin:at], message[start:at]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            return value, at
