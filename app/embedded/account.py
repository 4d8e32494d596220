"""Whom the server's programs run as: PostgreSQL refuses to be root."""

from __future__ import annotations

import os
import pwd
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.console import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAMESPACE = ("unshare", "-U")
"""In a user namespace of its own root is nobody, and yet keeps its access to its own files."""


@dataclass(frozen=True)
class Account:
    """A command prefix, or another user; neither for oneself."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    def process_options(self) -> dict[str, Any]:
        """Give the arguments of subprocess.run that make a program run as this account."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def adopt(self, path: Path) -> None:
        """Give a file that root made to the account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def adopt_tree(self, directory: Path) -> None:
        """Give a whole directory to the account, unless it is the account's already."""
        if self.uid is not None and directory.stat().st_uid != self.uid:
            for path in (directory, *directory.rglob("*")):
                self.adopt(path)


def choose_account(data_dir: Path, postgres: Path) -> Account:
    """Choose oneself; for root the owner of the data, then a user namespace, then nobody."""
    if os.geteuid() != 0:
        return Account()
    owner = data_dir.stat() if data_dir.exists() else None
    if owner and owner.st_uid != 0:
        return Account(uid=owner.st_uid, gid=owner.st_gid)
    # No directory has to be opened to anybody this way; but containers often forbid it.
    if _succeeds((*NAMESPACE, postgres, "--version")):
        return Account(prefix=NAMESPACE)
    nobody = pwd.getpwnam("nobody")
    account = Account(uid=nobody.pw_uid, gid=nobody.pw_gid)
    for path in (postgres, data_dir.parent):
        if not _succeeds(("test", "-x", path), **account.process_options()):
            raise UserError(
                f"PostgreSQL does not run as root: '{' '.join(NAMESPACE)}' does not work here, and"
                f" the user nobody cannot reach {path}: run as a normal user, or set DATABASE_URL"
            )
    return account


def _succeeds(command: Sequence[str | Path], **options: Any) -> bool:
    with suppress(OSError):
        finished = subprocess.run(
            command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, check=False, **options
        )
        return finished.returncode == 0
    return False
