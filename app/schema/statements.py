"""SQL files as psql reads them: cut into statements, each knowing the line it starts on."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.console import UserError, describe_database_error

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

_TOKEN = re.compile(
    r"""
      (?P<space>      \s+ )
    | (?P<comment>    --[^\n]* )
    | (?P<block>      /\* )
    | (?P<dollar>     \$(?:[^\W\d][\w]*)?\$ )
    | (?P<text>       [eE]'(?:[^'\\]|''|\\.)*' | '(?:[^']|'')*' | "(?:[^"]|"")*" )
    | (?P<word>       [^\W\d][\w$]* )
    | (?P<number>     \d[\w.]* )
    | (?P<symbol>     . )
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK_COMMENT_EDGE = re.compile(r"/\*|\*/")
_TRANSACTION_CONTROL = {"abort", "begin", "commit", "end", "release", "rollback", "savepoint"}


@dataclass(frozen=True)
class Statement:
    """One statement: its text as written, and `plain`, without comments and spare blanks."""

    text: str
    plain: str
    line: int

    def line_of(self, position: str | None) -> int:
        """Return the file's line for the server's 1-based position within this statement."""
        if position is None:
            return self.line
        return self.line + self.text.count("\n", 0, int(position) - 1)


@dataclass(frozen=True)
class SqlFile:
    """A file of SQL; `name` is its path as a person names it, such as sql/feature/history.sql."""

    name: str
    text: str
    statements: tuple[Statement, ...] = field(repr=False)

    @property
    def checksum(self) -> str:
        """Return the SHA-256 of the text, the same for both kinds of line ends."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_sql_file(path: Path, name: str) -> SqlFile:
    """Read and cut a file; what could not run inside the migrator's transaction is refused."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{name} does not exist: restore it, or take it off the list") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is not UTF-8 (byte {error.start}): save it as UTF-8") from None
    statements = split_statements(text, name)
    for statement in statements:
        first = statement.plain.partition(" ")[0].rstrip(";").lower()
        if first in _TRANSACTION_CONTROL or statement.plain.lower().startswith("start tr"):
            raise UserError(
                f"{name}, line {statement.line}: {first.upper()} is not allowed here, the file "
                "runs inside one transaction that the migrator begins and ends"
            )
        if first.startswith("\\"):
            raise UserError(
                f"{name}, line {statement.line}: psql commands such as {first} are not allowed here"
            )
    return SqlFile(name, text, statements)


def split_statements(source: str, name: str) -> tuple[Statement, ...]:
    """Cut at the semicolons that end a statement, by psql's own rules.

    Not at those inside quotes, comments, parentheses or a routine's BEGIN ATOMIC … END.
    """
    statements: list[Statement] = []
    plain: list[str] = []
    words: list[str] = []
    start: int | None = None
    parentheses = blocks = position = 0

    def finish(end: int) -> None:
        nonlocal start
        if start is not None:
            text = source[start:end]
            line = source.count("\n", 0, start) + 1
            statements.append(Statement(text, "".join(plain).strip(), line))
        plain.clear()
        words.clear()
        start = None

    while position < len(source):
        kind, end = _next_token(source, position, name)
        token = source[position:end]
        if kind == "blank":
            if plain and plain[-1] != " ":
                plain.append(" ")
        else:
            start = position if start is None else start
            plain.append(token)
        if kind == "word":
            words.append(token.lower())
            if parentheses == 0 and _is_routine(words):
                blocks += _block_step(token.lower(), blocks)
        elif token == "(":
            parentheses += 1
        elif token == ")":
            parentheses = max(parentheses - 1, 0)
        elif token == ";" and kind == "symbol" and parentheses == 0 and blocks == 0:
            finish(end)
        position = end
    finish(len(source))
    return tuple(statements)


def statement_error(error: asyncpg.PostgresError, file: SqlFile, statement: Statement) -> UserError:
    """Say file, line and the server's message."""
    line = statement.line_of(getattr(error, "position", None))
    return UserError(f"{file.name}, line {line}: {describe_database_error(error)}")


def _next_token(source: str, position: int, name: str) -> tuple[str, int]:
    match = _TOKEN.match(source, position)
    assert match is not None  # the last alternative takes any character
    kind, end = str(match.lastgroup), match.end()
    if kind in {"space", "comment"}:
        return "blank", end
    if kind == "block":
        return "blank", _end_of_block_comment(source, position, name)
    if kind == "dollar":
        closing = source.find(match.group(), end)
        if closing < 0:
            raise _unterminated(source, position, name)
        return "text", closing + len(match.group())
    if kind == "symbol" and match.group() in "'\"":
        raise _unterminated(source, position, name)
    return kind, end


def _end_of_block_comment(source: str, position: int, name: str) -> int:
    depth = 0
    for edge in _BLOCK_COMMENT_EDGE.finditer(source, position):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    raise _unterminated(source, position, name)


def _unterminated(source: str, position: int, name: str) -> UserError:
    line = source.count("\n", 0, position) + 1
    return UserError(f"{name}, line {line}: the quote or comment that begins here never ends")


def _is_routine(words: list[str]) -> bool:
    kinds = ("function", "procedure")
    return words[0] == "create" and (
        words[1:2] in ([kind] for kind in kinds)
        or words[1:4] in (["or", "replace", kind] for kind in kinds)
    )


def _block_step(word: str, blocks: int) -> int:
    if word == "begin" or (word == "case" and blocks > 0):
        return 1
    return -1 if word == "end" and blocks > 0 else 0
