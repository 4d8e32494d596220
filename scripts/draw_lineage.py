#!/usr/bin/env python3
"""Draw how rows flow through sql/, from tables to lists: docs/lineage.md and docs/lineage.svg."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.console import EXIT_FAILURE, console, run
from app.lineage import read_lineage
from app.lineage.drawing import fingerprint, mermaid, svg
from app.lineage.flow import Flow, read_flow
from app.schema import SQL_DIR

DOCS_DIR = Path(__file__).resolve().parents[1] / "docs"
PAGE = "lineage.md"
PICTURE = "lineage.svg"


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="It reads only the files; no database is needed."
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=DOCS_DIR,
        metavar="DIR",
        help="the folder to write to (default: docs/ of the project)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit with 1 if what is there is not current",
    )
    return parser.parse_args()


async def main() -> int:
    """Run the command."""
    arguments = parse_arguments()
    flow = read_flow(read_lineage(SQL_DIR))
    if arguments.check:
        stale = stale_files(flow, arguments.output)
        for name in stale:
            console.print(f"{name} is not current: make docs", markup=False)
        return EXIT_FAILURE if stale else 0
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, text in ((PAGE, page(flow)), (PICTURE, svg(flow))):
        (arguments.output / name).write_text(text, encoding="utf-8", newline="\n")
        console.print(f"wrote {name}", markup=False)
    return 0


def stale_files(flow: Flow, directory: Path) -> list[str]:
    """Return the files that do not show this flow; where igraph puts a box does not matter."""
    stale = []
    for name, wanted in ((PAGE, page(flow)), (PICTURE, f"<desc>{fingerprint(flow)}</desc>")):
        path = directory / name
        if not path.exists() or wanted not in path.read_text(encoding="utf-8"):
            stale.append(name)
    return stale


def page(flow: Flow) -> str:
    """Write the page with the picture and the same flow as Mermaid text."""
    returns = "".join(
        f"- `{source}` writes `{target}`, which an earlier stage or itself reads.\n"
        for source, target in flow.returns
    )
    back = f"\nNot drawn, because they lead back:\n\n{returns}" if returns else ""
    return f"""\
# Lineage: from tables to lists

Written by `make docs` out of the files of `sql/`.

![Lineage](lineage.svg)

An arrow leads from what is read to what reads it, or from a function to the table it writes. A
function that only serves others is part of those that call it; an arrow that a longer way already
stands for is left out, and so are settings. Views are read by sqlglot, function bodies by the
qualified names in them. `app.training` is the one step outside SQL: Python fits the weights.
{back}
```mermaid
{mermaid(flow)}```
"""


if __name__ == "__main__":
    run(main())
