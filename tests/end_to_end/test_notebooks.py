"""The notebooks run, and what is committed is their executed twin."""

from __future__ import annotations

from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
SCRIPTS = sorted(FOLDER.glob("[0-9]*.py"))
LONG = "LEADS = 8_000"
SHORT = {"02_retrain": "LEADS = 3_000", "03_compare_and_propose": "LEADS = 4_500"}
SAID = {
    "02_retrain": ["0 of them block", "Asking the gate", "registered as version 1", "report.html"],
    "03_compare_and_propose": [
        "log loss, challenger - champion:",
        "new leads",
        "registered as version 2",
    ],
}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_committed_notebook_is_its_script_executed_to_the_end(script):
    written = jupytext.read(script)
    executed = nbformat.read(script.with_suffix(".ipynb"), as_version=4)

    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert [cell.source for cell in executed.cells] == [cell.source for cell in written.cells]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert [out for cell in code for out in cell.outputs if out.output_type == "error"] == []
    assert script.with_suffix(".ipynb").stat().st_size < 200_000


# The kernel's own transport warns where no certificate is set up for a connection to itself.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_start_to_end_on_a_short_history(script, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    text = script.read_text("utf-8")
    assert LONG in text
    notebook = jupytext.reads(text.replace(LONG, SHORT[script.stem]), fmt="py:percent")

    NotebookClient(notebook, timeout=500, resources={"metadata": {"path": str(tmp_path)}}).execute()

    said = "".join(
        out.text
        for cell in notebook.cells
        for out in cell.get("outputs", [])
        if out.output_type == "stream" and out.name == "stdout"
    )
    assert [words for words in SAID[script.stem] if words not in said] == []
