"""A second checker of proofs under `real`, in exact fractions: a readable specification of docs/certificate.md and an
oracle for the tests. For tiny networks, given as JSON (see tests/second_checker.rs); it shares nothing with the first one.

Usage: check.py FILE.json... ; FILE.cert lies beside each. Prints `accepted` or `rejected: why` per file."""

import copy
import json
import struct
import sys
from fractions import Fraction

import row_trees

INFINITY = Fraction(10) ** 400  # larger than anything in a tiny network


class Rejected(Exception):
    pass


class Cursor:
    def __init__(self, data, at, end):
        self.data, self.at, self.end = data, at, end

    def take(self, count):
        if self.at + count > self.end:
            raise Rejected("bytes end")
        self.at += count
        return self.data[self.at - count:self.at]

    def varint(self):
        value = 0
        for place in range(10):
            byte = self.take(1)[0]
            value |= (byte & 127) << (7 * place)
            if byte < 128:
                if (byte == 0 and place > 0) or value >= 1 << 64:
                    raise Rejected("number not canonical")
                return value
        raise Rejected("number too long")

    def index(self, limit):
        value = self.varint()
        if value >= limit:
            raise Rejected("no such index")
        return value

    def reject(self, why):
        raise Rejected(why)

    def mask(self, length):
        mask = int.from_bytes(self.take((length + 7) // 8), "little")
        if mask >> length:
            raise Rejected("mask too long")
        return [j for j in range(length) if mask >> j & 1]

    def number(self, form, count):
        return self.fraction(form, self.take(count))

    def fraction(self, form, data):
        value = struct.unpack(form, data)[0]
        if value != value or value in (float("inf"), float("-inf")):
            raise Rejected("not finite")
        return Fraction(value)


class State:
    """Box, intervals and lines of activations' operands, phases, open disjuncts."""

    def __init__(self, low, high, disjuncts):
        self.low, self.high, self.open, self.phases, self.void = low, high, list(range(disjuncts)), [], False
        self.below, self.above, self.lower, self.upper, self.caps, self.kept = {}, {}, {}, {}, [], False

    def end(self, line):
        """The greatest value of `v . x + k` over the box."""
        v, k = line
        return k + sum(max(c * l, c * h) for c, l, h in zip(v, self.low, self.high))

    def meet(self, place, below, above):
        self.below[place] = max(self.below.get(place, -INFINITY), below)
        self.above[place] = min(self.above.get(place, INFINITY), above)
        self.void |= self.below[place] > self.above[place]

    def start(self):
        for place, (v, k) in self.lower.items():
            self.meet(place, -self.end(([-c for c in v], -k)), INFINITY)
        for place, line in self.upper.items():
            self.meet(place, -INFINITY, self.end(line))


class Checker:
    def __init__(self, problem):
        self.nodes, self.outputs, self.case = problem["nodes"], problem["outputs"], problem["case"]
        self.activations = [i for i, n in enumerate(self.nodes) if n["kind"] in ("hinge", "maximum")]
        self.offsets, self.dims = {}, 0
        for i in problem["inputs"]:
            self.offsets[i], self.dims = self.dims, self.dims + self.nodes[i]["len"]

    def root(self):
        state = State([Fraction(x) for x in self.case["low"]], [Fraction(x) for x in self.case["high"]], len(self.case["disjuncts"]))
        for a, node in enumerate(self.activations):
            source = self.nodes[node]["inputs"][0]
            for j, size in enumerate(self.sizes(state)[source]):
                state.meet((a, j), -size, size)
            if not any(i in self.activations for i in self.ancestors(node)):
                self.refresh(a, range(self.nodes[source]["len"]), state)
        return state

    def ancestors(self, node):
        direct = set(self.nodes[node]["inputs"])
        return direct.union(*(self.ancestors(i) for i in direct))

    def sizes(self, state):
        """Sums of absolute terms of every node's elements."""
        sizes = []
        for i, node in enumerate(self.nodes):
            read, kind = [sizes[p] for p in node["inputs"]], node["kind"]
            a = self.activations.index(i) if i in self.activations else None
            interval = lambda j: (state.below.get((a, j), -INFINITY), state.above.get((a, j), INFINITY))
            if kind == "input":
                ends = [max(abs(l), abs(h)) for l, h in zip(state.low, state.high)]
                sizes.append(ends[self.offsets[i]:self.offsets[i] + node["len"]])
            elif kind == "constant":
                sizes.append([abs(Fraction(x)) for x in node["numbers"]])
            elif kind == "affine":
                bias = node["bias"] or [0] * node["len"]
                row = lambda o: sum(abs(Fraction(w)) * read[k][j] for k, part in enumerate(node["parts"]) for j, w in part[o])
                sizes.append([row(o) + abs(Fraction(bias[o])) for o in range(node["len"])])
            elif kind == "hinge":
                slope = abs(Fraction(node["slope"]))
                sizes.append([max(interval(j)[1], slope * -interval(j)[0], 0) for j in range(node["len"])])
            else:
                sizes.append([max(max(abs(x) for x in interval(j)) for j in group) for group in node["groups"]])
        return sizes

    def sweep(self, start, constant, state, multiplier=None, terms=None, leaf=None):
        """An upper bound, affine in the inputs, of `constant` + the sum of coefficients `start[node][element]`. With `multiplier`,
        hinges pass what it says on, and what is left of them goes into `terms`; with `leaf`, all activations pass what that says."""
        rows = {node: dict(row) for node, row in start.items()}
        result = [Fraction(0)] * self.dims

        def add(node, j, c):
            rows.setdefault(node, {})
            rows[node][j] = rows[node].get(j, Fraction(0)) + c

        for i in range(len(self.nodes) - 1, -1, -1):
            node = self.nodes[i]
            if leaf and i in rows:
                rows[i].update((j, Fraction(0)) for n, j in leaf.places if n == i and j not in rows[i])
            for j, c in rows.get(i, {}).items():
                if node["kind"] == "input":
                    result[self.offsets[i] + j] += c
                elif node["kind"] == "constant":
                    constant += c * Fraction(node["numbers"][j])
                elif node["kind"] == "affine":
                    constant += c * Fraction(node["bias"][j]) if node["bias"] else 0
                    for source, part in zip(node["inputs"], node["parts"]):
                        for k, w in part[j]:
                            add(source, k, c * Fraction(w))
                elif multiplier and node["kind"] == "hinge":
                    passed = multiplier(i, j, c)
                    terms.append((self.activations.index(i), j, c, passed, self.greatest(i, j, c, passed, state)))
                    add(node["inputs"][0], j, passed)
                    constant += terms[-1][-1]
                elif leaf:
                    element, passed, offset = leaf(i, j, c)
                    add(node["inputs"][0], element, passed)
                    constant += offset
                else:
                    element, slope, offset = self.line(i, j, c > 0, state)
                    add(node["inputs"][0], element, c * slope)
                    constant += c * offset
        return result, constant

    def line(self, i, j, above, state):
        """Element, slope and offset of the default line of an activation."""
        node, a = self.nodes[i], self.activations.index(i)
        if node["kind"] == "hinge":
            l, u, s = state.below[a, j], state.above[a, j], Fraction(node["slope"])
            if l >= 0 or u <= 0:
                return j, Fraction(1) if l >= 0 else s, Fraction(0)
            chord = (u - s * l) / (u - l)
            return (j, chord, u - chord * u) if above else (j, Fraction(1) if u > -l else s, Fraction(0))
        group = node["groups"][j]
        best = max(group, key=lambda k: state.below[a, k])
        if not above or all(k == best or state.above[a, k] <= state.below[a, best] for k in group):
            return best, Fraction(1), Fraction(0)
        return best, Fraction(0), max(state.above[a, k] for k in group)

    def refresh(self, a, elements, state):
        source, found = self.nodes[self.activations[a]]["inputs"][0], []
        for j in elements:
            for sign in (1, -1):
                found.append((a, j, sign, self.sweep({source: {j: Fraction(sign)}}, Fraction(0), state)))
        for a, j, sign, line in found:
            end, fixed = state.end(line), state.kept or any(p[:2] == (a, j) for p in state.phases)
            side = state.upper if sign > 0 else state.lower
            known = state.above[a, j] if sign > 0 else -state.below[a, j]
            # Rounding makes what is known without a line a little worse than the line.
            better = end < known or (end == known and (a, j) not in side)
            if better or fixed:
                state.meet((a, j), *((-INFINITY, end) if sign > 0 else (-end, INFINITY)))
                side[a, j] = ([sign * c for c in line[0]], sign * line[1])

    def wanted(self, a, state):
        """The elements that `refresh all` refreshes."""
        node = self.nodes[self.activations[a]]
        interval = lambda j: (state.below[a, j], state.above[a, j])
        if not any(i in self.activations for i in self.ancestors(self.activations[a])):
            return []
        if node["kind"] == "hinge":
            opened = lambda j: interval(j)[0] < 0 < interval(j)[1] and node["slope"] != 1
            return [j for j in range(node["len"]) if opened(j) or state.kept or any(p[:2] == (a, j) for p in state.phases)]
        chosen = set()
        for r, group in enumerate(node["groups"]):
            best, slope, _ = self.line(self.activations[a], r, True, state)
            if slope == 0:
                chosen.update(k for k in group if state.above[a, k] > state.below[a, best])
        return sorted(chosen)

    def row(self, constraint, state, leaf=None):
        start, constant = {}, Fraction(constraint["constant"])
        for o, c in constraint["outputs"]:
            node, element = self.outputs[o]
            start.setdefault(node, {})[element] = start.get(node, {}).get(element, 0) + Fraction(c)
        v, k = self.sweep(start, constant, state, leaf=leaf)
        for i, c in constraint["inputs"]:
            v[i] += Fraction(c)
        return v, k

    def fact(self, code, d, state):
        kind, i = code % 4, code // 4
        if kind == 2 and i < len(state.phases):
            a, j, active = state.phases[i]
            v, k = (state.upper if active else state.lower).get((a, j), ([Fraction(0)] * self.dims, INFINITY if active else -INFINITY))
            return (v, k, False) if active else ([-c for c in v], -k, False)
        if kind > 1 or i >= len(self.case["disjuncts"][d] if kind == 0 else self.case["cuts"]):
            raise Rejected("no such fact")
        constraint = self.case["disjuncts"][d][i] if kind == 0 else self.case["cuts"][i]
        return (*self.row(constraint, state), constraint["strict"] and kind == 0)

    def weights(self, cursor, d, state):
        facts = []
        for _ in range(cursor.index(cursor.end)):
            code = cursor.varint()
            facts.append((self.fact(code, d, state), cursor.number("<f", 4)))
            if facts[-1][1] < 0:
                raise Rejected("negative weight")
        return facts

    def combined(self, facts):
        v = [sum((w * f[0][d] for f, w in facts), Fraction(0)) for d in range(self.dims)]
        return v, sum((w * f[1] for f, w in facts), Fraction(0))

    def clipped(self, facts, d, state):
        low, high = list(state.low), list(state.high)
        codes = [4 * i for i in range(len(self.case["disjuncts"][d]))]
        codes += [4 * i + 1 for i in range(len(self.case["cuts"]))] + [4 * i + 2 for i in range(len(state.phases))]
        for v, k in [self.fact(c, d, state)[:2] for c in codes] + [self.combined(facts)]:
            most = state.end((v, k))
            if most < 0:
                return None
            for i, c in enumerate(v):
                if c > 0:
                    low[i] = max(low[i], state.high[i] - most / c)
                elif c < 0:
                    high[i] = min(high[i], state.low[i] - most / c)
        return (low, high) if all(l <= h for l, h in zip(low, high)) else None

    def drop(self, code, cursor, state):
        d = cursor.index(len(self.case["disjuncts"]))
        if d not in state.open:
            raise Rejected("disjunct not open")
        if code == 0x20:
            facts = [(self.fact(4 * cursor.index(len(self.case["disjuncts"][d])), d, state), 1)]
        else:
            facts = self.weights(cursor, d, state)
        end, strict = state.end(self.combined(facts)), any(f[2] and w > 0 for f, w in facts)
        excluded = self.clipped(facts, d, state) is None if code == 0x22 else end < 0 or (end <= 0 and strict)
        if not (excluded or state.void):
            raise Rejected(f"disjunct {d} is not excluded")
        state.open.remove(d)

    def clip(self, cursor, state):
        hulls = [self.clipped(self.weights(cursor, d, state), d, state) for d in state.open]
        hulls = [h for h in hulls if h]
        if state.open and not hulls:
            state.void = True
        if hulls and not state.void:
            state.low = [min(ends) for ends in zip(*(h[0] for h in hulls))]
            state.high = [max(ends) for ends in zip(*(h[1] for h in hulls))]

    def greatest(self, i, j, c, passed, state):
        """The greatest value of `c h(a) - passed a` over the element's interval."""
        l, u, s = state.below[self.activations.index(i), j], state.above[self.activations.index(i), j], Fraction(self.nodes[i]["slope"])
        at = lambda a: c * (a if a > 0 else s * a) - passed * a
        return max(at(l), at(u), at(Fraction(0)) if l < 0 < u else at(l))

    def hinge(self, cursor, factor):
        """A hinge's node and a number below `factor` times its elements."""
        i = self.activations[cursor.index(len(self.activations))]
        element = cursor.index(factor * self.nodes[self.nodes[i]["inputs"][0]]["len"])
        if self.nodes[i]["kind"] != "hinge":
            raise Rejected("no hinge")
        return i, element

    def narrow(self, cursor, state):
        defaults = cursor.take(1)[0]
        if defaults > 1:
            raise Rejected("no such rule")
        d, start, strict, constant, given = state.open[0] if len(state.open) == 1 else None, {}, False, Fraction(0), {}

        def add(node, j, c):
            start.setdefault(node, {})[j] = start.get(node, {}).get(j, Fraction(0)) + c

        for _ in range(cursor.index(cursor.end)):
            code, weight = cursor.varint(), cursor.number("<f", 4)
            kind, k = code % 4, code // 4
            lists = [self.case["disjuncts"][d] if d is not None else [], self.case["cuts"], [], state.caps]
            if weight < 0 or k >= len(lists[kind]):
                raise Rejected("no such fact")
            if kind == 3:
                hinge, terms, bias = state.caps[k]
                for node, j, c in [(*hinge, Fraction(-1))] + terms:
                    add(node, j, weight * c)
                constant += weight * bias
                continue
            fact = lists[kind][k]
            strict |= fact["strict"] and kind == 0 and weight > 0
            constant += weight * Fraction(fact["constant"])
            for o, c in fact["outputs"]:
                add(*self.outputs[o], weight * Fraction(c))
            for i, c in fact["inputs"]:
                add(*self.input(i), weight * Fraction(c))
        for _ in range(cursor.index(cursor.end)):
            (i, j), number = self.hinge(cursor, 2), cursor.number("<f", 4)
            given[i, j // 2] = (j % 2, number)
            add(i, j // 2, Fraction(0))
        if state.void:
            return

        def multiplier(i, j, c):
            keeps, number = given.get((i, j), (defaults, 0))
            return (c * self.line(i, j, c > 0, state)[1] if keeps else 0) + number

        terms, state.kept = [], True
        line = self.sweep(start, constant, state, multiplier, terms)
        total = state.end(line)
        state.void |= total < 0 or (total == 0 and strict)
        low, high = list(state.low), list(state.high)
        for i, c in enumerate(line[0]):
            if c > 0:
                low[i] = max(low[i], state.high[i] - total / c)
            elif c < 0:
                high[i] = min(high[i], state.low[i] - total / c)
        state.low, state.high = low, high
        state.void |= any(l > h for l, h in zip(low, high))
        for a, j, c, passed, most in terms:
            ends, slope = [], Fraction(self.nodes[self.activations[a]]["slope"])
            for side, l, u in ((slope * c - passed, state.below[a, j], min(state.above[a, j], Fraction(0))),
                               (c - passed, max(state.below[a, j], Fraction(0)), state.above[a, j])):
                l = max(l, (most - total) / side) if side > 0 else l
                u = min(u, (most - total) / side) if side < 0 else u
                if l <= u and (side != 0 or most <= total):
                    ends += [l, u]
            if ends:
                state.meet((a, j), min(ends), max(ends))
            state.void |= not ends

    def input(self, i):
        node = next(n for n, first in self.offsets.items() if first <= i < first + self.nodes[n]["len"])
        return node, i - self.offsets[node]

    def cap(self, cursor, state):
        (i, j), terms, bias = self.hinge(cursor, 1), [], -INFINITY
        for _ in range(cursor.index(cursor.end)):
            a = cursor.index(len(self.activations) + 1)
            if a == 0:
                node, element = self.input(cursor.index(self.dims))
            else:
                node = self.activations[a - 1]
                if self.nodes[node]["kind"] != "hinge":
                    raise Rejected("no hinge")
                element = cursor.index(self.nodes[node]["len"])
            terms.append((node, element, cursor.number("<f", 4)))
        for slope in (Fraction(1), Fraction(self.nodes[i]["slope"])):
            start = {self.nodes[i]["inputs"][0]: {j: slope}}
            for node, element, c in terms:
                start.setdefault(node, {})[element] = start.get(node, {}).get(element, Fraction(0)) - c
            bias = max(bias, state.end(self.sweep(start, Fraction(0), state, lambda i, j, c: Fraction(0), [])))
        state.caps, state.kept = state.caps + [((i, j), terms, bias)], True

    def node(self, cursor, partial, state):
        """The steps of one node; the children's states and the end of the first one, or None."""
        narrowing = None
        while True:
            code = cursor.take(1)[0]
            if narrowing is None or (narrowing and code not in (0x14, 0x31)):
                state.start()
            narrowing = code in (0x14, 0x31)
            if code == 0x10:
                for a in range(len(self.activations)):
                    state.void or self.refresh(a, self.wanted(a, state), state)
            elif code == 0x11:
                a = cursor.index(len(self.activations))
                length = self.nodes[self.nodes[self.activations[a]]["inputs"][0]]["len"]
                elements = cursor.mask(length)
                state.void or self.refresh(a, elements, state)
            elif code == 0x12:
                row_trees.refresh_by_trees(self, cursor, state)
            elif code == 0x13:
                row_trees.by_intervals(self, cursor, state)
            elif code == 0x23:
                row_trees.drop_by_tree(self, cursor, state)
            elif code in (0x20, 0x21, 0x22):
                self.drop(code, cursor, state)
            elif code == 0x30:
                self.clip(cursor, state)
            elif code == 0x14:
                self.narrow(cursor, state)
            elif code == 0x31:
                self.cap(cursor, state)
            elif code in (0x40, 0x41, 0x42):
                return self.split(code, cursor, state)
            elif code == 0x50 and (state.void or not state.open) or code == 0x51 and state.void or code == 0x52 and partial:
                if cursor.at != cursor.end:
                    raise Rejected("bytes left in node")
                return None
            else:
                raise Rejected(f"step {code:#x}")

    def split(self, code, cursor, state):
        first, second = copy.deepcopy(state), state
        if code == 0x40:
            i, at = cursor.index(self.dims), cursor.number("<d", 8)
            first.high[i] = second.low[i] = max(min(at, state.high[i]), state.low[i])
        elif code == 0x42:
            d = cursor.index(len(self.case["disjuncts"]))
            if d not in state.open:
                raise Rejected("disjunct not open")
            first.open, second.open = [d], [other for other in state.open if other != d]
        else:
            a = cursor.index(len(self.activations))
            j = cursor.index(self.nodes[self.nodes[self.activations[a]]["inputs"][0]]["len"])
            if self.nodes[self.activations[a]]["kind"] != "hinge":
                raise Rejected("only hinges are split")
            first.phases, second.phases = state.phases + [(a, j, False)], state.phases + [(a, j, True)]
            first.meet((a, j), -INFINITY, 0)
            second.meet((a, j), 0, INFINITY)
        length = cursor.varint()
        if length > cursor.end - cursor.at:
            raise Rejected("child too long")
        return first, second, cursor.at + length

    def check(self, data):
        if data[:12] != b"IRONCERT\x01\0\0\0" or data[12:14] != b"\0\0" or data[14] > 1 or int.from_bytes(data[79:87], "little") != len(data) - 87:
            raise Rejected("header")
        cursor = Cursor(data, 87, len(data))
        if cursor.varint() != 1 or cursor.varint() != cursor.end - cursor.at:
            raise Rejected("cases")
        stack = [(self.root(), cursor.at, cursor.end)]
        while stack:
            state, at, end = stack.pop()
            cursor = Cursor(data, at, end)
            children = self.node(cursor, data[14] == 1, state)
            if children:
                stack += [(children[1], children[2], end), (children[0], cursor.at, children[2])]


for name in sys.argv[1:]:
    try:
        with open(name) as problem, open(name[:-5] + ".cert", "rb") as certificate:
            Checker(json.load(problem)).check(certificate.read())
        print("accepted")
    except (Rejected, IndexError) as reason:
        print(f"rejected: {reason}")
