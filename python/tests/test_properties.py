"""Properties as expressions, against plain evaluation."""

import itertools
from fractions import Fraction

import ironbound
import numpy as np
import pytest
from ironbound import x, y
from ironbound.properties import decimal_text, violations


def breaks(wish, outputs, inputs=()):
    """Does this point break the property, by its disjuncts?"""
    values = {("y", i): Fraction(v) for i, v in enumerate(outputs)} | {("x", i): Fraction(v) for i, v in enumerate(inputs)}

    def met(atom):
        total = atom.linear.constant + sum(c * values[v] for v, c in atom.linear.terms.items())
        return total > 0 or (total == 0 and not atom.strict)

    return any(all(met(atom) for atom in conjunction) for conjunction in violations(wish, len(outputs), len(inputs)))


GRID = list(itertools.product([-1, 0, 0.5, 1], repeat=3))

CASES = [
    (y[0] > y[1] + 0.5, lambda v: v[0] > v[1] + 0.5),
    ((y >= 0.5) | (y[0] < y[1]), lambda v: min(v) >= 0.5 or v[0] < v[1]),
    (~((y <= 0) & (y[2] != 0)), lambda v: not (max(v) <= 0 and v[2] != 0)),
    (y[0] == y[2], lambda v: v[0] == v[2]),
    (y.argmax() == 1, lambda v: v[1] > v[0] and v[1] > v[2]),
    (y.argmax() != 1, lambda v: not (v[1] > v[0] and v[1] > v[2])),
    (y.argmin() == 0, lambda v: v[0] < v[1] and v[0] < v[2]),
    (y.argmax().isin([0, 2]), lambda v: max(v[0], v[2]) > v[1]),
    (y.argmin().isin([0, 2]), lambda v: min(v[0], v[2]) < v[1]),
    (ironbound.outputs(3) @ [1, -2, 1] <= 0.5, lambda v: v[0] - 2 * v[1] + v[2] <= 0.5),
    (ironbound.outputs(3).sum() / 3 < y[0], lambda v: Fraction(sum(map(Fraction, v))) / 3 < v[0]),
    (2 - y[0] * 3 >= -y[1], lambda v: 2 - v[0] * 3 >= -v[1]),
]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_the_negation_is_what_plain_evaluation_says(number):
    wish, plainly = CASES[number]
    for point in GRID:
        assert breaks(wish, point) == (not plainly(point)), (wish, point)


def test_properties_may_read_inputs():
    wish = y[0] <= x[0] + 1
    assert breaks(wish, [2.5], [1]) and not breaks(wish, [2], [1])


def test_a_property_of_inputs_and_outputs_is_verified(identity):
    # The network is |x| - 1/2.
    assert ironbound.verify(identity, [(0, 1)], (y[0] >= x[0] - 0.51) & (y[0] < x[0] - 0.49))
    assert ironbound.verify(identity, [(-1, 1)], y[0] < x[0] - 0.49).verdict == "fails"


def test_python_words_that_cannot_work_are_refused():
    with pytest.raises(TypeError, match="join properties with &"):
        bool(y[0] > 0)
    with pytest.raises(TypeError, match="instead of 0 <= y"):
        0 <= y[0] <= 1  # noqa: B015
    with pytest.raises(ValueError, match="need parentheses"):
        (y[0] > 0) & 3
    with pytest.raises(ValueError, match="not linear"):
        y[0] * y[1]
    with pytest.raises(ValueError, match="finite"):
        y[0] > float("nan")
    with pytest.raises(ValueError, match="expected a number"):
        y[0] > True
    with pytest.raises(ZeroDivisionError):
        y[0] / 0


def test_indices_that_do_not_exist_are_named(identity):
    with pytest.raises(ValueError, match=r"reads y\[3\], the network has 1 outputs"):
        ironbound.verify(identity, [(0, 1)], y[3] > 0)
    with pytest.raises(ValueError, match=r"labels \[7\]"):
        ironbound.verify(identity, [(0, 1)], y.argmax() == 7)


def test_an_absurd_expansion_is_refused_with_its_size():
    wish = (y[0] > 0) | (y[1] > 0)
    for i in range(2, 44, 2):
        wish = wish | ((y[i] > 0) & (y[i + 1] > 0))
    with pytest.raises(ValueError, match="2097152 disjuncts, more than 1000000"):
        violations(wish, 44, 0)


@pytest.mark.parametrize("value", [Fraction(1, 3), Fraction(1, 7)])
def test_a_number_without_decimal_form_has_none(value):
    assert decimal_text(value) is None


def test_decimal_texts_are_exact():
    for value in [0.1, -0.1, 2.0**-40, 12345678901234567890, -3, 0, 1e300, 5e-324, np.pi]:
        assert Fraction(decimal_text(Fraction(value))) == Fraction(value)
