"""Deciding properties: proofs and counterexamples."""

from __future__ import annotations

import os
from collections.abc import Callable, MutableSequence
from dataclasses import dataclass, field, replace
from typing import Any, Union

import numpy as np

from . import _native
from .certificates import Certificate
from .network import Network, Source, as_network
from .probabilities import linear_conditions
from .progress import Progress, watching
from .properties import Atom, Conjunction, Property, inequality, violations
from .query import Query, negated, read_vnnlib
from .specs import box, wanted


class Counterexample(np.ndarray):
    """An input that breaks the property, ready to be fed back to the network; ``output`` is what the network answers."""

    output: np.ndarray

    def __array_finalize__(self, source: Any) -> None:
        self.output = getattr(source, "output", np.empty(0))


@dataclass(frozen=True)
class Result:
    """What a verification answers; true exactly when the property is proved.

    Attributes:
        verdict: ``"holds"`` (proved), ``"fails"`` (see ``counterexamples``) or ``"unknown"`` (see ``reason``).
        semantics: what the network was taken to be: ``"real"``, ``"float32"`` or ``"both"``; None for ``unknown``.
        margin: for ``holds`` the slack of the proof, for ``unknown`` the best bound so far (negative: not proved), in units of the
            property's comparisons; None where there is none.
        reason: why nothing was decided; None otherwise.
        timed_out: true if the reason is the time limit.
        counterexamples: inputs that break the property, tensors if the network is a PyTorch module; each has its output as the
            attribute ``output``.
        notes: remarks, such as a Softmax that was removed.
        seconds: wall time of the whole call.
        engine_seconds: wall time of the engine alone.
        subproblems: parts of the input set that were bounded.
        evaluations: network evaluations of the search for counterexamples.
        proved: the proved share of the input set, from 0 to 1.
        method: what decided.
        certificate: the proof or the counterexample for the independent checker, for ``unknown`` what is proved so far, if one was
            asked for and can be given; else None, and a note says why.
    """

    verdict: str
    semantics: str | None
    margin: float | None
    reason: str | None
    timed_out: bool
    counterexamples: list[Any]
    notes: list[str]
    seconds: float
    engine_seconds: float
    subproblems: int
    evaluations: int
    proved: float
    method: str
    certificate: Certificate | None = None
    exact_inputs: list[list[str]] = field(default_factory=list, repr=False)
    """The counterexamples as exact decimals, which lie in the input set as written."""

    def __bool__(self) -> bool:
        return self.verdict == "holds"

    def __str__(self) -> str:
        words = [f"{self.verdict} ({self.semantics})" if self.semantics else self.verdict]
        if self.reason:
            words.append(self.reason)
        if self.margin is not None:
            words.append(f"{'margin' if self else 'best margin'} {self.margin:.6g}")
        if self.counterexamples:
            words.append(f"{len(self.counterexamples)} counterexample{'s' if len(self.counterexamples) > 1 else ''}")
        words += [f"{self.seconds:.3f} s", "no certificate" if self.certificate is None else f"certificate: {self.certificate.shown}"]
        return "\n".join([", ".join(words), *(f"note: {note}" for note in self.notes)])


Reporter = Union[bool, None, Callable[[Progress], object]]


@dataclass(frozen=True)
class Options:
    """How to search; every field is an argument of :func:`verify`."""

    semantics: str = "auto"
    timeout: float | None = None
    threads: int | None = None
    max_memory: int = 4 << 30
    seed: int = 0
    attack: bool = True
    progress: Reporter = None
    certify: bool = False
    reuse: Certificate | None = None

    def __post_init__(self) -> None:
        for name, least in (("threads", 1), ("max_memory", 1), ("seed", 0)):
            value = getattr(self, name)
            if (value is not None or name != "threads") and not _is_whole(value, least):
                raise ValueError(f"{name}={value!r}: expected a whole number of at least {least}")
        if self.timeout is not None and not isinstance(self.timeout, (int, float, np.number)):
            raise ValueError(f"timeout={self.timeout!r}: a time limit is a positive number of seconds, or None")
        if not isinstance(self.reuse, (Certificate, type(None))):
            raise ValueError(f"reuse: expected an ironbound.Certificate, as Certificate.load(folder) gives it, not {type(self.reuse).__name__}")

    def run(
        self, network: _native.Network, query: _native.Query, *, prove: bool = True, text: bytes | None = None, **changed: Any
    ) -> dict[str, Any]:
        """One call of the engine; ``text`` is the query's own, if the answer is to be certified."""
        own = replace(self, **changed)
        with watching(own.progress) as report:
            return _native.verify(
                network, query, semantics=own.semantics, timeout=own.timeout, threads=own.threads, max_memory=own.max_memory,
                seed=own.seed, attack=own.attack, prove=prove, progress=report, certify=own._wish(network, text),
            )  # fmt: skip

    def _wish(self, network: _native.Network, text: bytes | None) -> Any:
        old = self.reuse
        if text is None or not (self.certify or old):
            return None
        start = None if old is None else (old.proof, (old.network, old.query) == (network.source, text))
        return {"query": text, "start": start}


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and least <= int(value) < 2**63


def verify(
    net: Source,
    x_specs: Any,
    y_specs: Any = None,
    counterexamples: MutableSequence[Any] | None = None,
    timeout: float | None = None,
    *,
    max_counterexamples: int = 1,
    input_shape: tuple[int, ...] | None = None,
    semantics: str = "auto",
    threads: int | None = None,
    max_memory: int = 4 << 30,
    seed: int = 0,
    attack: bool = True,
    progress: Reporter = None,
    certify: bool = False,
    reuse: Certificate | None = None,
) -> Result:
    """Proves that a network has a property for every input of a box, or finds inputs that break it.

    Args:
        net: a PyTorch module, the path or bytes of an ONNX file, or a :class:`Network` (load it once for many calls).
        x_specs: one ``(low, high)`` per element of the flattened input: numbers, tensors without dimensions, or exact decimals as
            ``str`` or ``Decimal``; or a :class:`Box`; or a :class:`Query` or the path of a VNN-LIB file, then without ``y_specs``.
        y_specs: one closed ``[low, high]`` per output, infinite for no bound; or a property such as
            ``ironbound.y.argmax() == 6``.
        counterexamples: found counterexamples are appended to this list.
        timeout: wall-clock limit in seconds; None for no limit.
        max_counterexamples: how many different counterexamples to look for.
        input_shape: the shape of one input of a module, without the batch dimension, where the module does not tell.
        semantics: ``"auto"``, ``"real"``, ``"float32"`` or ``"both"``.
        threads: worker threads; None for one per core. The verdict does not depend on it.
        max_memory: bytes for open subproblems.
        seed: seed of the random starts of the search for counterexamples.
        attack: look for counterexamples (off only to test soundness).
        progress: None shows a bar where somebody watches, True always, False never; or a function of :class:`Progress`.
        certify: record the proof and have the independent checker judge it; ``result.certificate`` then holds it. What it rejects
            is proved again in another way, or the verdict is ``unknown``. Comes after the search, which ``timeout`` is for.
        reuse: an earlier certificate to begin with, of the same question (an ``unknown`` is gone on with) or of another network of the
            same shape or a similar property (its splits are taken over where they prove this one); the answer is certified too.

    Returns:
        A :class:`Result`: true exactly when the property is proved.

    Raises:
        ValueError: the arguments do not fit together; the message says which and how.
        UnsupportedError: the network holds something that cannot be verified.
        KeyboardInterrupt: Ctrl-C; nothing is claimed.
    """
    if not _is_whole(max_counterexamples, 1):
        raise ValueError(f"max_counterexamples={max_counterexamples!r}: expected a whole number of at least 1")
    if counterexamples is not None and not hasattr(counterexamples, "extend"):
        raise ValueError(f"counterexamples: expected a list to append to, not {type(counterexamples).__name__}")
    options = Options(semantics, timeout, threads, max_memory, seed, attack, progress, certify or reuse is not None, reuse)
    if isinstance(x_specs, (Query, str, os.PathLike)):
        query = x_specs if isinstance(x_specs, Query) else read_vnnlib(x_specs)
        if y_specs is not None:
            raise ValueError("a query already holds its property: leave y_specs out")
        network = as_network(net, query.native.inputs, input_shape)
        return _finish(options, network, network.native, query.native, counterexamples, max_counterexamples, [], query.text)
    if y_specs is None:
        raise ValueError("y_specs is missing: give one [low, high] per output, or a property such as ironbound.y[0] > 0")
    if not hasattr(x_specs, "__len__"):
        raise ValueError(f"x_specs: expected a list of (low, high), one per input element, or a Box, not {type(x_specs).__name__}")
    network = as_network(net, len(x_specs), input_shape)
    region, wish = box(x_specs, network.input_size), wanted(y_specs, network.output_size)
    return decide(options, network, region.native, wish, counterexamples, max_counterexamples)


def decide(
    options: Options,
    network: Network,
    region: _native.Region,
    wish: Property,
    counterexamples: MutableSequence[Any] | None = None,
    most: int = 1,
) -> Result:
    """As :func:`verify`, with everything prepared."""
    broken = violations(wish, network.output_size, network.input_size)
    target, notes, only_real = network.native, [], False
    logits = _logits(network, broken, options)
    if logits is not None:
        target, options = logits, replace(options, semantics="real")
        notes.append(
            "the final Softmax was removed, which keeps the order of real outputs; a float32 Softmax saturates, so that outputs may tie"
        )
    elif options.semantics == "auto":
        possible = _possible(network, broken)
        only_real, broken = len(possible) < len(broken), possible
    disjuncts = _disjuncts(broken, network.input_size)
    query, text = _native.Query.of_box(region, [], disjuncts, network.output_size), None
    if options.certify and logits is not None and logits.source == network.native.source:
        notes.append("not certified: the network without its Softmax is not the network of the file")
    elif options.certify and broken:
        # The certificate is about a text, so that text is what is verified.
        text = negated(region, broken, network.input_size, network.output_size).encode()
        query = read_vnnlib(text).native
    early, spent = _by_logits(options, network, query, region, broken, only_real) if logits is None else (None, 0.0)
    if early is not None:
        return early
    if options.timeout is not None and spent > 0:
        options = replace(options, timeout=max(options.timeout - spent, 0.05))
    result = _finish(options, network, target, query, counterexamples, most, notes, text)
    if logits is not None and result.verdict == "fails":
        return replace(result, semantics="real")
    if only_real and result:
        why = "a real Softmax, Sigmoid or Tanh never leaves its range, which was asked for too; a float32 one may, by its rounding error"
        return replace(result, semantics="real", notes=[*result.notes, f"{why}; the rest is proved under: {result.semantics}"])
    return result


def _disjuncts(broken: list[Conjunction], inputs: int) -> list[list[tuple[list[tuple[int, str]], str, bool]]]:
    return [[inequality(atom, inputs) for atom in conjunction] for conjunction in broken]


_QUICK, _LONG = 1.0, 30.0
"""Seconds for the bounds of the whole box before the logits are looked at, and for the logits where there is no limit."""


def _by_logits(
    options: Options, network: Network, query: _native.Query, region: _native.Region, broken: list[Conjunction], only_real: bool
) -> tuple[Result | None, float]:
    """Bounds on probabilities proved by linear conditions on the logits, under ``real``; None if that leads nowhere. And seconds spent.

    Where the probabilities themselves are soon proved, or refuted, without them, that says more and comes first.
    """
    target = _without_softmax(network, options) if options.semantics in ("auto", "real") and broken else None
    conditions = linear_conditions(target, region, broken, options.certify) if target is not None else None
    if target is None or conditions is None:
        return None, 0.0
    limit = _LONG if options.timeout is None else options.timeout / 2
    if not only_real and options.semantics == "auto" and not options.certify:
        quick = options.run(network.native, query, timeout=min(_QUICK, limit / 2))
        if quick["verdict"] != "unknown":
            return None, 0.0
        spent = quick["seconds"]
    else:
        spent = 0.0
    rows, text = _native.Query.of_box(region, [], _disjuncts(conditions, network.input_size), network.output_size), None
    if options.certify and conditions and target.source != network.native.source:
        text = negated(region, conditions, network.input_size, network.output_size).encode()
        rows = read_vnnlib(text).native
    answer = options.run(target, rows, semantics="real", timeout=limit, text=text)
    spent += answer["seconds"]
    if answer["verdict"] != "holds":
        return None, spent
    notes = ["proved by bounds on differences of logits, which imply those on probabilities"]
    result = _finish(options, network, target, rows, None, 1, notes, text, answer)
    return replace(result, margin=None, method=result.method or "linear bounds of the whole box"), spent


_RANGES = {"Softmax": (0, 1), "Sigmoid": (0, 1), "Tanh": (-1, 1)}
"""Values that the real functions never leave."""


def _possible(network: Network, broken: list[list[Atom]]) -> list[list[Atom]]:
    """The disjuncts that do not ask a final Softmax, Sigmoid or Tanh to leave its range."""
    operators = {name: operator for name, operator, _, _ in network.native.nodes}
    (name, _), *others = network.native.outputs
    reach = _RANGES.get(operators[name])
    if others or reach is None:
        return broken

    def leaves(atom: Atom) -> bool:
        ((_, index), coefficient), *more = atom.linear.terms.items()
        if more or (("y", index) not in atom.linear.terms):
            return False
        greatest = max(coefficient * end for end in reach) + atom.linear.constant
        return greatest < 0 or (greatest == 0 and atom.strict)

    return [conjunction for conjunction in broken if not any(leaves(atom) for atom in conjunction)]


def _logits(network: Network, broken: list[list[Atom]], options: Options) -> _native.Network | None:
    """The network without its final Softmax, if it has one and the property only compares outputs with one another."""
    if options.semantics not in ("auto", "real") or not broken or not all(_compares(atom) for conjunction in broken for atom in conjunction):
        return None
    return _without_softmax(network, options)


def _without_softmax(network: Network, options: Options) -> _native.Network | None:
    """The network without its final Softmax, if it has one; for a certificate as a file of its own where that can be made."""
    logits = network.native.without_softmax()
    if logits is None or not options.certify:
        return logits
    from .onnx_editing import without_softmax

    file = without_softmax(network.native.source, network.native.outputs[0][0])
    return logits if file is None else _native.Network.parse(file, "the network without its final Softmax")


def _compares(atom: Atom) -> bool:
    """True for ``c (y_i - y_j) >= 0``."""
    (first, *others) = atom.linear.terms.items()
    return len(others) == 1 and first[0][0] == others[0][0][0] == "y" and first[1] == -others[0][1] and atom.linear.constant == 0


def _finish(
    options: Options,
    network: Network,
    target: _native.Network,
    query: _native.Query,
    counterexamples: MutableSequence[Any] | None,
    most: int,
    notes: list[str],
    text: bytes | None,
    answer: dict[str, Any] | None = None,
) -> Result:
    if answer is None:
        answer = options.run(target, query, text=text)
    witnesses = [answer["witness"]] if "witness" in answer else []
    if witnesses and most > 1:
        witnesses += _more(options, target, query, answer, most - 1)
    found = [_input(network, witness) for witness in witnesses]
    if counterexamples is not None:
        counterexamples.extend(found)
    known = {key: answer[key] for key in answer if key not in ("witness", "notes", "certificate")}
    certificate = None
    if "certificate" in answer and text is not None:
        proof, shown = answer["certificate"]
        certificate = Certificate(target.source, text, proof, shown)
        if target.source != network.native.source:
            notes = [*notes, "the certificate is about the network without its final Softmax, and about the query on its logits"]
    elif options.certify and text is None and answer["verdict"] != "unknown" and not any("not certified" in note for note in notes):
        notes = [*notes, "not certified: nothing that can be written down as a query was proved"]
    notes = notes + answer["notes"]
    if any(not witness["breaks_float32"] for witness in witnesses):
        notes.append(
            f"a counterexample breaks the real network at its exact decimals (exact_inputs), not the {network.dtype} one at its rounding"
        )
    return Result(
        counterexamples=found, notes=notes, certificate=certificate, exact_inputs=[witness["input"] for witness in witnesses], **known
    )


def _more(options: Options, target: _native.Network, query: _native.Query, first: dict[str, Any], most: int) -> list[dict[str, Any]]:
    """Further counterexamples, in random parts of the input set; gives up after as many fruitless tries as were asked for, and ten."""
    seen, spent = {tuple(first["witness"]["input"])}, first["seconds"]
    found: list[dict[str, Any]] = []
    fruitless, seed = 0, options.seed
    while len(found) < most and fruitless < most + 10 and (options.timeout is None or spent < options.timeout):
        seed += 1
        left = None if options.timeout is None else options.timeout - spent
        part = query.part(seed, first["witness"]["input"] if fruitless % 2 else None)
        answer = options.run(target, part, seed=seed, timeout=None if left is None else min(left, 1.0), prove=False, progress=False)
        spent += answer["seconds"]
        witness = answer.get("witness")
        fresh = witness is not None and tuple(witness["input"]) not in seen
        fruitless = 0 if fresh else fruitless + 1
        if fresh and witness is not None:
            seen.add(tuple(witness["input"]))
            found.append(witness)
    return found


def _input(network: Network, witness: dict[str, Any]) -> Any:
    """The witness as the network takes it, with its output as an attribute."""
    point = np.frombuffer(witness["rounded"], dtype="<f8").astype(network.dtype)
    shapes = network.input_shapes
    point = point.reshape(shapes[0]) if len(shapes) == 1 else point
    if network.module is not None:
        from . import torch_modules

        return torch_modules.fed_back(network.module, point)
    found = point.view(Counterexample)
    found.output = network(point)[0]
    return found
