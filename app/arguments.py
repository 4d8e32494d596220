"""Types of command-line arguments: a wrong value is named, with what would be right (exit 2)."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Take a whole number from `least` to `most`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise ArgumentTypeError(f"{text!r} is not a whole number from {least:,} to {most:,}")
        return value

    return parse


def number(least: float, most: float, *, above: bool = False) -> Callable[[str], float]:
    """Take a number from `least` (with `above`: greater than it) to `most`; never NaN."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most or (above and value == least):
            start = "above" if above else "from"
            raise ArgumentTypeError(f"{text!r} is not a number {start} {least:g} to {most:g}")
        return value

    return parse


def moment(text: str) -> datetime:
    """Take a timestamp; without a zone it is UTC."""
    try:
        value = datetime.fromisoformat(text)
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ArgumentTypeError(
            f"{text!r} is not a timestamp such as 2017-05-08T00:00:00+00:00"
        ) from error


def file_to_write(text: str) -> Path:
    """Take the name of a file, new or not, in a folder that exists."""
    path = Path(text)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise ArgumentTypeError(f"{text!r} is not a file in a folder that exists")
    return path
