"""The notebooks of `examples/` run from top to bottom; they check themselves by assertions."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="SKIPPED LOUDLY: torch is not installed, so the notebooks were not run")
nbformat = pytest.importorskip("nbformat", reason="SKIPPED LOUDLY: nbformat is not installed, so the notebooks were not run")
nbclient = pytest.importorskip("nbclient", reason="SKIPPED LOUDLY: nbclient is not installed, so the notebooks were not run")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs(path):
    notebook = nbformat.read(path, as_version=4)
    assert any("assert" in cell.source for cell in notebook.cells)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": EXAMPLES}}).execute()
    printed = [output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("holds" in text or "worst margin" in text for text in printed)
