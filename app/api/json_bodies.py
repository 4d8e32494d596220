"""Whether PostgreSQL's jsonb can hold a body, and where it is what jsonb cannot."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from typing import NoReturn

from app.api.parameters import SHOWN_CHARACTERS
from app.api.problems import Problem

MAX_LEVELS = 1000
"""Objects and arrays within each other; PostgreSQL gives up at some thousands."""

MAX_DECIMALS = 16_383
"""Digits after the point that jsonb's numbers have room for."""

DOUBTFUL_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
TOKEN = re.compile(
    r"""[ \t\n\r]*+(?:
        (?P<mark>[\[\]{},:])
        |(?P<string>"[^"\\\x00-\x1f\ud800-\udfff]*+
            (?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f\ud800-\udfff]*+)*+")
        |(?P<number>-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)
        |(?P<word>true|false|null)
        |(?P<constant>NaN|-?Infinity)
    )""",
    re.VERBOSE,
)
BLANKS = " \t\n\r"

NO_JSON = "expected JSON, which this is not from character {} on"
NO_OBJECT = "expected a JSON object"
NO_TEXT = "expected text in UTF-8"
NO_NUL = r"expected text without NUL (\u0000), which PostgreSQL cannot store"
HALF_CHARACTER = r"expected whole characters, not one half of a surrogate pair (\ud800 to \udfff)"
TOO_DEEP = f"expected at most {MAX_LEVELS} levels of objects and arrays"
NO_DOUBLE = "expected numbers within double precision"


@dataclass(frozen=True)
class Fault:
    """The first thing in a body that jsonb cannot hold.

    The index is the interaction's place in events (None: outside of them), the field a key of the
    interaction, or of the body.
    """

    index: int | None
    field: str | None
    detail: str


class _DoubtError(ValueError):
    """What was read needs a closer look."""


def read_json(body: bytes) -> str:
    """Give the text of a body that jsonb can hold; a 422 names index and field otherwise."""
    try:
        text = body.decode()
        is_sure = (
            type(_DECODER.decode(text)) is dict
            and not DOUBTFUL_ESCAPE.search(text)
            # How deep json itself goes depends on the Python and on the recursion limit.
            and text.count("{") + text.count("[") <= MAX_LEVELS
        )
    except (ValueError, RecursionError):
        # Bytes that are no text become lone surrogates, which are no part of any token.
        text = body.decode(errors="surrogateescape")
        is_sure = False
    if not is_sure and (fault := find_fault(text)):
        raise _refused(fault)
    return text


def find_fault(text: str) -> Fault | None:
    """Read JSON without recursion, as strictly as jsonb: many times slower than json, and exact."""
    return _Reader(text).find_fault()


class _Reader:
    """Goes from token to token, and knows what may come next and where it is."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._open: list[str] = []
        """The brackets that close what is open, the innermost last."""
        self._expected = "value"
        """value, item (a value or ]), key, member (a key or }), colon, or next (comma or end)."""
        self._index: int | None = None
        self._field: str | None = None

    def find_fault(self) -> Fault | None:
        text, match = self._text, TOKEN.match
        while token := match(text, self._position):
            kind = token.lastgroup
            detail = (
                self._take_mark(token["mark"])
                if kind == "mark"
                else self._take_string(token["string"])
                if kind == "string"
                else self._take_scalar(token[kind or 0], kind)
            )
            if detail is not None:
                return self._fault(detail)
            self._position = token.end()
            if not self._open:
                break
        if self._open or self._expected != "next" or text[self._position :].strip(BLANKS):
            return self._fault(NO_JSON)
        return None

    def _take_mark(self, mark: str) -> str | None:
        expected = self._expected
        if mark == ",":
            if expected != "next":
                return NO_JSON
            self._go_on()
        elif mark == ":":
            if expected != "colon":
                return NO_JSON
            self._expected = "value"
        elif mark in "{[":
            if expected not in {"value", "item"}:
                return NO_JSON
            return self._enter(mark)
        else:
            if self._open[-1:] != [mark] or expected not in {
                "next",
                "member" if mark == "}" else "item",
            }:
                return NO_JSON
            self._leave()
        return None

    def _enter(self, mark: str) -> str | None:
        level = len(self._open)
        if level == 0 and mark != "{":
            return NO_OBJECT
        if level == MAX_LEVELS:
            return TOO_DEEP
        if level == 1 and mark == "[" and self._field == "events":
            self._index, self._field = 0, None
        self._open.append("}" if mark == "{" else "]")
        self._expected = "member" if mark == "{" else "item"
        return None

    def _leave(self) -> None:
        self._open.pop()
        self._expected = "next"
        level = len(self._open)
        if self._index is not None and level <= 2:
            self._field = None
            if level == 1:
                self._index, self._field = None, "events"
        elif level == 0:
            self._field = None

    def _go_on(self) -> None:
        level = len(self._open)
        self._expected = "key" if self._open[-1] == "}" else "value"
        if self._index is None:
            if level == 1:
                self._field = None
        elif level == 2:
            self._index += 1
        elif level == 3:
            self._field = None

    def _take_string(self, token: str) -> str | None:
        is_key = self._expected in {"key", "member"}
        if not is_key and self._expected not in {"value", "item"}:
            return NO_JSON
        if not self._open:
            return NO_OBJECT
        if DOUBTFUL_ESCAPE.search(token):
            characters = json.loads(token)
            if "\0" in characters:
                return NO_NUL
            if any("\ud800" <= character <= "\udfff" for character in characters):
                return HALF_CHARACTER
        if is_key and len(self._open) == (1 if self._index is None else 3):
            self._field = json.loads(token)
        self._expected = "colon" if is_key else "next"
        return None

    def _take_scalar(self, token: str, kind: str | None) -> str | None:
        if self._expected not in {"value", "item"}:
            return NO_JSON
        if kind == "constant":
            return f"expected a number, which {token} is not in JSON"
        if not self._open:
            return NO_OBJECT
        if kind == "number" and not _is_double(token):
            return NO_DOUBLE
        self._expected = "next"
        return None

    def _fault(self, detail: str) -> Fault:
        if detail is NO_JSON:
            if re.search("[\ud800-\udfff]", self._text):
                detail = NO_TEXT
            else:
                rest = self._text[self._position :]
                detail = NO_JSON.format(len(self._text) - len(rest.lstrip(BLANKS)))
        field = self._field
        if field and len(field) > SHOWN_CHARACTERS:
            field = field[: SHOWN_CHARACTERS - 1] + "…"
        return Fault(self._index, field, detail)


def _is_double(token: str) -> bool:
    mantissa, _, exponent = token.lower().partition("e")
    digits = exponent.lstrip("+-0")
    if len(digits) > 5:
        return False
    value = float(token)
    if not math.isfinite(value) or (value == 0 and mantissa.strip("-.0")):
        return False
    power = int(digits or 0) * (-1 if exponent.startswith("-") else 1)
    return len(mantissa.partition(".")[2]) - power <= MAX_DECIMALS


def _read_float(token: str) -> float:
    value = float(token)
    # In five characters, what reads as 0 is 0.
    if len(token) > 40 or not (1e-300 < abs(value) < 1e300 or (value == 0 and len(token) <= 5)):
        raise _DoubtError
    return value


def _read_integer(token: str) -> str:
    if len(token) > 300:
        raise _DoubtError
    return token


def _refuse_constant(_token: str) -> NoReturn:
    raise _DoubtError


_DECODER = json.JSONDecoder(
    parse_float=_read_float, parse_int=_read_integer, parse_constant=_refuse_constant
)
"""Takes what is surely right, quickly."""


def _refused(fault: Fault) -> Problem:
    place = "the body" if fault.field is None else fault.field
    if fault.index is not None:
        place = f"events[{fault.index}]" + (f".{fault.field}" if fault.field else "")
    return Problem(422, f"{place}: {fault.detail}", errors=[asdict(fault)])
