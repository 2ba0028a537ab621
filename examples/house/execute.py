"""Runs notebooks from start to end, each in a kernel of its own, and prints what their cells print as it comes.

    python examples/house/execute.py [--without TAG]… NOTEBOOK…

The kernel's folder is the current one. The first cell that fails ends it, with the cell and its error; cells tagged TAG are passed over.
Runs in .cache/house-venv (scripts/demo-house.sh). The notebooks themselves stay as they are.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets import default

CELL_SECONDS = 900
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
"""What a cell's programs print comes as its output; the kernel would repeat it here."""
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class OwnKernel(AsyncKernelManager):
    """Reached by sockets that only this user may use."""

    @default("transport")
    def _sockets(self) -> str:
        return "ipc"


class Printing(NotebookClient):
    """Headings as they are reached, outputs as they come."""

    async def async_execute_cell(self, cell: Any, cell_index: int, **more: Any) -> Any:  # noqa: ANN401 - nbclient's own
        """One cell."""
        if cell.cell_type == "markdown":
            print("".join(f"\n-- {line.lstrip('# ')}\n" for line in cell.source.splitlines() if line.startswith("#")), end="", flush=True)
        return await super().async_execute_cell(cell, cell_index, **more)

    def output(self, outs: Any, message: Any, display_id: str, cell_index: int) -> Any:  # noqa: ANN401 - nbclient's own
        """What a cell said."""
        content = message["content"]
        text = content.get("text") or content.get("data", {}).get("text/plain", "")
        print(COLOUR.sub("", text), end="" if text.endswith("\n") or not text else "\n", flush=True)
        return super().output(outs, message, display_id, cell_index)


def execute(path: Path, without: set[str]) -> None:
    """One notebook. SystemExit with what failed."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if not without & set(cell.metadata.get("tags", []))]
    place = {"metadata": {"path": str(Path.cwd())}}
    try:
        Printing(notebook, timeout=CELL_SECONDS, kernel_manager_class=OwnKernel, resources=place).execute(**QUIET)
    except CellExecutionError as error:
        sys.exit(f"{path.name}: error: {COLOUR.sub('', str(error))}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK")
    parser.add_argument("--without", action="append", default=[], metavar="TAG")
    given = parser.parse_args()
    for path in given.notebooks:
        print(f"\n== {path.name}", flush=True)
        execute(path, set(given.without))


if __name__ == "__main__":
    main()
