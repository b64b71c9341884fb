"""Pictures with matplotlib (``pip install ironbound[plot]``): every function draws on the axes given, or on new ones, and returns them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .bounding import layer_bounds
from .network import Source, as_network
from .robustness import Table
from .specs import Box, box
from .verification import Result

_COLOURS = {"holds": "tab:green", "fails": "tab:red", "unknown": "tab:gray"}


def _axes(given: Any) -> Any:
    if given is not None:
        return given
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install ironbound[plot]") from error
    return pyplot.subplots()[1]


def decision(
    net: Source,
    low: tuple[float, float],
    high: tuple[float, float],
    verdicts: Sequence[tuple[Any, Result]] = (),
    *,
    output: int | None = None,
    resolution: int = 200,
    axes: Any = None,
) -> Any:
    """A network of two inputs as colours, with the boxes that were proved (green), refuted (red) or left open (grey) on it.

    Args:
        net: as for :func:`ironbound.verify`, with two inputs.
        low: lower left corner of the picture.
        high: upper right corner.
        verdicts: ``(x_specs, result)`` pairs; counterexamples are drawn as crosses.
        output: which output to show; None for the one output, or for the index of the largest of several.
        resolution: points per side.
        axes: matplotlib axes.
    """
    network = as_network(net, 2)
    if network.input_size != 2:
        raise ValueError(f"a network of 2 inputs is needed, this one has {network.input_size}")
    axes = _axes(axes)
    horizontal, vertical = (np.linspace(low[i], high[i], resolution) for i in (0, 1))
    grid = np.stack(np.meshgrid(horizontal, vertical), axis=-1).reshape(-1, 2)
    values = network(grid)
    classes = output is None and network.output_size > 1
    shown = np.argmax(values, axis=1) if classes else values[:, output or 0]
    image = axes.pcolormesh(horizontal, vertical, shown.reshape(resolution, resolution), cmap="tab10" if classes else "coolwarm", alpha=0.6)
    image.set_edgecolor("face")
    if not classes:
        axes.figure.colorbar(image, ax=axes, label=f"y[{output or 0}]")
    for x_specs, result in verdicts:
        _draw_box(axes, box(x_specs, 2), result)
    axes.set_xlabel("x[0]")
    axes.set_ylabel("x[1]")
    axes.set_aspect("equal")
    return axes


def _draw_box(axes: Any, region: Box, result: Result) -> None:
    from matplotlib.patches import Rectangle

    width, height = region.high - region.low
    colour = _COLOURS[result.verdict]
    axes.add_patch(
        Rectangle((region.low[0], region.low[1]), width, height, fill=False, edgecolor=colour, linewidth=2, label=result.verdict)
    )
    for point in result.counterexamples:
        first, second = np.asarray(point, dtype=float).reshape(-1)
        axes.plot([first], [second], "x", color=colour)


def counterexample(
    image: Any, found: Any, shape: tuple[int, ...] | None = None, *, labels: tuple[Any, Any] | None = None, axes: Any = None
) -> Any:
    """An image, its counterexample and their difference, side by side.

    Args:
        image: the image, any shape.
        found: the counterexample.
        shape: rows and columns, with channels last or first where there are any; None for a square.
        labels: what to write above the two, such as the two classes.
        axes: three matplotlib axes.
    """
    before, after = (np.asarray(v.detach() if hasattr(v, "detach") else v, dtype=float).reshape(-1) for v in (image, found))
    if before.shape != after.shape:
        raise ValueError(f"the image has {before.size} elements, the counterexample {after.size}")
    side = round(before.size**0.5)
    shape = shape or (side, side)
    if np.prod(shape) != before.size:
        raise ValueError(f"shape {shape} does not hold {before.size} elements")
    if axes is None:
        figure = _axes(None).figure
        figure.clear()
        axes = figure.subplots(1, 3)
    pictures = [before, after, after - before]
    titles = [*(labels or ("image", "counterexample")), f"difference, at most {np.max(np.abs(pictures[2])):.3g}"]
    reach = float(np.max(np.abs(pictures[2]))) or 1.0
    for i, (one, picture, title) in enumerate(zip(axes, pictures, titles)):
        shown = picture.reshape(shape)
        if len(shape) == 3 and shape[0] in (1, 3):
            shown = np.moveaxis(shown, 0, -1)
        if i < 2:
            one.imshow(shown, cmap="gray_r", vmin=min(0.0, before.min()), vmax=max(1.0, before.max()))
        else:
            one.imshow(shown if shown.ndim == 2 else shown.mean(axis=-1), cmap="coolwarm", vmin=-reach, vmax=reach)
        one.set_title(str(title))
        one.set_axis_off()
    return axes


def layers(net: Source, low: Any, high: Any, methods: Sequence[str] = ("interval", "crown"), *, axes: Any = None) -> Any:
    """The mean width of the proved bounds of every layer, for some methods.

    Args:
        net: as for :func:`ironbound.verify`.
        low: lower ends of one box.
        high: upper ends.
        methods: as for :func:`ironbound.bounds`.
        axes: matplotlib axes.
    """
    axes = _axes(axes)
    network = as_network(net, int(np.size(low.detach().numpy() if hasattr(low, "detach") else low)))
    operators: list[str] = []
    for method in methods:
        found = layer_bounds(network, low, high, method)
        operators = [operator for _, operator, _, _ in found]
        axes.plot(range(len(found)), [float(np.mean(upper - lower)) for _, _, lower, upper in found], "o-", label=method)
    axes.set_yscale("log")
    axes.set_xticks(range(len(operators)), operators, rotation=45, ha="right")
    axes.set_ylabel("mean width of the bounds")
    axes.legend()
    return axes


def certified_accuracy(tables: Sequence[Table], *, axes: Any = None) -> Any:
    """Certified accuracy against the radius, one table of :func:`ironbound.certify_dataset` per radius."""
    if not tables:
        raise ValueError("at least one table is needed")
    axes = _axes(axes)
    ordered = sorted(tables, key=lambda table: table.eps)
    radii = [table.eps for table in ordered]
    not_refuted = [table.certified + sum(row.verdict == "unknown" for row in table) / len(table) for table in ordered]
    axes.plot(radii, [table.certified for table in ordered], "o-", color=_COLOURS["holds"], label="certified")
    axes.fill_between(radii, [table.certified for table in ordered], not_refuted, color=_COLOURS["unknown"], alpha=0.4, label="undecided")
    axes.axhline(ordered[0].nominal, color="black", linestyle=":", label="nominal")
    axes.set_xlabel("radius")
    axes.set_ylabel("accuracy")
    axes.set_ylim(0, 1.02)
    axes.legend()
    return axes
