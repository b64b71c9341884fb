"""From a PyTorch module to a network: the module is traced with torch.fx and written down as ONNX, operation by operation.

What was written down is then compared with the module itself at a few points; a difference refuses the module.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import fx, nn

from . import _native
from .onnx_writer import Model
from .torch_operations import CALLS, METHODS, MODULES, Conversion, Refused

_AGREEMENT = 1e-4
"""Largest difference between the module and what was written down, relative to the largest output plus one: float32 noise."""


def convert(module: nn.Module, input_shape: tuple[int, ...] | None) -> _native.Network:
    """The network of a module as it is now, in evaluation mode.

    Args:
        module: any module that torch.fx can trace, of the supported layers and operations.
        input_shape: the shape of one input, without the batch dimension; None where the first layer tells.

    Raises:
        UnsupportedError: a layer or operation is not supported; the message names it and its place in the module.
        ValueError: the module is in training mode and would behave differently then, the shape does not fit, or a weight is NaN.
    """
    _check_mode(module)
    _check_finite(module)
    shape = tuple(input_shape) if input_shape is not None else guess_input_shape(module, None)
    kind = _dtype(module)
    example = torch.zeros((1, *shape), dtype=kind)
    traced = _traced(module)
    writer = Model(np.dtype("<f8" if kind == torch.float64 else "<f4"))
    with torch.no_grad():
        converter = _Converter(traced, module, writer)
        try:
            output = converter.run(example)
        except (Refused, _native.UnsupportedError):
            raise
        except Exception as error:
            raise ValueError(
                f"the module cannot be evaluated on an input of shape {tuple(example.shape)}: {error}; give input_shape"
            ) from error
    network = _native.Network.parse(converter.file(output), type(module).__name__)
    _compare(module, network, example)
    return network


def fed_back(module: nn.Module, point: np.ndarray) -> torch.Tensor:
    """The point as a tensor, with the module's output as its attribute ``output``."""
    found = torch.tensor(point, dtype=_dtype(module))
    with torch.no_grad():
        found.output = module(found)[0]
    return found


def guess_input_shape(module: nn.Module, elements: int | None) -> tuple[int, ...]:
    """The shape of one input from the first layer that tells, and the number of elements where it is known."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            return (layer.in_features if elements is None else elements,)
        if isinstance(layer, nn.Flatten) and elements is not None:
            return (elements,)
        if isinstance(layer, (nn.Conv1d, nn.Conv2d)) and elements is not None and elements % layer.in_channels == 0:
            size = elements // layer.in_channels
            side = round(size**0.5)
            if isinstance(layer, nn.Conv1d):
                return (layer.in_channels, size)
            if side * side == size:
                return (layer.in_channels, side, side)
    if elements is not None:
        return (elements,)
    raise ValueError("the module does not tell the shape of its input: give input_shape, without the batch dimension")


def _check_mode(module: nn.Module) -> None:
    training = [name or "the module itself" for name, part in module.named_modules() if part.training and _changes_in_training(part)]
    if training:
        raise ValueError(
            f"'{training[0]}' is in training mode and computes something else then ({len(training)} such layers): "
            "call module.eval() before verifying"
        )


def _check_finite(module: nn.Module) -> None:
    for name, values in [*module.named_parameters(), *module.named_buffers()]:
        if values.dtype.is_floating_point and not bool(torch.isfinite(values).all()):
            raise ValueError(f"'{name}' holds NaN or infinity, so there is no network to verify: training has diverged, or weights are missing")


def _changes_in_training(part: nn.Module) -> bool:
    return isinstance(part, (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm))


def _dtype(module: nn.Module) -> torch.dtype:
    kinds = {p.dtype for p in [*module.parameters(), *module.buffers()] if p.dtype.is_floating_point}
    if not kinds:
        return torch.get_default_dtype()
    if len(kinds) > 1 or not kinds <= {torch.float32, torch.float64}:
        raise _native.UnsupportedError(
            f"parameters of type {sorted(map(str, kinds))}: only float32, or only float64, is supported; convert with module.float()"
        )
    return kinds.pop()


def _traced(module: nn.Module) -> fx.GraphModule:
    try:
        return fx.symbolic_trace(module)
    except Exception as error:
        raise _native.UnsupportedError(
            f"{type(module).__name__} cannot be traced ({error}): its forward() branches on values or calls what torch.fx does not follow; "
            "rewrite it without such branches, or export it with torch.onnx.export and give the file"
        ) from error


class _Converter(fx.Interpreter):  # type: ignore[misc, unused-ignore]
    """Runs the module once on an example and writes down every operation that reads the input."""

    def __init__(self, traced: fx.GraphModule, module: nn.Module, writer: Model) -> None:
        super().__init__(traced)
        self.extra_traceback = False
        self.conversion = Conversion(writer)
        self.original = module
        self.node: fx.Node | None = None

    def run_node(self, n: fx.Node) -> Any:
        self.node = n
        return super().run_node(n)

    def placeholder(self, target: Any, args: Any, kwargs: Any) -> Any:
        value = super().placeholder(target, args, kwargs)
        if self.conversion.named:
            raise _native.UnsupportedError(f"forward() takes a further argument '{target}'; only modules of one input are supported")
        return self.conversion.start(str(target), value)

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        layer = self.fetch_attr(target)
        what = f"layer '{target}' ({type(layer).__name__})"
        return self._write(
            MODULES.get(type(layer)), what, lambda: super(_Converter, self).call_module(target, args, kwargs), args, kwargs, (layer,)
        )

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        what = f"function {getattr(target, '__name__', target)}"
        return self._write(CALLS.get(target), what, lambda: super(_Converter, self).call_function(target, args, kwargs), args, kwargs)

    def call_method(self, target: Any, args: Any, kwargs: Any) -> Any:
        what = f"method .{target}()"
        return self._write(METHODS.get(str(target)), what, lambda: super(_Converter, self).call_method(target, args, kwargs), args, kwargs)

    def _write(self, rule: Any, what: str, compute: Any, args: Any, kwargs: Any, first: Any = ()) -> Any:
        """Computes the call and, if it reads the input, writes it down."""
        operands = [(value, value._version) for value in args if isinstance(value, torch.Tensor)]
        result = compute()
        if not self.conversion.reads_input([*args, *kwargs.values()]) or not _has_tensors(result):
            return result
        place = f"{type(self.original).__name__}: {what}" + (f" at node '{self.node}'" if self.node is not None else "")
        if rule is None:
            raise _native.UnsupportedError(
                f"{place} is not supported; replace it by supported layers (Linear, Conv, BatchNorm, pooling, ReLU, Sigmoid, Tanh, "
                "Softmax, arithmetic, reshaping), or export the module with torch.onnx.export and give the file"
            )
        try:
            name = rule(self.conversion, result, *first, *args, **kwargs)
        except Refused as refusal:
            raise _native.UnsupportedError(f"{place}: {refusal}") from refusal
        except TypeError as error:
            raise _native.UnsupportedError(f"{place}: these arguments are not supported ({error})") from error
        # An operation in place changes what its operand stands for.
        for value, version in operands:
            if value._version != version:
                self.conversion.named[id(value)] = name
        return self.conversion.record(result, name)

    def file(self, output: Any) -> bytes:
        """The ONNX file with this output."""
        if not isinstance(output, torch.Tensor) or not self.conversion.reads_input([output]):
            raise _native.UnsupportedError(f"forward() returns {type(output).__name__}; one tensor that depends on the input is needed")
        return self.conversion.file(output)


def _has_tensors(result: Any) -> bool:
    return isinstance(result, torch.Tensor) or (
        isinstance(result, (tuple, list)) and any(isinstance(part, torch.Tensor) for part in result)
    )


def _compare(module: nn.Module, network: _native.Network, example: torch.Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn((3, *example.shape[1:]), generator=generator, dtype=example.dtype)
    with torch.no_grad():
        expected = torch.cat([module(point[None]).reshape(1, -1) for point in points]).double().numpy()
    flat = np.ascontiguousarray(points.double().numpy())
    found = np.frombuffer(network.evaluate(flat.tobytes()), dtype="<f8").reshape(3, -1)
    worst = float(np.max(np.abs(expected - found) / (1 + np.max(np.abs(expected)))))
    if not worst <= _AGREEMENT:
        raise _native.UnsupportedError(
            f"{type(module).__name__} computes something else than its trace (relative difference {worst:.1e}): it may be random, keep "
            "state, or branch on values; export it with torch.onnx.export and give the file"
        )
