"""Certificates: proofs that an independent checker accepts, with the files that they are about."""

from __future__ import annotations

import os
from dataclasses import dataclass

from . import _native


@dataclass(frozen=True)
class Certificate:
    """A proof or a counterexample in bytes, which the independent checker has accepted.

    The checker reads nothing but these three files and derives every bound again.

    Attributes:
        network: the file of the network; for a PyTorch module what it was written down as.
        query: the VNN-LIB text; for a property in Python its negation as VNN-LIB 1.0. For an integer network its JSON query.
        proof: the certificate (docs/certificate.md).
        shown: what the checker says of it, in words: ``holds``, ``fails``, or which part of the input set holds.
    """

    network: bytes
    query: bytes
    proof: bytes
    shown: str

    def check(self, threads: int = 1) -> str:
        """Has the checker judge the certificate once more.

        Returns:
            What it shows, in words.

        Raises:
            ValueError: it is rejected; the message says where and why.
        """
        return check_certificate(self.network, self.query, self.proof, threads)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes ``proof.cert`` beside ``network`` and ``query`` in their own formats: the three arguments of ``ironbound check``."""
        os.makedirs(folder, exist_ok=True)
        for name, content in (("network" + _ending(self.network), self.network), ("query" + _ending(self.query, ".vnnlib"), self.query)):
            _write(folder, name, content)
        _write(folder, "proof.cert", self.proof)

    @staticmethod
    def load(folder: str | os.PathLike[str], threads: int = 1) -> Certificate:
        """Reads what :meth:`save` wrote, and has the checker judge it.

        Raises:
            FileNotFoundError: the folder does not hold the three files.
            ValueError: the certificate is rejected.
        """
        network, query, proof = (_read(folder, name) for name in ("network", "query", "proof"))
        return Certificate(network, query, proof, check_certificate(network, query, proof, threads))

    def __repr__(self) -> str:
        return f"Certificate({self.shown}, {len(self.proof)} bytes)"


_ENDINGS = {b"{": ".json", b"\x89HDF": ".h5", b"PK": ".npz"}
"""What the formats of integer networks begin with."""


def _ending(content: bytes, other: str = ".onnx") -> str:
    return next((ending for start, ending in _ENDINGS.items() if content.startswith(start)), other)


def _write(folder: str | os.PathLike[str], name: str, content: bytes) -> None:
    with open(os.path.join(folder, name), "wb") as file:
        file.write(content)


def _read(folder: str | os.PathLike[str], stem: str) -> bytes:
    for name in sorted(os.listdir(folder)):
        if name.partition(".")[0] == stem:
            with open(os.path.join(folder, name), "rb") as file:
                return file.read()
    raise FileNotFoundError(f"{os.fspath(folder)}: no file '{stem}.*' there; give a folder that Certificate.save() wrote")


def check_certificate(network: bytes, query: bytes, proof: bytes, threads: int = 1) -> str:
    """Judges a certificate with the independent checker.

    Args:
        network: the bytes of the ONNX file, or of the file of an integer network.
        query: the bytes of the VNN-LIB file, or of the JSON query about an integer network.
        proof: the bytes of the certificate.
        threads: worker threads.

    Returns:
        What the certificate shows, in words.

    Raises:
        ValueError: it is rejected; the message says where and why.
        UnsupportedError: the checker has no rule for something in these files.
    """
    for name, content in (("network", network), ("query", query), ("proof", proof)):
        if not isinstance(content, bytes):
            raise ValueError(f"{name}: expected the bytes of a file, not {type(content).__name__}; Certificate.load(folder) reads saved ones")
    return _native.check_certificate(network, query, proof, threads)
