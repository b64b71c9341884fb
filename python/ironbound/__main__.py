"""``python -m ironbound`` and ``ironbound``: the command line."""

from __future__ import annotations

import sys

from . import _native


def main() -> int:
    """Carries out ``sys.argv`` and returns the exit code: 0 holds, 1 fails, 2 unknown, 3 error."""
    return _native.main(["ironbound", *sys.argv[1:]], [sys.executable, "-m", "ironbound"])


if __name__ == "__main__":
    sys.exit(main())
