"""How each PyTorch layer and function is written down as ONNX.

A rule takes the conversion, the result that PyTorch computed (for its shape), then the call's own arguments (for a layer, the layer
first), and returns the name of the value in the ONNX graph.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .onnx_writer import Model


class Refused(Exception):
    """Why a call is not supported."""


class Conversion:
    """The names of tensors that depend on the input, and the file under way."""

    def __init__(self, writer: Model) -> None:
        self.writer = writer
        self.named: dict[int, str] = {}
        self._kept: list[torch.Tensor] = []

    def start(self, name: str, value: torch.Tensor) -> torch.Tensor:
        """The network's input."""
        return self._name(value, self.writer.input(name, value.shape))

    def _name(self, value: torch.Tensor, name: str) -> torch.Tensor:
        # A view of its own: operations in place hand back what they were given, under a new name.
        own = value.view_as(value)
        self._kept.append(own)
        self.named[id(own)] = name
        return own

    def record(self, result: Any, names: Any) -> Any:
        """Names the result of a call."""
        if isinstance(result, torch.Tensor):
            return self._name(result, names)
        return type(result)(self._name(part, name) for part, name in zip(result, names))

    def reads_input(self, values: Sequence[Any]) -> bool:
        """True if any value depends on the input."""
        flat = [part for value in values for part in (value if isinstance(value, (list, tuple)) else [value])]
        return any(id(value) in self.named for value in flat if isinstance(value, torch.Tensor))

    def __call__(self, value: Any) -> str:
        """The name of a tensor, or of a constant made for it."""
        if isinstance(value, torch.Tensor):
            known = self.named.get(id(value))
            return known if known is not None else self.writer.constant(value.detach().cpu().double().numpy())
        if isinstance(value, (int, float)):
            return self.writer.constant(float(value))
        raise Refused(f"an operand of type {type(value).__name__}")

    def node(self, operator_name: str, *inputs: Any, **attributes: Any) -> str:
        """Adds a node; operands may be tensors, numbers or names."""
        names = [value if isinstance(value, str) else self(value) for value in inputs]
        return self.writer.node(operator_name, names, **attributes)

    def integers(self, values: Sequence[int]) -> str:
        """A constant vector of integers."""
        return self.writer.constant(np.array(values, dtype=np.int64))

    def file(self, output: torch.Tensor) -> bytes:
        """The ONNX file."""
        return self.writer.bytes([(self.named[id(output)], output.shape)])


Rule = Callable[..., Any]
_R = TypeVar("_R", bound=Rule)
MODULES: dict[type[nn.Module], Rule] = {}
CALLS: dict[Any, Rule] = {}
METHODS: dict[str, Rule] = {}


def rule(*targets: Any) -> Callable[[_R], _R]:
    """Registers a rule for layers (classes), functions, and methods (names)."""

    def register(function: _R) -> _R:
        for target in targets:
            if isinstance(target, str):
                METHODS[target] = function
            elif isinstance(target, type) and issubclass(target, nn.Module):
                MODULES[target] = lambda c, result, layer, *args, **kwargs: function(c, result, *args, **kwargs)
            else:
                CALLS[target] = function
        return function

    return register


def layer(*targets: type[nn.Module]) -> Callable[[_R], _R]:
    """Registers a rule that reads the layer's own settings."""

    def register(function: _R) -> _R:
        MODULES.update(dict.fromkeys(targets, function))
        return function

    return register


def _elementwise(name: str, *targets: Any) -> None:
    def write(c: Conversion, result: Any, x: Any, inplace: bool = False) -> str:
        return c.node(name, x)

    rule(*targets)(write)


_elementwise("Relu", nn.ReLU, F.relu, torch.relu, "relu", "relu_")
_elementwise("Sigmoid", nn.Sigmoid, F.sigmoid, torch.sigmoid, "sigmoid")
_elementwise("Tanh", nn.Tanh, F.tanh, torch.tanh, "tanh")
_elementwise("Abs", torch.abs, "abs", operator.abs)
_elementwise("Exp", torch.exp, "exp")
_elementwise("Sin", torch.sin, "sin")
_elementwise("Cos", torch.cos, "cos")
_elementwise("Neg", torch.neg, "neg", operator.neg)
_elementwise("Floor", torch.floor, "floor")
_elementwise("Sign", torch.sign, "sign")
_elementwise("Reciprocal", torch.reciprocal, "reciprocal")
_elementwise("Identity", nn.Identity, "contiguous", "clone", "detach", torch.clone)


@layer(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
def _dropout(c: Conversion, result: Any, module: Any, x: Any) -> str:
    return c.node("Identity", x)


@rule(F.dropout)
def _dropout_call(c: Conversion, result: Any, x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> str:
    if training:
        raise Refused("dropout in training mode is random; write F.dropout(x, training=self.training) and call module.eval()")
    return c.node("Identity", x)


def _binary(name: str, *targets: Any) -> None:
    def write(c: Conversion, result: Any, a: Any, b: Any) -> str:
        return c.node(name, a, b)

    rule(*targets)(write)


_binary("Add", operator.add, operator.iadd, torch.add, "add", "add_", "__add__", "__radd__")
_binary("Sub", operator.sub, operator.isub, torch.sub, "sub", "sub_")
_binary("Mul", operator.mul, operator.imul, torch.mul, "mul", "mul_")
_binary("Div", operator.truediv, operator.itruediv, torch.div, "div", "div_")
_binary("Max", torch.maximum)
_binary("Min", torch.minimum)
_binary("MatMul", operator.matmul, torch.matmul, "matmul", torch.mm, torch.bmm)


@rule(operator.pow, torch.pow, "pow")
def _power(c: Conversion, result: Any, x: Any, exponent: Any) -> str:
    if not isinstance(exponent, (int, float)):
        raise Refused("an exponent that is not a number")
    return c.node("Pow", x, float(exponent))


@layer(nn.Linear)
def _linear_layer(c: Conversion, result: Any, module: nn.Linear, x: torch.Tensor) -> str:
    return _linear(c, result, x, module.weight, module.bias)


@rule(F.linear)
def _linear(c: Conversion, result: Any, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> str:
    if input.dim() == 2:
        return c.node("Gemm", input, weight, *([] if bias is None else [bias]), transB=1)
    product = c.node("MatMul", input, weight.t())
    return product if bias is None else c.node("Add", product, bias)


def _tuple(value: Any, size: int) -> list[int]:
    return [int(value)] * size if isinstance(value, int) else [int(v) for v in value]


@layer(nn.Conv1d, nn.Conv2d)
def _conv_layer(c: Conversion, result: Any, module: Any, x: torch.Tensor) -> str:
    if module.padding_mode != "zeros":
        raise Refused(f"padding_mode='{module.padding_mode}'; only zeros is supported")
    return _conv(c, result, x, module.weight, module.bias, module.stride, module.padding, module.dilation, module.groups)


@rule(F.conv1d, F.conv2d)
def _conv(
    c: Conversion, result: Any, input: torch.Tensor, weight: torch.Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> str:  # fmt: skip
    n = weight.dim() - 2
    if input.dim() != n + 2:
        raise Refused("an input without batch dimension")
    dilations = _tuple(dilation, n)
    if padding == "valid":
        pads = [0] * (2 * n)
    elif padding == "same":
        total = [d * (k - 1) for d, k in zip(dilations, weight.shape[2:])]
        pads = [t // 2 for t in total] + [t - t // 2 for t in total]
    else:
        pads = _tuple(padding, n) * 2
    operands = [input, weight] + ([] if bias is None else [bias])
    return c.node(
        "Conv", *operands, strides=_tuple(stride, n), pads=pads, dilations=dilations, group=groups, kernel_shape=list(weight.shape[2:])
    )


@layer(nn.ConvTranspose2d)
def _conv_transpose(c: Conversion, result: Any, module: nn.ConvTranspose2d, x: torch.Tensor) -> str:
    operands = [x, module.weight] + ([] if module.bias is None else [module.bias])
    return c.node(
        "ConvTranspose", *operands, strides=_tuple(module.stride, 2), pads=_tuple(module.padding, 2) * 2, group=module.groups,
        dilations=_tuple(module.dilation, 2), output_padding=_tuple(module.output_padding, 2), kernel_shape=list(module.kernel_size),
    )  # fmt: skip


@layer(nn.BatchNorm1d, nn.BatchNorm2d)
def _batch_norm(c: Conversion, result: Any, module: Any, x: torch.Tensor) -> str:
    if module.running_mean is None:
        raise Refused("no running statistics: the layer normalises by the batch, so one input's output depends on the others")
    size = module.num_features
    scale = torch.ones(size) if module.weight is None else module.weight
    shift = torch.zeros(size) if module.bias is None else module.bias
    return c.node("BatchNormalization", x, scale, shift, module.running_mean, module.running_var, epsilon=float(module.eps))


@layer(nn.MaxPool1d, nn.MaxPool2d)
def _max_pool_layer(c: Conversion, result: Any, m: Any, x: torch.Tensor) -> str:
    return _max_pool(c, result, x, m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode, m.return_indices)


@rule(F.max_pool1d, F.max_pool2d, torch.max_pool2d)
def _max_pool(
    c: Conversion, result: Any, input: torch.Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> str:  # fmt: skip
    if return_indices:
        raise Refused("return_indices")
    return _pool(c, "MaxPool", input, kernel_size, stride, padding, ceil_mode, dilations=_tuple(dilation, input.dim() - 2))


def _pool(c: Conversion, name: str, x: torch.Tensor, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, **attributes: Any) -> str:
    n = x.dim() - 2
    return c.node(
        name, x, kernel_shape=_tuple(kernel, n), strides=_tuple(kernel if stride is None or stride == [] else stride, n),
        pads=_tuple(padding, n) * 2, ceil_mode=int(ceil_mode), **attributes,
    )  # fmt: skip


@layer(nn.AvgPool1d, nn.AvgPool2d)
def _avg_pool_layer(c: Conversion, result: Any, m: Any, x: torch.Tensor) -> str:
    return _avg_pool(
        c, result, x, m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad, getattr(m, "divisor_override", None)
    )


@rule(F.avg_pool1d, F.avg_pool2d)
def _avg_pool(
    c: Conversion, result: Any, input: torch.Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: Any = None,
) -> str:  # fmt: skip
    if divisor_override is not None:
        raise Refused("divisor_override")
    return _pool(c, "AveragePool", input, kernel_size, stride, padding, ceil_mode, count_include_pad=int(count_include_pad))


@layer(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
def _adaptive_layer(c: Conversion, result: torch.Tensor, module: Any, x: torch.Tensor) -> str:
    return _adaptive(c, result, x)


@rule(F.adaptive_avg_pool1d, F.adaptive_avg_pool2d)
def _adaptive(c: Conversion, result: torch.Tensor, input: torch.Tensor, output_size: Any = None) -> str:
    sizes = list(zip(input.shape[2:], result.shape[2:]))
    if any(size % made for size, made in sizes):
        raise Refused(f"adaptive pooling from {tuple(input.shape[2:])} to {tuple(result.shape[2:])}; only divisors are supported")
    windows = [size // made for size, made in sizes]
    return c.node("AveragePool", input, kernel_shape=windows, strides=windows)


def _reshaped(c: Conversion, result: torch.Tensor, x: torch.Tensor, *ignored: Any, **named: Any) -> str:
    return c.node("Reshape", x, c.integers(list(result.shape)))


rule(
    nn.Flatten, nn.Unflatten, torch.flatten, torch.reshape, torch.squeeze, torch.unsqueeze,
    "flatten", "view", "reshape", "squeeze", "unsqueeze", "view_as", "unflatten",
)(_reshaped)  # fmt: skip


@rule(torch.permute, "permute")
def _permute(c: Conversion, result: Any, x: torch.Tensor, *dims: Any) -> str:
    order = dims[0] if len(dims) == 1 and isinstance(dims[0], (list, tuple)) else dims
    return c.node("Transpose", x, perm=[int(d) % x.dim() for d in order])


@rule(torch.transpose, "transpose")
def _transpose(c: Conversion, result: Any, x: torch.Tensor, dim0: int, dim1: int) -> str:
    order = list(range(x.dim()))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return c.node("Transpose", x, perm=order)


@rule(torch.cat, torch.concat)
def _concatenate(c: Conversion, result: Any, tensors: Sequence[torch.Tensor], dim: int = 0) -> str:
    return c.node("Concat", *tensors, axis=dim % result.dim())


@rule(operator.getitem)
def _item(c: Conversion, result: torch.Tensor, x: Any, index: Any) -> str:
    if not isinstance(x, torch.Tensor):
        return c(result) if id(result) in c.named else c(x[index])
    picked, kept = x.dim(), index if isinstance(index, tuple) else (index,)
    if any(not isinstance(k, (int, slice)) for k in kept) or len(kept) > picked:
        raise Refused(f"indexing by {index!r}; integers and slices are supported")

    def cut(axis: int, k: Any) -> tuple[int, int, int]:
        size = x.shape[axis]
        if isinstance(k, int):
            return k % size, k % size + 1, 1
        start, end, step = k.indices(size)
        return start, end, step

    starts, ends, steps = zip(*(cut(axis, k) for axis, k in enumerate(kept)))
    part = c.node("Slice", x, c.integers(starts), c.integers(ends), c.integers(range(len(kept))), c.integers(steps))
    return c.node("Reshape", part, c.integers(list(result.shape)))


@rule(torch.clamp, torch.clip, "clamp", "clip")
def _clamp(c: Conversion, result: Any, x: Any, min: Any = None, max: Any = None) -> str:
    if isinstance(min, torch.Tensor) or isinstance(max, torch.Tensor):
        raise Refused("bounds that are tensors")
    return c.node("Clip", x, *("" if bound is None else float(bound) for bound in (min, max)))


@layer(nn.Hardtanh, nn.ReLU6)
def _hardtanh_layer(c: Conversion, result: Any, module: nn.Hardtanh, x: Any) -> str:
    return c.node("Clip", x, float(module.min_val), float(module.max_val))


@rule(F.hardtanh)
def _hardtanh(c: Conversion, result: Any, x: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> str:
    return c.node("Clip", x, float(min_val), float(max_val))


@rule(F.relu6)
def _relu6(c: Conversion, result: Any, x: Any, inplace: bool = False) -> str:
    return c.node("Clip", x, 0.0, 6.0)


@layer(nn.LeakyReLU)
def _leaky_layer(c: Conversion, result: Any, module: nn.LeakyReLU, x: Any) -> str:
    return c.node("LeakyRelu", x, alpha=float(module.negative_slope))


@rule(F.leaky_relu)
def _leaky(c: Conversion, result: Any, x: Any, negative_slope: float = 0.01, inplace: bool = False) -> str:
    return c.node("LeakyRelu", x, alpha=float(negative_slope))


@layer(nn.Softplus)
def _softplus(c: Conversion, result: Any, module: nn.Softplus, x: Any) -> str:
    if module.beta != 1:
        raise Refused(f"beta={module.beta}; only 1 is supported")
    return c.node("Softplus", x)


@layer(nn.Softmax)
def _softmax_layer(c: Conversion, result: Any, module: nn.Softmax, x: torch.Tensor) -> str:
    return _softmax(c, result, x, module.dim)


@rule(F.softmax, torch.softmax, "softmax")
def _softmax(c: Conversion, result: torch.Tensor, x: torch.Tensor, dim: int | None = None, *ignored: Any, **named: Any) -> str:
    if dim is None:
        raise Refused("dim is not given; write dim=1 or dim=-1")
    axis = dim % x.dim()
    if axis == 0:
        raise Refused("dim=0 is the batch dimension here; write dim=1 or dim=-1")
    return c.node("Softmax", x, axis=axis)


@rule(torch.mean, "mean")
def _mean(c: Conversion, result: torch.Tensor, x: torch.Tensor, dim: Any = None, keepdim: bool = False) -> str:
    axes = list(range(x.dim())) if dim is None else [d % x.dim() for d in _tuple(dim, 1)]
    return c.node("Reshape", c.node("ReduceMean", x, axes=axes, keepdims=1), c.integers(list(result.shape)))


@rule(torch.sum, "sum")
def _sum(c: Conversion, result: torch.Tensor, x: torch.Tensor, dim: Any = None, keepdim: bool = False) -> str:
    axes = list(range(x.dim())) if dim is None else [d % x.dim() for d in _tuple(dim, 1)]
    return c.node("Reshape", c.node("ReduceSum", x, c.integers(axes), keepdims=1), c.integers(list(result.shape)))
