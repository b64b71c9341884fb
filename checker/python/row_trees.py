"""Steps of wide networks (docs/certificate.md), in exact fractions: interval arithmetic, and trees that bound one linear function."""

import struct
from fractions import Fraction


def by_intervals(checker, cursor, state):
    """0x13: interval arithmetic from the intervals of the activations below and the box."""
    a = cursor.index(len(checker.activations))
    if not state.void:
        for j, ends in enumerate(ranges(checker, state, checker.nodes[checker.activations[a]]["inputs"][0])):
            state.meet((a, j), *ends)


def ranges(checker, state, last):
    """The ranges of a node's elements."""
    found = []
    for i, node in enumerate(checker.nodes[:last + 1]):
        if node["kind"] == "input":
            first = checker.offsets[i]
            found.append(list(zip(state.low[first:first + node["len"]], state.high[first:first + node["len"]])))
        elif node["kind"] == "constant":
            found.append([(Fraction(x), Fraction(x)) for x in node["numbers"]])
        elif node["kind"] == "affine":
            found.append([affine(node, o, found) for o in range(node["len"])])
        else:
            interval = lambda j, a=checker.activations.index(i): (state.below[a, j], state.above[a, j])
            if node["kind"] == "hinge":
                found.append([hinge(*interval(j), Fraction(node["slope"])) for j in range(node["len"])])
            else:
                found.append([tuple(max(interval(k)[end] for k in group) for end in (0, 1)) for group in node["groups"]])
    return found[last]


def affine(node, o, found):
    low = high = Fraction(node["bias"][o]) if node["bias"] else Fraction(0)
    for source, part in zip(node["inputs"], node["parts"]):
        for j, w in part[o]:
            ends = [Fraction(w) * x for x in found[source][j]]
            low, high = low + min(ends), high + max(ends)
    return low, high


def hinge(low, high, slope):
    at = [max(a, slope * a) for a in (low, high)] + ([Fraction(0)] if low < 0 < high else [])
    return min(at), max(at)


def refresh_by_trees(checker, cursor, state):
    """0x12: ends of an activation's operand, each by a tree."""
    a = cursor.index(len(checker.activations))
    source = checker.nodes[checker.activations[a]]["inputs"][0]
    free, found = masks(checker, cursor, a), []
    for _ in range(cursor.index(cursor.end)):
        end = cursor.index(2 * checker.nodes[source]["len"])
        start = {source: {end // 2: Fraction(-1 if end % 2 else 1)}}
        found.append((end, max(tree(checker, cursor, state, free, a, lambda leaf: checker.sweep(start, Fraction(0), state, leaf=leaf)))))
    for end, bound in found:
        if not state.void:
            state.meet((a, end // 2), *((-bound, state.above[a, end // 2]) if end % 2 else (state.below[a, end // 2], bound)))


def drop_by_tree(checker, cursor, state):
    """0x23: every leaf's bound excludes the row."""
    d = cursor.index(len(checker.case["disjuncts"]))
    if d not in state.open:
        cursor.reject("disjunct not open")
    row = checker.case["disjuncts"][d][cursor.index(len(checker.case["disjuncts"][d]))]
    end = len(checker.activations)
    bounds = tree(checker, cursor, state, masks(checker, cursor, end), end, lambda leaf: checker.row(row, state, leaf))
    if not (state.void or all(bound < 0 or (bound == 0 and row["strict"]) for bound in bounds)):
        cursor.reject(f"disjunct {d} is not excluded by a tree")
    state.open.remove(d)


def is_relu(checker, a):
    node = checker.nodes[checker.activations[a]]
    return node["kind"] == "hinge" and node["slope"] == 0


def masks(checker, cursor, end):
    """The elements below activation `end` whose lower slopes the leaves give."""
    free = []
    for a in range(end):
        elements = cursor.mask(checker.nodes[checker.nodes[checker.activations[a]]["inputs"][0]]["len"])
        if elements and not is_relu(checker, a):
            cursor.reject("only a ReLU's slopes are free")
        free += [(a, j) for j in elements]
    return free


def tree(checker, cursor, state, free, end, sweep):
    """The bounds of a tree's leaves, in order."""
    code = cursor.take(1)[0]
    path, bounds = [], []
    while True:
        if code == 1:
            a = cursor.index(end)
            j = cursor.index(checker.nodes[checker.activations[a]]["len"])
            if not is_relu(checker, a) or any(p[:2] == (a, j) for p in path):
                cursor.reject("no ReLU, or split already")
            path.append((a, j, False))
        elif code == 0:
            bounds.append(leaf(checker, cursor, state, free, path, sweep))
            while path and path[-1][2]:
                path.pop()
            if not path:
                return bounds
            path[-1] = (*path[-1][:2], True)
        else:
            cursor.reject("neither leaf nor split")
        code = cursor.take(1)[0]


def leaf(checker, cursor, state, free, path, sweep):
    sides = {}
    for a, j, active in path:
        bits = cursor.take(4)
        beta = cursor.fraction("<f", bits)
        if beta < 0:
            cursor.reject("negative multiplier")
        if bits != struct.pack("<f", -0.0):
            sides[checker.activations[a], j] = (active, beta)
    slopes = {(checker.activations[a], j): Fraction(byte, 255) for (a, j), byte in zip(free, cursor.take(len(free)))}
    if state.void:
        return Fraction(0)

    def passed(i, j, c):
        """Which element a coefficient goes to, the coefficient there, and a constant."""
        node, a = checker.nodes[i], checker.activations.index(i)
        if (i, j) in sides and state.above[a, j] > 0:
            active, beta = sides[i, j]
            return j, c + beta if active else -beta, Fraction(0)
        if (i, j) in slopes and c < 0 and state.below[a, j] < 0 < state.above[a, j]:
            return j, c * slopes[i, j], Fraction(0)
        element, slope, offset = checker.line(i, j, c > 0, state)
        return element, c * slope, c * offset

    passed.places = set(sides)
    return state.end(sweep(passed))
