"""What can go wrong around a data directory, in sentences a person can act on."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.console import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
NO_SPACE_MESSAGES = (*map(os.strerror, NO_SPACE), "Check free disk space")
"""The last is the hint where PostgreSQL could write only a part."""
NO_ACCESS = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def plain_errors(data_dir: Path) -> Iterator[None]:
    """Turn the operating system's refusals into a UserError about the data directory."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise disk_full(data_dir) from None
        if error.errno in NO_ACCESS:
            raise UserError(
                f"the data directory {data_dir} is not writable for this user"
                f" ({error.strerror}: {error.filename or 'its server process'}): run as the user"
                " it belongs to, mend its permissions, or set DATABASE_URL"
            ) from None
        raise UserError(f"the embedded server in {data_dir} failed: {error}") from None


def server_failure(data_dir: Path, what: str, messages: str) -> UserError:
    """Say what failed with the last of its messages, or that the disk is full if they do."""
    if any(sign in messages for sign in NO_SPACE_MESSAGES):
        return disk_full(data_dir)
    return UserError(f"{what}: {last_lines(messages)}")


def disk_full(data_dir: Path) -> UserError:
    """Say which disk is full."""
    return UserError(f"the disk that holds {data_dir} is full: free some space and try again")


def last_lines(messages: str, count: int = 5) -> str:
    """Join the last lines into one."""
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    return " / ".join(lines[-count:]) or "(no message)"
