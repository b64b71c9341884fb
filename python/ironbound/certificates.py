"""Certificates: proofs that an independent checker accepts, with the files that they are about."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from . import _native


@dataclass(frozen=True)
class Certificate:
    """A proof in bytes. The checker reads nothing but these three files and derives every bound again; it has accepted them.

    Attributes:
        network: the ONNX file; for a PyTorch module what it was written down as.
        query: the VNN-LIB text; for a property in Python its negation as VNN-LIB 1.0.
        proof: the certificate (docs/certificate.md).
        shown: what the checker says of it.
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
        """Writes ``network.onnx``, ``query.vnnlib`` and ``proof.cert``."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        for name, content in (("network.onnx", self.network), ("query.vnnlib", self.query), ("proof.cert", self.proof)):
            (target / name).write_bytes(content)

    def __repr__(self) -> str:
        return f"Certificate({self.shown}, {len(self.proof)} bytes)"


def check_certificate(network: bytes, query: bytes, proof: bytes, threads: int = 1) -> str:
    """Judges a certificate with the independent checker.

    Args:
        network: the bytes of the ONNX file.
        query: the bytes of the VNN-LIB file.
        proof: the bytes of the certificate.
        threads: worker threads.

    Returns:
        What the certificate shows, in words.

    Raises:
        ValueError: it is rejected; the message says where and why.
        UnsupportedError: the checker has no rule for something in these files.
    """
    judgement, words = _native.check_certificate(network, query, proof, threads)
    if judgement == "accepted":
        return words
    if judgement == "rejected":
        raise ValueError(f"the certificate is rejected: {words}")
    raise _native.UnsupportedError(f"not certified: {words}")
