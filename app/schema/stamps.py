"""The generated files that let plain psql leave the same records as the migrator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.schema.logic import STAMP_FILE, read_logic, stamp_sql
from app.schema.migrations import APPLIED_FILE, CREATE_LEDGER, INSTALL_FILE, read_migrations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.schema.statements import SqlFile


def stamps(migrations_dir: Path, sql_dir: Path) -> dict[Path, str]:
    """Return what each generated file should contain."""
    files = read_migrations(migrations_dir)
    return {
        migrations_dir / INSTALL_FILE: _install_sql(files),
        migrations_dir / APPLIED_FILE: _applied_sql(files),
        sql_dir / STAMP_FILE: stamp_sql(read_logic(sql_dir)),
    }


def stale_stamps(migrations_dir: Path, sql_dir: Path) -> list[Path]:
    """Return the generated files that do not contain what they should."""
    return [
        path
        for path, text in stamps(migrations_dir, sql_dir).items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def write_stamps(migrations_dir: Path, sql_dir: Path) -> list[Path]:
    """Write the generated files that are not current; return them."""
    wanted = stamps(migrations_dir, sql_dir)
    stale = stale_stamps(migrations_dir, sql_dir)
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8", newline="\n")
    return stale


def _install_sql(files: Sequence[SqlFile]) -> str:
    names = [file.name.rpartition("/")[2] for file in files]
    return "".join(f"\\ir {name}\n" for name in [*names, APPLIED_FILE])


def _applied_sql(files: Sequence[SqlFile]) -> str:
    rows = ",\n".join(
        f"(\n    '{file.name.rpartition('/')[2]}',\n    '{file.checksum}'\n)" for file in files
    )
    return f"""\
-- Written by scripts/migrate.py --write-stamps: what an installation by psql has applied.

{CREATE_LEDGER}
INSERT INTO public.eventrank_migrations (name, checksum)
VALUES
{rows}
ON CONFLICT (name) DO NOTHING;
"""  # noqa: S608 (text for a file of ours, out of names and hashes that were checked)
