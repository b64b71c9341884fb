"""Ironbound proves properties of neural networks, or finds an input that breaks them.

    >>> import ironbound
    >>> result = ironbound.verify("network.onnx", [(0, 1), (0, 1)], [[0, 0.5]])  # doctest: +SKIP
    >>> bool(result), result.verdict  # doctest: +SKIP
    (True, 'holds')

A verdict ``holds`` is a proof with every rounding error accounted for; ``fails`` comes with an input that breaks the property.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._native import InternalError, UnsupportedError, __version__
from .bounding import LinearBounds, bounds, layer_bounds
from .certificates import Certificate, check_certificate
from .network import Network
from .progress import Progress
from .properties import Property, inputs, outputs, x, y
from .query import Query, read_vnnlib, to_vnnlib
from .robustness import Radius, Row, Table, certify_dataset, largest_radius, robustness
from .specs import Box
from .verification import Counterexample, Result, verify

__all__ = [
    "Box",
    "Certificate",
    "Counterexample",
    "InternalError",
    "LinearBounds",
    "Network",
    "Progress",
    "Property",
    "Query",
    "Radius",
    "Result",
    "Row",
    "Table",
    "UnsupportedError",
    "__version__",
    "bounds",
    "certify_dataset",
    "check_certificate",
    "inputs",
    "largest_radius",
    "layer_bounds",
    "outputs",
    "read_vnnlib",
    "robustness",
    "to_vnnlib",
    "verify",
    "x",
    "y",
]

if TYPE_CHECKING:
    from . import compat, pictures, quantized
else:

    def __getattr__(name: str) -> object:
        """Submodules that are imported when they are first used: ``ironbound.quantized``, ``ironbound.pictures``, ``ironbound.compat``."""
        if name not in ("compat", "pictures", "quantized"):
            raise AttributeError(f"module 'ironbound' has no attribute '{name}'")
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
