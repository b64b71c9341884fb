"""Progress: a bar in a terminal or a notebook, or whatever the caller makes of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_PATIENCE = 1.0
"""Seconds before a bar appears: quick answers need none."""


@dataclass(frozen=True)
class Progress:
    """A snapshot of a search.

    Attributes:
        subproblems: parts bounded so far.
        open: parts open.
        proved: proved share of the input set, from 0 to 1.
        worst_margin: the worst bound left, where known.
    """

    subproblems: int
    open: int
    proved: float
    worst_margin: float | None

    def __str__(self) -> str:
        margin = "" if self.worst_margin is None else f", worst margin {self.worst_margin:.3g}"
        return f"{100 * self.proved:.2f} % proved, {self.subproblems} subproblems ({self.open} open){margin}"


Native = Callable[[int, int, float, "float | None"], object]


@contextmanager
def watching(wish: Any) -> Iterator[Native | None]:
    """What the engine calls with its progress, for an argument ``progress``."""
    if wish is None:
        wish = _in_notebook() or sys.stderr is not None and sys.stderr.isatty()
    if wish is False:
        yield None
    elif callable(wish):
        yield lambda *snapshot: wish(Progress(*snapshot))
    else:
        bar = _Bar()
        try:
            yield lambda *snapshot: bar.show(Progress(*snapshot))
        finally:
            bar.close()


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"


class _Bar:
    """tqdm's bar where it is installed, one line rewritten in place otherwise."""

    def __init__(self) -> None:
        self.started, self.bar, self.lines = time.monotonic(), None, 0

    def show(self, progress: Progress) -> None:
        if time.monotonic() - self.started < _PATIENCE:
            return
        if self.bar is None and self.lines == 0:
            self.bar = _tqdm()
        if self.bar is None:
            self.lines += 1
            print(f"\r\x1b[2K{progress}", end="", file=sys.stderr, flush=True)
            return
        self.bar.n = round(100 * progress.proved, 2)
        self.bar.set_postfix_str(str(progress).partition(", ")[2])

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
        elif self.lines:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)


def _tqdm() -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm(total=100, unit="%", desc="proved", leave=False, bar_format="{desc}: {n:.2f} %|{bar}| {elapsed}{postfix}")
