#!/usr/bin/env bash
# Builds the wheel, installs it into a virtual environment of its own and tests it there, never the source tree.
#   VENV, WHEELS: where to put things; PYTHON: the interpreter; WITHOUT_TORCH=1 leaves PyTorch out (loudly).
set -euo pipefail
cd "$(dirname "$0")"
VENV=$(realpath -m "${VENV:-../.venv-python}")
WHEELS=$(realpath -m "${WHEELS:-../target/wheels}")
pip() { "$VENV/bin/python" -m pip --disable-pip-version-check "$@"; }

[ -x "$VENV/bin/python" ] || "${PYTHON:-python3}" -m venv "$VENV"
pip install --quiet --requirement tests/requirements.txt

without_torch() {
    echo "########################################################################################" >&2
    echo "# PyTorch $1: modules, the auto_LiRPA door and the notebooks are NOT TESTED." >&2
    echo "########################################################################################" >&2
}
if [ -n "${WITHOUT_TORCH:-}" ]; then
    without_torch "was left out on request"
elif ! "$VENV/bin/python" -c 'import torch, nbclient, ipykernel' 2>/dev/null && ! timeout 900 "$VENV/bin/python" -m pip install --quiet --no-cache-dir --requirement tests/requirements-torch.txt; then
    without_torch "cannot be installed here"
fi

if ! "$VENV/bin/python" -c 'import ray' 2>/dev/null && ! timeout 300 "$VENV/bin/python" -m pip install --quiet --requirement tests/requirements-ray.txt; then
    echo "########################################################################################" >&2
    echo "# Ray cannot be installed here: certify_dataset(backend='ray') is NOT TESTED." >&2
    echo "########################################################################################" >&2
fi

rm -rf "$WHEELS"
"$VENV/bin/maturin" build --release --quiet --out "$WHEELS"
pip install --quiet --force-reinstall --no-deps "$WHEELS"/*.whl

NO_MKDOCS_2_WARNING=1 "$VENV/bin/mkdocs" build --strict --quiet

# PyTorch's threads would fight with the engine's for the same cores.
export OMP_NUM_THREADS=1
# From a folder without the sources, so that `import ironbound` can only find the wheel.
cd tests
"$VENV/bin/python" -m mypy --config-file ../pyproject.toml --package ironbound
"$VENV/bin/python" -m mypy.stubtest ironbound._native --mypy-config-file ../pyproject.toml
"$VENV/bin/python" -m pytest --quiet -rs .
