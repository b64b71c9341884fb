"""VNN-LIB queries, read and written."""

from __future__ import annotations

import os
from typing import Any

from . import _native
from .properties import Conjunction, inequality, violations
from .specs import Box, box, wanted


class Query:
    """A question about a network: the inputs, and which outputs break the property.

    Attributes:
        native: the engine's query.
        source: where it was read.
        text: the text that was read.
    """

    def __init__(self, native: _native.Query, source: str, text: bytes) -> None:
        self.native, self.source, self.text = native, source, text

    @property
    def boxes(self) -> list[Box]:
        """The box of every input region."""
        return [Box._of(self.native.region(i)) for i in range(self.native.cases)]

    def __repr__(self) -> str:
        q = self.native
        return f"Query({self.source}: {q.inputs} inputs, {q.outputs} outputs, {q.cases} regions, {q.disjuncts} disjuncts)"


def read_vnnlib(source: str | os.PathLike[str] | bytes, *, strict: bool = False, allow_empty: bool = False) -> Query:
    """Reads a VNN-LIB query, version 1.0 or 2.x; decimals are kept exactly.

    Args:
        source: the path of a file, gzipped or not, or the text of a query as bytes.
        strict: refuse extensions of VNN-LIB 2, such as exponents.
        allow_empty: accept a query that no input satisfies; it holds.

    Raises:
        ValueError: the text is no query; the message names the line.
    """
    if isinstance(source, bytes):
        text, name = source, "the given text"
    else:
        name = os.fspath(source)
        with open(source, "rb") as file:
            text = file.read()
        if text[:2] == b"\x1f\x8b":
            import gzip

            text = gzip.decompress(text)
    return Query(_native.Query.parse(text, name, strict, allow_empty), name, text)


def to_vnnlib(x_specs: Any, y_specs: Any, inputs: int, outputs: int) -> str:
    """The text of a VNN-LIB 1.0 query that asks for a counterexample: ``unsat`` means that the property holds.

    Args:
        x_specs: as for :func:`verify`.
        y_specs: as for :func:`verify`.
        inputs: number of input elements.
        outputs: number of output elements.
    """
    region, wish = box(x_specs, inputs), wanted(y_specs, outputs)
    return negated(region.native, violations(wish, outputs, inputs), inputs, outputs)


def negated(region: _native.Region, broken: list[Conjunction], inputs: int, outputs: int) -> str:
    """The text of a VNN-LIB 1.0 query for these disjuncts."""
    lines = [f"(declare-const X_{i} Real)" for i in range(inputs)] + [f"(declare-const Y_{i} Real)" for i in range(outputs)]
    for i, (low, high) in enumerate(zip(*region.ends())):
        lines += [f"(assert (>= X_{i} {_number(low)}))", f"(assert (<= X_{i} {_number(high)}))"]
    return "\n".join([*lines, _disjunction(broken, inputs)]) + "\n"


def _disjunction(broken: list[Conjunction], inputs: int) -> str:
    if not broken:
        return "(assert (> 0.0 0.0))"
    ors = " ".join(
        "(and " + " ".join(_atom(*inequality(a, inputs), inputs) for a in conjunction) + ")" for conjunction in broken if conjunction
    )
    return f"(assert (or {ors}))" if all(broken) else "; every input of the box breaks the property"


def _atom(terms: list[tuple[int, str]], constant: str, strict: bool, inputs: int) -> str:
    names = [(f"X_{i}" if i < inputs else f"Y_{i - inputs}", c) for i, c in terms]
    relation = ">" if strict else ">="
    plain = sorted(c for _, c in names)
    if constant == "0" and plain == ["-1", "1"]:
        (positive,), (negative,) = [n for n, c in names if c == "1"], [n for n, c in names if c == "-1"]
        return f"({relation} {positive} {negative})"
    if len(names) == 1 and names[0][1] in ("1", "-1"):
        name, c = names[0]
        bound = _minus(constant) if c == "1" else constant
        return f"({relation if c == '1' else relation.replace('>', '<')} {name} {_number(bound)})"
    summands = " ".join(f"(* {_number(c)} {name})" for name, c in names)
    left = f"(+ {summands})" if len(names) > 1 else summands
    return f"({relation} {left} {_number(_minus(constant))})"


def _minus(text: str) -> str:
    return text[1:] if text.startswith("-") else text if text == "0" else f"-{text}"


def _number(text: str) -> str:
    return text if "." in text else f"{text}.0"
