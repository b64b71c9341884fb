"""Properties of inputs and outputs, written as Python expressions.

``y.argmax() == 6``, ``y[6] > y[3] + 0.1``, ``(y >= 0.5) | (y[0] < y[1])``. Numbers are taken exactly: a ``float`` stands for the binary
number that it is, a ``decimal.Decimal``, ``fractions.Fraction`` or ``str`` for the decimal that was written.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Union

Number = Union[int, float, Decimal, Fraction, str]
"""What counts as a number; so do NumPy scalars and tensors without dimensions."""

Variable = tuple[str, int]
"""``("x", i)`` or ``("y", i)``."""


def exact(value: Any, what: str = "a number") -> Fraction:
    """The number as a fraction; refuses NaN and infinity with a ``ValueError``."""
    if isinstance(value, bool):
        raise ValueError(f"{what}: expected a number, not {value!r}")
    if isinstance(value, (Fraction, int)):
        return Fraction(value)
    if not isinstance(value, (float, str, Decimal)):
        item = getattr(value, "item", None)
        if item is None or getattr(value, "ndim", 0) not in (0,) and getattr(value, "size", 0) != 1:
            raise ValueError(f"{what}: expected a number, not {type(value).__name__}")
        return exact(item(), what)
    try:
        return Fraction(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{what}: {value!r} is not a finite number") from error


class Linear:
    """A linear expression in elements of the inputs ``x`` and the outputs ``y``."""

    __slots__ = ("terms", "constant")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, terms: Mapping[Variable, Fraction], constant: Fraction = Fraction(0)) -> None:
        self.terms = {v: c for v, c in terms.items() if c}
        self.constant = constant

    @staticmethod
    def of(value: Any) -> Linear:
        """The expression itself, or a constant one."""
        return value if isinstance(value, Linear) else Linear({}, exact(value))

    def __add__(self, other: Any) -> Linear:
        if isinstance(other, Vector):
            return NotImplemented
        other = Linear.of(other)
        terms = dict(self.terms)
        for variable, coefficient in other.terms.items():
            terms[variable] = terms.get(variable, Fraction(0)) + coefficient
        return Linear(terms, self.constant + other.constant)

    __radd__ = __add__

    def __neg__(self) -> Linear:
        return self * -1

    def __sub__(self, other: Any) -> Linear:
        return self + -1 * Linear.of(other)

    def __rsub__(self, other: Any) -> Linear:
        return Linear.of(other) - self

    def __mul__(self, factor: Any) -> Linear:
        if isinstance(factor, (Linear, Vector)):
            raise ValueError("products of variables are not linear; only linear properties can be verified")
        scale = exact(factor)
        return Linear({v: c * scale for v, c in self.terms.items()}, self.constant * scale)

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> Linear:
        return self * (1 / exact(divisor))

    def __ge__(self, other: Any) -> Property:
        return Atom(self - other, strict=False)

    def __gt__(self, other: Any) -> Property:
        return Atom(self - other, strict=True)

    def __le__(self, other: Any) -> Property:
        return Atom(Linear.of(other) - self, strict=False)

    def __lt__(self, other: Any) -> Property:
        return Atom(Linear.of(other) - self, strict=True)

    def __eq__(self, other: Any) -> Property:  # type: ignore[override]
        return All([self >= other, self <= other])

    def __ne__(self, other: Any) -> Property:  # type: ignore[override]
        return Any_([self > other, self < other])

    def __repr__(self) -> str:
        parts = [f"{name}[{i}]" if c == 1 else f"{_short(c)} {name}[{i}]" for (name, i), c in sorted(self.terms.items())]
        if self.constant or not parts:
            parts.append(_short(self.constant))
        return " + ".join(parts).replace("+ -", "- ")


def _short(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else repr(float(value))


class Property:
    """Something that must hold for every input: comparisons joined by ``&``, ``|`` and ``~``."""

    __hash__ = None  # type: ignore[assignment]

    def __and__(self, other: Property) -> Property:
        return All([self, _property(other)])

    def __or__(self, other: Property) -> Property:
        return Any_([self, _property(other)])

    def __invert__(self) -> Property:
        return Not(self)

    def __bool__(self) -> bool:
        raise TypeError(
            "a property is neither true nor false before it is verified: join properties with & | ~ and parentheses "
            "instead of and, or, not; write (0 <= y[0]) & (y[0] <= 1) instead of 0 <= y[0] <= 1"
        )

    def normal(self, outputs: int, inputs: int, positive: bool) -> Property:
        """The property (or its negation) for so many outputs and inputs, of atoms, conjunctions and disjunctions only."""
        raise NotImplementedError


def _property(value: Any) -> Property:
    if not isinstance(value, Property):
        raise ValueError(f"expected a property such as y[0] > 0, not {value!r}; comparisons in & and | need parentheses")
    return value


class Atom(Property):
    """``linear >= 0``, or ``> 0`` if strict."""

    def __init__(self, linear: Linear, strict: bool) -> None:
        self.linear, self.strict = linear, strict

    def normal(self, outputs: int, inputs: int, positive: bool) -> Property:
        for name, index in self.linear.terms:
            size = outputs if name == "y" else inputs
            if index >= size:
                raise ValueError(f"the property reads {name}[{index}], the network has {size} {'outputs' if name == 'y' else 'inputs'}")
        return self if positive else Atom(-self.linear, not self.strict)

    def __repr__(self) -> str:
        return f"{self.linear} {'>' if self.strict else '>='} 0"


class _Joined(Property):
    word = ""

    def __init__(self, parts: Sequence[Property]) -> None:
        self.parts = list(parts)

    def __repr__(self) -> str:
        return f" {self.word} ".join(f"({part!r})" for part in self.parts) or f"empty {type(self).__name__}"

    def normal(self, outputs: int, inputs: int, positive: bool) -> Property:
        parts = [part.normal(outputs, inputs, positive) for part in self.parts]
        return All(parts) if isinstance(self, All) == positive else Any_(parts)


class All(_Joined):
    """Every part holds."""

    word = "&"


class Any_(_Joined):
    """Some part holds."""

    word = "|"


class Not(Property):
    """The part does not hold."""

    def __init__(self, part: Property) -> None:
        self.part = part

    def __repr__(self) -> str:
        return f"~({self.part!r})"

    def normal(self, outputs: int, inputs: int, positive: bool) -> Property:
        return self.part.normal(outputs, inputs, not positive)


class Deferred(Property):
    """Known once the number of elements of its vector is known."""

    def __init__(self, vector: Vector, make: Callable[[Vector], Property], text: str) -> None:
        self.vector, self.make, self.text = vector, make, text

    def __repr__(self) -> str:
        return self.text

    def normal(self, outputs: int, inputs: int, positive: bool) -> Property:
        sized = Vector(self.vector.name, outputs if self.vector.name == "y" else inputs)
        return self.make(sized).normal(outputs, inputs, positive)


class Vector:
    """The inputs ``x`` or the outputs ``y`` of a network, flat in C order; comparisons are meant for every element."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str, size: int | None = None) -> None:
        self.name, self.size = name, size

    def __len__(self) -> int:
        if self.size is None:
            raise TypeError(f"the number of elements of {self.name} is not known here; write ironbound.outputs(n)")
        return self.size

    def __getitem__(self, index: int) -> Linear:
        if isinstance(index, slice):
            raise ValueError(f"{self.name}[{index}] is not supported: write the elements, or use all() of a list")
        position = int(index) if index >= 0 else len(self) + int(index)
        if position < 0 or (self.size is not None and position >= self.size):
            raise IndexError(f"{self.name}[{index}] of {self.size} elements")
        return Linear({(self.name, position): Fraction(1)})

    def __iter__(self) -> Iterator[Linear]:
        return (self[i] for i in range(len(self)))

    def _every(self, compare: Callable[[Linear], Property], text: str) -> Property:
        return Deferred(self, lambda v: All([compare(element) for element in v]), f"{self.name} {text}")

    def __ge__(self, bound: Any) -> Property:
        return self._every(lambda e: e >= bound, f">= {bound!r}")

    def __gt__(self, bound: Any) -> Property:
        return self._every(lambda e: e > bound, f"> {bound!r}")

    def __le__(self, bound: Any) -> Property:
        return self._every(lambda e: e <= bound, f"<= {bound!r}")

    def __lt__(self, bound: Any) -> Property:
        return self._every(lambda e: e < bound, f"< {bound!r}")

    def __matmul__(self, weights: Any) -> Linear:
        """The dot product with numbers."""
        total = Linear({})
        for index, weight in enumerate(weights):
            total = total + self[index] * weight
        return total

    def sum(self) -> Linear:
        """The sum of all elements."""
        return sum(self, Linear({}))

    def argmax(self) -> Extreme:
        """The element that is strictly above every other: a tie counts as breaking ``y.argmax() == k``."""
        return Extreme(self, largest=True)

    def argmin(self) -> Extreme:
        """The element that is strictly below every other."""
        return Extreme(self, largest=False)

    def __repr__(self) -> str:
        return self.name


class Extreme:
    """The index of the largest or smallest element."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, vector: Vector, largest: bool) -> None:
        self.vector, self.largest = vector, largest

    def __eq__(self, label: Any) -> Property:  # type: ignore[override]
        return self.isin([label])

    def __ne__(self, label: Any) -> Property:  # type: ignore[override]
        return ~self.isin([label])

    def isin(self, labels: Sequence[int]) -> Property:
        """Some of ``labels`` is strictly beyond every element outside ``labels``."""
        chosen = sorted({int(label) for label in labels})

        def make(v: Vector) -> Property:
            if not chosen or chosen[0] < 0 or chosen[-1] >= len(v):
                raise ValueError(f"labels {chosen} of a network with {len(v)} outputs")
            others = [i for i in range(len(v)) if i not in chosen]

            def beyond(i: int, j: int) -> Property:
                return v[i] > v[j] if self.largest else v[i] < v[j]

            # "Some label beats all others" = for every other, as the largest of the labels is one and the same element.
            if len(chosen) == 1:
                return All([beyond(chosen[0], j) for j in others])
            return All([Any_([beyond(i, j) for i in chosen]) for j in others])

        name = "argmax" if self.largest else "argmin"
        return Deferred(self.vector, make, f"{self.vector}.{name}() in {chosen}")

    def __repr__(self) -> str:
        return f"{self.vector}.{'argmax' if self.largest else 'argmin'}()"


x = Vector("x")
"""The inputs of a network, flat."""
y = Vector("y")
"""The outputs of a network, flat."""


def inputs(size: int) -> Vector:
    """The inputs of a network with ``size`` input elements."""
    return Vector("x", size)


def outputs(size: int) -> Vector:
    """The outputs of a network with ``size`` output elements."""
    return Vector("y", size)


Conjunction = list[Atom]
_MOST_DISJUNCTS = 1_000_000


def violations(wanted: Property, outputs: int, inputs: int) -> list[Conjunction]:
    """The negation of a property as an OR of ANDs; an empty list if nothing can break it."""
    negated = _property(wanted).normal(outputs, inputs, positive=False)
    size = _disjuncts(negated)
    if size > _MOST_DISJUNCTS:
        raise ValueError(f"the negated property has {size} disjuncts, more than {_MOST_DISJUNCTS}; verify its parts one by one")
    return _expand(negated)


def _disjuncts(node: Property) -> int:
    """At most so many disjuncts."""
    if not isinstance(node, _Joined):
        return 1
    counts = [_disjuncts(part) for part in node.parts]
    return sum(counts) if isinstance(node, Any_) else math.prod(counts)


def _expand(node: Property) -> list[Conjunction]:
    if isinstance(node, Atom):
        if node.linear.terms:
            return [[node]]
        value = node.linear.constant
        return [[]] if value > 0 or (value == 0 and not node.strict) else []
    assert isinstance(node, _Joined)
    parts = [_expand(part) for part in node.parts]
    if isinstance(node, Any_):
        joined = list(itertools.chain.from_iterable(parts))
        return [[]] if any(not conjunction for conjunction in joined) else joined
    return [list(itertools.chain.from_iterable(choice)) for choice in itertools.product(*parts)]


def decimal_text(value: Fraction) -> str | None:
    """The exact decimal, if there is one."""
    denominator, twos, fives = value.denominator, 0, 0
    while denominator % 2 == 0:
        denominator, twos = denominator // 2, twos + 1
    while denominator % 5 == 0:
        denominator, fives = denominator // 5, fives + 1
    if denominator != 1:
        return None
    digits = max(twos, fives)
    scaled = value.numerator * 2 ** (digits - twos) * 5 ** (digits - fives)
    if digits == 0:
        return str(scaled)
    text = str(abs(scaled)).rjust(digits + 1, "0")
    return f"{'-' if scaled < 0 else ''}{text[:-digits]}.{text[-digits:]}"


def inequality(atom: Atom, inputs: int) -> tuple[list[tuple[int, str]], str, bool]:
    """(element, coefficient) pairs, constant and strictness as exact decimals; scaled where a coefficient is no decimal."""
    linear = atom.linear
    values = [*linear.terms.values(), linear.constant]
    if any(decimal_text(value) is None for value in values):
        factor = math.lcm(*(value.denominator for value in values))
        linear = linear * factor
    terms = [(index + (inputs if name == "y" else 0), decimal_text(c) or "0") for (name, index), c in linear.terms.items()]
    return terms, decimal_text(linear.constant) or "0", atom.strict
