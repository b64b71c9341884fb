"""Robustness of classifiers: one image, the largest certified radius, a whole data set."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from .network import Network, Source, as_network
from .properties import exact, y
from .specs import Box, numbers
from .verification import Options, Reporter, Result, decide


def robustness(
    net: Source,
    image: Any,
    label: int,
    eps: Any,
    norm: str = "inf",
    clip: tuple[Any, Any] | None = (0, 1),
    *,
    counterexamples: list[Any] | None = None,
    timeout: float | None = None,
    semantics: str = "auto",
    threads: int | None = None,
    seed: int = 0,
    progress: Reporter = None,
    certify: bool = False,
) -> Result:
    """Proves that every image within ``eps`` of ``image``, pixel by pixel, is given ``label``; or finds one that is not.

    The label's output must be strictly above every other, so a tie is a counterexample.

    Args:
        net: as for :func:`verify`; load a :class:`Network` once to ask about many images.
        image: the image, any shape with as many elements as the network has inputs.
        label: the index of the right output.
        eps: the radius in units of the input: a float, or an exact decimal such as ``"0.02"``.
        norm: ``"inf"``; other norms are not supported.
        clip: the least and the greatest value of a pixel; None for no limits.
        counterexamples: a found counterexample is appended here.
        timeout: wall-clock limit in seconds.
        semantics: as for :func:`verify`.
        threads: as for :func:`verify`.
        seed: as for :func:`verify`.
        progress: as for :func:`verify`.
        certify: as for :func:`verify`.

    Raises:
        ValueError: a pixel outside ``clip``, a label that is no output, a shape that does not fit.
    """
    if norm not in ("inf", float("inf"), np.inf):
        raise ValueError(f"norm={norm!r}: only 'inf' (every pixel by at most eps) is supported")
    network = as_network(net, numbers(image, "image").size)
    options = Options(semantics=semantics, timeout=timeout, threads=threads, seed=seed, progress=progress, certify=certify)
    return _robust(options, network, image, label, eps, clip, counterexamples)


def _robust(options: Options, network: Network, image: Any, label: int, eps: Any, clip: Any, found: list[Any] | None = None) -> Result:
    region = Box.around(image, eps, clip)
    if len(region) != network.input_size:
        raise ValueError(f"image: {len(region)} elements, the network takes {network.input_size}")
    target = _label(label, "label")
    if not 0 <= target < network.output_size:
        raise ValueError(f"label={target}: the network has {network.output_size} outputs, counted from 0")
    return decide(options, network, region.native, y.argmax() == target, found)


def _label(value: Any, what: str) -> int:
    """A class, also as an array or a tensor of one element."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise ValueError(f"{what}: expected the index of an output, not {value!r}")
    return number


@dataclass(frozen=True)
class Radius:
    """The largest certified radius of an image, up to the steps that were tried.

    Attributes:
        certified: proved robust at this radius.
        refuted: a counterexample exists at this radius; None if none was found up to the largest radius.
        counterexample: the counterexample at ``refuted``.
        queries: radii that were tried.
        undecided: radii at which neither could be shown.
    """

    certified: float
    refuted: float | None
    counterexample: Any
    queries: int
    undecided: list[float]


def largest_radius(
    net: Source,
    image: Any,
    label: int,
    *,
    most: float = 0.5,
    precision: float = 1e-3,
    clip: tuple[Any, Any] | None = (0, 1),
    timeout: float | None = 60.0,
    semantics: str = "auto",
    threads: int | None = None,
) -> Radius:
    """The largest radius at which robustness can be proved, by bisection.

    Args:
        net: as for :func:`verify`.
        image: the image.
        label: the right output.
        most: the largest radius to look at, in units of the input.
        precision: where to stop: at most so far between proved and not proved.
        clip: the least and the greatest value of a pixel.
        timeout: limit for one radius, in seconds; a radius that is not decided in time counts as not proved.
        semantics: as for :func:`verify`.
        threads: as for :func:`verify`.
    """
    if not (0 < precision <= most):
        raise ValueError(f"precision={precision}, most={most}: expected 0 < precision <= most")
    network = as_network(net, numbers(image, "image").size)
    options = Options(semantics=semantics, timeout=timeout, threads=threads, progress=False)
    alone = _robust(options, network, image, label, 0, clip)
    if not alone:
        # The image itself is not given the label, or that cannot be shown.
        example = next(iter(alone.counterexamples), None)
        return Radius(0.0, None if example is None else 0.0, example, 1, [0.0] if example is None else [])
    low, high, refuted, example, queries = Fraction(0), exact(most), None, None, 1
    undecided: list[float] = []
    step = high
    while True:
        # Every radius is a short binary fraction of `most`: exact, and the same for the same arguments.
        result = _robust(options, network, image, label, step, clip)
        queries += 1
        if result:
            low = step
        else:
            high = step
            if result.counterexamples:
                refuted, example = float(step), result.counterexamples[0]
            else:
                undecided.append(float(step))
        if low >= high or high - low <= exact(precision):
            return Radius(float(low), refuted, example, queries, undecided)
        step = (low + high) / 2


@dataclass(frozen=True)
class Row:
    """One image of :func:`certify_dataset`."""

    index: int
    label: int
    predicted: int
    verdict: str
    semantics: str | None
    margin: float | None
    seconds: float
    reason: str | None


class Table(Sequence[Row]):
    """The images of a data set with their verdicts.

    Attributes:
        eps: the radius.
        nominal: the share of images whose prediction is right.
        certified: the share of images whose prediction is right and proved robust.
    """

    def __init__(self, rows: Sequence[Row], eps: float) -> None:
        self.rows, self.eps = sorted(rows, key=lambda row: row.index), eps

    @property
    def nominal(self) -> float:
        """Nominal accuracy."""
        return sum(row.predicted == row.label for row in self.rows) / max(1, len(self.rows))

    @property
    def certified(self) -> float:
        """Certified accuracy."""
        return sum(row.verdict == "holds" for row in self.rows) / max(1, len(self.rows))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self.rows[index]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def to_pandas(self) -> Any:
        """A pandas data frame, one row per image; needs pandas."""
        import pandas

        return pandas.DataFrame([asdict(row) for row in self.rows])

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes one line per image."""
        import csv

        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(Row.__dataclass_fields__))
            writer.writeheader()
            writer.writerows(asdict(row) for row in self.rows)

    def __repr__(self) -> str:
        count = len(self.rows)
        fails = sum(row.verdict == "fails" for row in self.rows)
        unknown = sum(row.verdict == "unknown" for row in self.rows)
        return (
            f"{count} images at eps {self.eps:g}: nominal accuracy {self.nominal:.2%}, certified {self.certified:.2%}, "
            f"{fails} with counterexample, {unknown} undecided"
        )

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in Row.__dataclass_fields__)
        body = "".join("<tr>" + "".join(f"<td>{value}</td>" for value in asdict(row).values()) + "</tr>" for row in self.rows[:20])
        return f"<p>{self!r}</p><table><tr>{head}</tr>{body}</table>"


def certify_dataset(
    net: Source,
    images: Any,
    labels: Any,
    eps: Any,
    workers: int = 1,
    *,
    backend: str = "threads",
    clip: tuple[Any, Any] | None = (0, 1),
    timeout: float | None = 60.0,
    semantics: str = "auto",
    resume: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> Table:
    """Robustness of every image of a data set.

    Args:
        net: as for :func:`verify`; it is loaded once.
        images: an array or tensor, one image per row.
        labels: the right outputs.
        eps: the radius in units of the input.
        workers: images at a time, each with one thread.
        backend: ``"threads"``: in this process (the engine needs no interpreter lock); ``"ray"``: tasks of Ray, on the cluster that it
            is connected to or else on this machine (needs ``pip install ironbound[ray]``).
        clip: the least and the greatest value of a pixel.
        timeout: limit for one image, in seconds.
        semantics: as for :func:`verify`.
        resume: a file to which every verdict is appended as soon as it is there, and from which decided images are taken; it names
            network, eps and semantics, and is refused for others. Undecided images are tried again.
        progress: show a bar (needs tqdm); None shows it where somebody watches.

    Returns:
        A :class:`Table` with nominal and certified accuracy. Images that are classified wrongly have the verdict ``"fails"``.
    """
    if workers < 1:
        raise ValueError(f"workers={workers}: at least 1")
    if backend not in _BACKENDS:
        raise ValueError(f"backend={backend!r}: use {' or '.join(map(repr, _BACKENDS))}")
    count = len(labels)
    network = as_network(net, numbers(images, "images").size // max(1, count))
    flat = numbers(images, "images")
    if count == 0 or flat.size != count * network.input_size:
        raise ValueError(f"images: {flat.size} numbers are not {count} images of {network.input_size} elements")
    rows = flat.reshape(count, -1)
    targets = [_label(label, f"labels[{i}]") for i, label in enumerate(labels)]
    question = _Question(network, Options(semantics=semantics, timeout=timeout, threads=1, progress=False), eps, clip)
    predicted = np.argmax(network(rows), axis=1)
    journal = _Journal(resume, network, rows, targets, eps, clip, semantics)
    missing = [(i, rows[i], targets[i], int(predicted[i])) for i in range(count) if i not in journal.done]
    done = list(journal.done.values())
    for row in _watched(_BACKENDS[backend](question, missing, workers), len(missing), progress):
        journal.append(row)
        done.append(row)
    return Table(done, float(exact(eps)))


_Image = tuple[int, np.ndarray, int, int]
"""Index, pixels, label, predicted label."""


@dataclass(frozen=True)
class _Question:
    """What is asked about every image of a data set."""

    network: Network
    options: Options
    eps: Any
    clip: Any

    def row(self, image: _Image) -> Row:
        index, pixels, label, predicted = image
        result = _robust(self.options, self.network, pixels, label, self.eps, self.clip)
        seconds = round(result.seconds, 6)
        return Row(index, label, predicted, result.verdict, result.semantics, result.margin, seconds, result.reason)


def _by_threads(question: _Question, images: list[_Image], workers: int) -> Iterator[Row]:
    from concurrent.futures import ThreadPoolExecutor, as_completed

    with ThreadPoolExecutor(workers) as pool:
        try:
            for future in as_completed([pool.submit(question.row, image) for image in images]):
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _by_ray(question: _Question, images: list[_Image], workers: int) -> Iterator[Row]:
    try:
        import ray
    except ImportError as error:
        raise ValueError("backend='ray' needs Ray: pip install ironbound[ray], or leave backend out to use threads") from error
    if not ray.is_initialized():
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    task, shared = ray.remote(num_cpus=1)(_Question.row), ray.put(question)
    waiting = images[::-1]
    running: list[Any] = []
    while waiting or running:
        # No more at a time than workers: an interruption loses little, and a cluster is not flooded.
        while waiting and len(running) < workers:
            running.append(task.remote(shared, waiting.pop()))
        ready, running = ray.wait(running)
        yield ray.get(ready[0])


_BACKENDS: dict[str, Callable[[_Question, list[_Image], int], Iterator[Row]]] = {"threads": _by_threads, "ray": _by_ray}


def _watched(results: Iterator[Row], count: int, wish: bool | None) -> Iterator[Row]:
    import sys

    if wish or (wish is None and sys.stderr is not None and sys.stderr.isatty()):
        try:
            from tqdm.auto import tqdm
        except ImportError:
            return results
        return iter(tqdm(results, total=count, unit="image"))
    return results


class _Journal:
    """Verdicts on disk: a line that says what was asked, then a line per image."""

    def __init__(self, path: Any, network: Network, rows: np.ndarray, labels: list[int], eps: Any, clip: Any, semantics: str) -> None:
        self.path = None if path is None else os.fspath(path)
        self.done: dict[int, Row] = {}
        if self.path is None:
            return
        import hashlib
        import json

        digest = hashlib.sha256(rows.tobytes() + repr(labels).encode() + network.native.source)
        head = {"asked": digest.hexdigest(), "eps": str(exact(eps)), "clip": repr(clip), "semantics": semantics}
        if not os.path.exists(self.path):
            self._write("w", json.dumps(head))
            return
        with open(self.path) as file:
            first, *lines = file.read().splitlines() or [""]
        if first != json.dumps(head):
            raise ValueError(f"{self.path}: holds the verdicts of another network, data set, eps, clip or semantics; give another file")
        for line in lines:
            try:
                row = Row(**json.loads(line))
            except (ValueError, TypeError):
                continue  # The last line of an interrupted run may be cut short.
            if row.verdict != "unknown":
                self.done[row.index] = row

    def append(self, row: Row) -> None:
        if self.path is not None:
            import json

            self._write("a", json.dumps(asdict(row)))

    def _write(self, mode: str, line: str) -> None:
        assert self.path is not None
        with open(self.path, mode) as file:
            file.write(line + "\n")
