"""Query and path parameters: values that SQL takes, or all that is wrong with them at once."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypedDict

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ID = 2_147_483_647
MAX_JOB_ID = 9_007_199_254_740_991
"""Where numbers of JSON stop being exact in JavaScript; the column goes further."""

MAX_TAGS = 50
SHOWN_CHARACTERS = 80

_ID = re.compile(r"[1-9][0-9]{0,18}")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SWITCH = {"true": True, "1": True, "false": False, "0": False}


def _refuse_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("PostgreSQL has no NUL in text")
    return text


def _whole_number(text: object) -> object:
    """Refuse what int() takes besides digits: blanks, underscores, fractions."""
    if isinstance(text, str) and not _WHOLE_NUMBER.fullmatch(text):
        raise ValueError("not a whole number")
    return text


def _day(text: object) -> object:
    if isinstance(text, str):
        if not _DATE.fullmatch(text):
            raise ValueError("not a date")
        return date.fromisoformat(text)
    return text


def _switch(text: object) -> object:
    if isinstance(text, str):
        if text.lower() not in _SWITCH:
            raise ValueError("not a switch")
        return _SWITCH[text.lower()]
    return text


Text = Annotated[str, StringConstraints(max_length=200), AfterValidator(_refuse_nul)]
TagName = Annotated[str, StringConstraints(max_length=100), AfterValidator(_refuse_nul)]
Day = Annotated[date, BeforeValidator(_day)]


class EventQuery(BaseModel):
    """What GET /api/events was asked for; None is not given."""

    model_config = ConfigDict(frozen=True)

    search: Text | None = Field(
        default=None, description="Text that the title or the description contains"
    )
    category: Text | None = Field(default=None, description="The event's category")
    city: Text | None = Field(default=None, description="The event's city")
    location: Text | None = Field(default=None, description="Text that the location contains")
    tags: Annotated[tuple[TagName, ...], Field(max_length=MAX_TAGS)] | None = Field(
        default=None, description="Names of tags, any of which the event has; may be repeated"
    )
    start_date: Day | None = Field(
        default=None, description="The first day (UTC) on which an event may start"
    )
    end_date: Day | None = Field(
        default=None, description="The last day (UTC) on which an event may start"
    )
    include_past: Annotated[bool, BeforeValidator(_switch)] = Field(
        default=False, description="Also events that have started"
    )
    sort: Literal["time", "recommended"] | None = Field(
        default=None,
        description="The order wished for; unset, the experiment decides."
        " The answer's sort is the one used",
    )
    page: Annotated[int, BeforeValidator(_whole_number)] = Field(
        default=1, ge=1, le=1_000_000_000, description="Which page, from 1"
    )
    page_size: Annotated[int, BeforeValidator(_whole_number)] = Field(
        default=20, ge=1, le=100, description="Events a page"
    )


class BadParameter(TypedDict):
    """One entry of the `errors` of a 422."""

    parameter: str
    detail: str
    value: str


TAGS_EXPECTED = f"expected at most {MAX_TAGS} tags of at most 100 characters each, without NUL"
EXPECTED = {
    **dict.fromkeys(
        ("search", "category", "city", "location"), "expected at most 200 characters, without NUL"
    ),
    "tags": TAGS_EXPECTED,
    "tags_csv": TAGS_EXPECTED,
    **dict.fromkeys(("start_date", "end_date"), "expected a date as YYYY-MM-DD"),
    "include_past": "expected true or false",
    "sort": "expected time or recommended",
    "page": "expected a whole number from 1 to 1000000000",
    "page_size": "expected a whole number from 1 to 100",
}
"""Every parameter of GET /api/events, and what it takes."""

NOTHING_ASKED = EventQuery()


class _Tag(NamedTuple):
    parameter: str
    name: str


def read_event_query(pairs: Iterable[tuple[str, str]]) -> EventQuery | list[BadParameter]:
    """Give the query's values, or everything that is wrong with it.

    Unknown parameters are ignored, and a blank one counts as not given.
    """
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        if name in EXPECTED and (text := value.strip()):
            given.setdefault(name, []).append(text)
    if not given:
        return NOTHING_ASKED
    wrong = {
        name: _bad(name, f"given {len(values)} times, expected once", ", ".join(values))
        for name, values in given.items()
        if len(values) > 1 and name != "tags"
    }
    tags = _tags(given)
    raw: dict[str, Any] = {
        name: values[0] for name, values in given.items() if name not in {"tags", "tags_csv"}
    }
    if tags:
        raw["tags"] = tuple(tag.name for tag in tags[:MAX_TAGS])
    if len(tags) > MAX_TAGS:
        # Whichever brought the last of them.
        name = tags[-1].parameter
        wrong.setdefault(name, _bad(name, TAGS_EXPECTED, f"{len(tags)} tags"))
    query = None
    try:
        query = EventQuery.model_validate(raw)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False):
            bad = _fault(fault["loc"], raw, tags)
            wrong.setdefault(bad["parameter"], bad)
    if not wrong.keys() & {"start_date", "end_date"}:
        wrong |= _reversed_days(raw)
    if wrong or query is None:
        return [wrong[name] for name in EXPECTED if name in wrong]
    return query


def read_id(text: str, largest: int = MAX_ID) -> int | None:
    """Give the id that a path names, or None for what no row can have (so it is a 404)."""
    if not _ID.fullmatch(text):
        return None
    number = int(text)
    return number if number <= largest else None


def _tags(given: dict[str, list[str]]) -> list[_Tag]:
    repeated = [_Tag("tags", name) for name in given.get("tags", ())]
    listed = [
        _Tag("tags_csv", part.strip())
        for text in given.get("tags_csv", ())
        for part in text.split(",")
        if part.strip()
    ]
    return repeated + listed


def _fault(location: tuple[int | str, ...], raw: dict[str, Any], tags: list[_Tag]) -> BadParameter:
    name = str(location[0])
    if name != "tags":
        return _bad(name, EXPECTED[name], raw[name])
    tag = tags[next(part for part in location if isinstance(part, int))]
    return _bad(tag.parameter, TAGS_EXPECTED, tag.name)


def _reversed_days(raw: dict[str, Any]) -> dict[str, BadParameter]:
    """Name both days when the first is after the last; as texts they order as they do as days."""
    start, end = raw.get("start_date"), raw.get("end_date")
    if start is None or end is None or start <= end:
        return {}
    return {
        "start_date": _bad("start_date", "expected a day not after end_date", start),
        "end_date": _bad("end_date", "expected a day not before start_date", end),
    }


def _bad(parameter: str, detail: str, value: str) -> BadParameter:
    if len(value) > SHOWN_CHARACTERS:
        value = value[: SHOWN_CHARACTERS - 1] + "…"
    return BadParameter(parameter=parameter, detail=detail, value=value)
