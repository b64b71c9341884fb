"""auto_LiRPA's interface on Ironbound's bounds: change the import, keep the script.

    # from auto_LiRPA import BoundedModule, BoundedTensor
    # from auto_LiRPA.perturbations import PerturbationLpNorm
    from ironbound.compat.auto_lirpa import BoundedModule, BoundedTensor, PerturbationLpNorm

What is different: bounds are rigorous (rounded outward, so a little wider where auto_LiRPA's arithmetic is lucky); there are no
gradients, so they cannot be trained with; the network is read when the module is wrapped, so wrap it again after training.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn

from .. import bounding
from .._native import UnsupportedError
from ..network import Network

_METHODS = {
    "ibp": "interval",
    "crown": "crown",
    "backward": "crown",
    "crown-ibp": "crown-interval",
    "ibp+backward": "crown-interval",
    "alpha-crown": "alpha",
    "crown-optimized": "alpha",
}


class PerturbationLpNorm:
    """All inputs within ``eps`` of the centre in every element, or between ``x_L`` and ``x_U``.

    Args:
        eps: the radius, a number or a tensor that broadcasts to the input.
        norm: infinity; other norms are refused.
        x_L: lower ends, instead of ``eps``.
        x_U: upper ends.
    """

    def __init__(
        self, eps: Any = 0, norm: float = math.inf, x_L: torch.Tensor | None = None, x_U: torch.Tensor | None = None, eps_min: Any = 0
    ) -> None:
        if float(norm) != math.inf:
            raise UnsupportedError(f"norm={norm}: only norm=inf is supported")
        if (x_L is None) != (x_U is None):
            raise ValueError("give both x_L and x_U, or neither")
        self.eps, self.norm, self.x_L, self.x_U = eps, math.inf, x_L, x_U

    def ends(self, centre: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Lower and upper ends around the centre, in binary64, rounded outward."""
        if self.x_L is not None and self.x_U is not None:
            return self.x_L.detach().double().expand_as(centre), self.x_U.detach().double().expand_as(centre)
        middle, radius = centre.detach().double(), torch.as_tensor(self.eps, dtype=torch.float64)
        if bool((radius < 0).any()):
            raise ValueError(f"eps={self.eps}: a radius is not negative")
        low, high = middle - radius, middle + radius
        moved = (radius > 0).expand_as(middle)
        down, up = torch.nextafter(low, torch.full_like(low, -math.inf)), torch.nextafter(high, torch.full_like(high, math.inf))
        return torch.where(moved, down, low), torch.where(moved, up, high)

    def __repr__(self) -> str:
        return f"PerturbationLpNorm(norm=inf, eps={self.eps}, x_L={self.x_L}, x_U={self.x_U})"


class BoundedTensor(torch.Tensor):  # type: ignore[misc, unused-ignore]
    """A batch of inputs with the set around each of them."""

    ptb: PerturbationLpNorm | None

    @staticmethod
    def __new__(cls, x: torch.Tensor, ptb: PerturbationLpNorm | None = None, *args: Any, **kwargs: Any) -> BoundedTensor:
        return torch.Tensor._make_subclass(cls, x.detach(), False)  # type: ignore[no-any-return, attr-defined, unused-ignore]

    def __init__(self, x: torch.Tensor, ptb: PerturbationLpNorm | None = None) -> None:
        self.ptb = ptb


class BoundedModule(nn.Module):  # type: ignore[misc, unused-ignore]
    """A module whose outputs can be bounded.

    Args:
        model: the module, in evaluation mode.
        global_input: an example input, batch first; its shape is the network's.
        bound_opts: read for ``optimize_bound_args: {iteration}`` only; other options are auto_LiRPA's own and change nothing here.
        device: ignored; bounds are computed on the processor.
        verbose: ignored.
        custom_ops: refused.
    """

    def __init__(
        self,
        model: nn.Module,
        global_input: Any,
        bound_opts: dict[str, Any] | None = None,
        device: Any = "auto",
        verbose: bool = False,
        custom_ops: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if custom_ops:
            raise UnsupportedError("custom_ops: operators of one's own are not supported")
        example = global_input[0] if isinstance(global_input, (tuple, list)) else global_input
        if not isinstance(example, torch.Tensor) or example.dim() < 2:
            raise ValueError("global_input: expected a tensor with a batch dimension, such as torch.empty_like(batch[:1])")
        self.model = model
        self.network = Network(model, tuple(example.shape[1:]))
        self._input_shape = tuple(example.shape[1:])
        self.bound_opts = dict(bound_opts or {})
        self.input_name, self.output_name = ["input"], ["output"]
        self._last: torch.Tensor | None = None

    def forward(self, *inputs: torch.Tensor) -> Any:
        """The module's own output; the inputs are remembered for :meth:`compute_bounds`."""
        self._last = inputs[0]
        return self.model(*(x.as_subclass(torch.Tensor) if isinstance(x, BoundedTensor) else x for x in inputs))

    def set_bound_opts(self, options: dict[str, Any]) -> None:
        """Changes options, as in auto_LiRPA."""
        self.bound_opts.update(options)

    def compute_bounds(
        self,
        x: Any = None,
        C: torch.Tensor | None = None,
        method: str | None = "backward",
        IBP: bool = False,
        forward: bool = False,
        bound_lower: bool = True,
        bound_upper: bool = True,
        return_A: bool = False,
        needed_A_dict: Any = None,
        **ignored: Any,
    ) -> Any:
        """Proved bounds of the outputs, or of ``C @ output``, for every input of a batch.

        Args:
            x: a tuple with one :class:`BoundedTensor`; None takes the last input of :meth:`forward`.
            C: coefficients, shape (batch, rows, outputs); a batch of 1 is shared.
            method: ``"IBP"``, ``"CROWN"`` (``"backward"``), ``"CROWN-IBP"``, ``"alpha-CROWN"`` (``"CROWN-Optimized"``).
            bound_lower: return a lower bound; None is returned in its place otherwise.
            bound_upper: return an upper bound.
            return_A: also return ``{output: {input: {lA, uA, lbias, ubias}}}``, linear bounds in the input.
            needed_A_dict: ignored; all of it is returned.

        Returns:
            ``(lower, upper)`` of shape (batch, rows) in the input's type, rounded outward; with ``return_A`` a third value. They have
            no gradient.

        Raises:
            UnsupportedError: another method, or forward-mode bounds.
        """
        chosen = "IBP" if IBP and method in (None, "backward") else method
        name = _METHODS.get(str(chosen).lower())
        if name is None or forward:
            raise UnsupportedError(f"method {method!r}: use 'IBP', 'CROWN', 'CROWN-IBP' or 'alpha-CROWN'")
        centre = self._centre(x)
        low, high = centre.ptb.ends(centre.as_subclass(torch.Tensor)) if centre.ptb is not None else (centre, centre)
        low, high = (end.as_subclass(torch.Tensor).detach() for end in (low, high))
        steps = int(self.bound_opts.get("optimize_bound_args", {}).get("iteration", 20))
        rows, shape = self._rows(C, len(centre))
        lower, upper, linear = bounding.bounds(self.network, low, high, name, True, rows=rows, semantics="real", steps=steps)
        ends = _outward(lower, centre.dtype, -math.inf).reshape(shape), _outward(upper, centre.dtype, math.inf).reshape(shape)
        result = (ends[0] if bound_lower else None, ends[1] if bound_upper else None)
        if not return_A:
            return result
        return (*result, {"output": {"input": self._linear(linear, bound_lower, bound_upper)}})

    def _centre(self, x: Any) -> BoundedTensor:
        given = self._last if x is None else x[0] if isinstance(x, (tuple, list)) else x
        if isinstance(x, (tuple, list)) and len(x) != 1:
            raise UnsupportedError(f"{len(x)} inputs: only networks of one input are supported")
        if not isinstance(given, BoundedTensor):
            raise ValueError("expected a BoundedTensor: compute_bounds(x=(BoundedTensor(batch, PerturbationLpNorm(eps=...)),))")
        if tuple(given.shape[1:]) != self._input_shape:
            raise ValueError(f"inputs of shape {tuple(given.shape[1:])}; the module was wrapped for {self._input_shape}")
        return given

    def _rows(self, C: torch.Tensor | None, batch: int) -> tuple[np.ndarray | None, tuple[int, ...]]:
        if C is None:
            return None, (batch, *self.network.output_shapes[0][1:])
        if C.dim() != 3 or C.shape[0] not in (1, batch) or C.shape[2] != self.network.output_size:
            raise ValueError(f"C: expected shape ({batch}, rows, {self.network.output_size}), not {tuple(C.shape)}")
        matrix = C.detach().double().numpy()
        return (matrix[0] if matrix.shape[0] == 1 else matrix), (batch, matrix.shape[1])

    def _linear(self, linear: bounding.LinearBounds, lower: bool, upper: bool) -> dict[str, Any]:
        def shaped(slopes: torch.Tensor) -> torch.Tensor:
            return slopes.reshape(*slopes.shape[:2], *self._input_shape)

        return {
            "lA": shaped(linear.lower_slopes) if lower else None,
            "uA": shaped(linear.upper_slopes) if upper else None,
            "lbias": linear.lower_constants if lower else None,
            "ubias": linear.upper_constants if upper else None,
        }


def _outward(bound: torch.Tensor, kind: torch.dtype, towards: float) -> torch.Tensor:
    """The nearest number of the type that is not inside."""
    rounded = bound.to(kind)
    inside = rounded.double() > bound if towards < 0 else rounded.double() < bound
    return torch.where(inside, torch.nextafter(rounded, torch.full_like(rounded, towards)), rounded)
