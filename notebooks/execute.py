"""Execute the notebooks and write their twins with outputs: python notebooks/execute.py."""

from __future__ import annotations

from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent


def execute(script: Path) -> None:
    """Run a script's cells from the top; messages of libraries are left out of the twin."""
    notebook = jupytext.read(script)
    where = {"metadata": {"path": str(FOLDER)}}
    NotebookClient(notebook, timeout=1800, resources=where).execute()
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, script.with_suffix(".ipynb"))


if __name__ == "__main__":
    for found in sorted(FOLDER.glob("[0-9]*.py")):
        execute(found)
