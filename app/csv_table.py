"""A CSV file with the rows of one table, plain or gzipped: read in pieces, checked, searched."""

from __future__ import annotations

import gzip
import re
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.console import UserError

if TYPE_CHECKING:
    import io
    from collections.abc import AsyncGenerator, Iterator
    from pathlib import Path

NULL = r"\N"
PIECE_BYTES = 256 * 1024
LONGEST_LINE_BYTES = 64 * 1024 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
END_OF_DATA = re.compile(rb"^\\\.\r?$", re.MULTILINE)
QUOTED = re.compile('"((?:[^"]|"")*)"?')
SHOWN_CHARACTERS = 60
KEPT_LINES = 1000


def shorten(text: str) -> str:
    """Make text from a file fit for one line on a terminal."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[: SHOWN_CHARACTERS + 1])
    return shown if len(text) <= SHOWN_CHARACTERS else shown[:SHOWN_CHARACTERS] + "…"


def split_record(text: str) -> list[str]:
    """Split one record as COPY does: a quote anywhere in a value opens or closes quoting."""
    values: list[str] = []
    pieces: list[str] = []
    quotes = 0
    for piece in text.rstrip("\r\n").split(","):
        pieces.append(piece)
        quotes += piece.count('"')
        if quotes % 2 == 0:
            values.append(_unquote(",".join(pieces)))
            pieces = []
    if pieces:
        values.append(_unquote(",".join(pieces)))
    return values


def _unquote(value: str) -> str:
    return QUOTED.sub(lambda match: match[1].replace('""', '"'), value)


@dataclass(frozen=True)
class Record:
    """One record and where it is: a quoted line end makes it longer than a line."""

    line: int
    reported_line: int
    """The number PostgreSQL gives this record when it refuses it."""
    is_closed: bool
    """Whether every quote that opens in it closes."""
    text: str
    """What is written, cut inside a value when that goes on for very many lines."""


class CsvTable:
    """The file of one table; opening it reads the header and nothing else."""

    def __init__(self, path: Path, table: str) -> None:
        self.path = path
        self.table = table
        self.columns = self._read_header()

    @property
    def name(self) -> str:
        """The file's name, as errors call it."""
        return self.path.name

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the whole file, header included, in pieces that end at line ends."""
        for piece in self._pieces():
            yield piece

    def records(self) -> Iterator[Record]:
        """Yield every record after the header with its place in the file."""
        with self._reading(), self._open() as stream:
            header = stream.readline(LONGEST_LINE_BYTES)
            line_end = b"\r" if header.endswith(b"\r\n") else b"\n"
            reported = 1
            line = first_line = 2
            held: list[bytes] = []
            is_quoted = False
            while raw := stream.readline(LONGEST_LINE_BYTES):
                if len(held) < KEPT_LINES:
                    held.append(raw)
                is_quoted ^= raw.count(b'"') % 2 == 1
                line += 1
                reported += raw.count(line_end) + (not raw.endswith(b"\n"))
                if not is_quoted:
                    yield Record(first_line, reported, True, _text(held))
                    held = []
                    first_line = line
            if held:
                yield Record(first_line, reported + 1, False, _text(held))

    def _read_header(self) -> tuple[str, ...]:
        first_piece = next(self._pieces(), b"")
        header = first_piece.split(b"\n", 1)[0].decode()
        if not header.strip():
            raise UserError(f"{self.name} has no header: its first line must name the columns")
        if header.count('"') % 2 or "\r" in header.removesuffix("\r"):
            raise UserError(
                f"{self.name}: the header must be one line that ends with LF or CRLF,"
                " column names separated by commas"
            )
        return tuple(split_record(header))

    def _pieces(self) -> Iterator[bytes]:
        line = 1
        is_quoted = False
        with self._reading(), self._open() as stream:
            while piece := stream.read(PIECE_BYTES):
                tail = b"" if piece.endswith(b"\n") else stream.readline(LONGEST_LINE_BYTES)
                if len(tail) == LONGEST_LINE_BYTES:
                    raise UserError(
                        f"{self.name}, line {line + piece.count(10)}: the line is longer than"
                        f" {LONGEST_LINE_BYTES >> 20} MiB"
                    )
                piece += tail
                self._check(piece, line, is_quoted=is_quoted)
                line += piece.count(b"\n")
                is_quoted ^= piece.count(b'"') % 2 == 1
                yield piece

    def _check(self, piece: bytes, line: int, *, is_quoted: bool) -> None:
        if (position := piece.find(0)) >= 0:
            place = line + piece.count(b"\n", 0, position)
            raise UserError(
                f"{self.name}, line {place}: there is a NUL byte, which PostgreSQL cannot store"
            )
        try:
            piece.decode()
        except UnicodeDecodeError as error:
            place = line + piece.count(b"\n", 0, error.start)
            raise UserError(
                f"{self.name}, line {place}: the byte 0x{piece[error.start]:02x} is not UTF-8;"
                " save the file as UTF-8"
            ) from None
        # Before PostgreSQL 18 such a line ends the data, and the rest is dropped without a word.
        for match in END_OF_DATA.finditer(piece):
            if (is_quoted + piece.count(b'"', 0, match.start())) % 2 == 0:
                place = line + piece.count(b"\n", 0, match.start())
                raise UserError(
                    rf"{self.name}, line {place}: a line with nothing but \. ends the data of"
                    " a COPY; remove it, or quote it if it is a value"
                )

    @contextmanager
    def _open(self) -> Iterator[gzip.GzipFile | io.BufferedReader]:
        is_packed = self.path.suffix == ".gz"
        with gzip.open(self.path, "rb") if is_packed else self.path.open("rb") as stream:
            if stream.peek(3).startswith(BYTE_ORDER_MARK):
                stream.read(3)
            yield stream

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UserError(f"{self.name} is not a whole gzip file: {error}") from error
        except OSError as error:
            raise UserError(f"{self.path} cannot be read: {error.strerror or error}") from error


def _text(lines: list[bytes]) -> str:
    return b"".join(lines).decode(errors="replace")
