"""The extension module. Arrays cross as bytes of little-endian binary64 in C order."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, TypedDict, final

__all__ = [
    "IntegerNetwork",
    "InternalError",
    "Network",
    "Query",
    "Region",
    "UnsupportedError",
    "__version__",
    "check_certificate",
    "main",
    "node_ranges",
    "output_bounds",
    "verify",
]

__version__: str

class UnsupportedError(ValueError): ...
class InternalError(RuntimeError): ...

class _Wish(TypedDict):
    query: bytes
    start: tuple[bytes, bool] | None

_Inequality = tuple[Sequence[tuple[int, str]], str, bool]

@final
class Network:
    @staticmethod
    def read(path: str | PathLike[str]) -> Network: ...
    @staticmethod
    def parse(bytes: bytes, name: str | PathLike[str]) -> Network: ...
    @property
    def inputs(self) -> list[tuple[str, list[int]]]: ...
    @property
    def outputs(self) -> list[tuple[str, list[int]]]: ...
    @property
    def input_len(self) -> int: ...
    @property
    def output_len(self) -> int: ...
    @property
    def element(self) -> str: ...
    @property
    def nodes(self) -> list[tuple[str, str, list[int], list[int]]]: ...
    @property
    def source(self) -> bytes: ...
    def evaluate(self, points: bytes, double: bool = False) -> bytes: ...
    def without_softmax(self) -> Network | None: ...

@final
class IntegerNetwork:
    @staticmethod
    def read(path: str | PathLike[str]) -> IntegerNetwork: ...
    @staticmethod
    def parse(bytes: bytes, name: str | PathLike[str]) -> IntegerNetwork: ...
    @property
    def inputs(self) -> int: ...
    @property
    def outputs(self) -> int: ...
    @property
    def input_range(self) -> tuple[int, int]: ...
    @property
    def shape(self) -> str: ...
    @property
    def source(self) -> bytes: ...
    def evaluate(self, points: bytes) -> bytes: ...
    def decide(
        self, low: bytes, high: bytes, label: int, *, timeout: float | None = None, certify: bool = False
    ) -> dict[str, Any]: ...

@final
class Region:
    @staticmethod
    def of_ends(low: bytes | Sequence[str], high: bytes | Sequence[str]) -> Region: ...
    @staticmethod
    def around(centre: bytes, radius: str, clip: tuple[str, str] | None) -> Region: ...
    @property
    def low(self) -> bytes: ...
    @property
    def high(self) -> bytes: ...
    def ends(self) -> tuple[list[str], list[str]]: ...
    def __len__(self) -> int: ...

@final
class Query:
    @staticmethod
    def parse(text: bytes, name: str, strict: bool = False, allow_empty: bool = False) -> Query: ...
    @staticmethod
    def of_box(
        region: Region,
        cuts: Sequence[_Inequality],
        disjuncts: Sequence[Sequence[_Inequality]],
        outputs: int,
    ) -> Query: ...
    @property
    def inputs(self) -> int: ...
    @property
    def outputs(self) -> int: ...
    @property
    def cases(self) -> int: ...
    @property
    def disjuncts(self) -> int: ...
    def region(self, case: int) -> Region: ...
    def part(self, seed: int, near: Sequence[str] | None = None) -> Query: ...

def verify(
    network: Network,
    query: Query,
    *,
    semantics: str = "auto",
    timeout: float | None = None,
    threads: int | None = None,
    max_memory: int = ...,
    seed: int = 0,
    attack: bool = True,
    prove: bool = True,
    progress: Callable[[int, int, float, float | None], object] | None = None,
    certify: _Wish | None = None,
) -> dict[str, Any]: ...
def check_certificate(network: bytes, query: bytes, certificate: bytes, threads: int = 1) -> str: ...
def output_bounds(
    network: Network,
    low: bytes,
    high: bytes,
    rows: bytes,
    *,
    row_count: int,
    method: str = "crown",
    semantics: str = "both",
    steps: int = 20,
    linear: bool = False,
    threads: int | None = None,
) -> list[bytes]: ...
def node_ranges(
    network: Network,
    low: bytes,
    high: bytes,
    *,
    method: str = "crown",
    semantics: str = "both",
    steps: int = 20,
    threads: int | None = None,
) -> list[tuple[str, bytes, bytes]]: ...
def main(arguments: Sequence[str], again: Sequence[str]) -> int: ...
