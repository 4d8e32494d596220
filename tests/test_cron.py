"""Cron expressions: when they come next and came last, as a cron daemon would say, or a refusal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest
from cronsim import CronSim, CronSimError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.database import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.runner import Run

    Connection = asyncpg.Connection[asyncpg.Record]

MINUTE = timedelta(minutes=1)
FIELDS = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day of the month": (1, 31),
    "month": (1, 12),
    "day of the week": (0, 7),
}
NAMES = {
    "month": [
        *("jan", "feb", "mar", "apr", "may", "jun"),
        *("jul", "aug", "sep", "oct", "nov", "dec"),
    ],
    "day of the week": ["sun", "MON", "Tue", "wed", "thu", "fri", "SAT"],
}

NEXT = "SELECT recommender.next_occurrence($1, $2)"
PREVIOUS = "SELECT recommender.previous_occurrence($1, $2)"
COUNT = "SELECT recommender._count_occurrences($1, $2, $3)"


@pytest.fixture(scope="module")
def session(database_url: str, run: Run) -> Iterator[Connection]:
    connection = run(connect(database_url))
    yield connection
    run(connection.close())


@st.composite
def items(draw: st.DrawFn, name: str) -> str:
    """One item of a field: a star, a number, a name, a range, perhaps with a step."""
    low, high = FIELDS[name]
    names = NAMES.get(name, [])
    first = draw(st.integers(low, high))
    last = draw(st.integers(first, high))

    def written(number: int) -> str:
        if number - low < len(names) and draw(st.booleans()):
            return names[number - low]
        return str(number)

    step = draw(st.integers(1, high))
    return draw(
        st.sampled_from(
            [
                "*",
                f"*/{step}",
                written(first),
                f"{written(first)}-{written(last)}",
                # Of a range of one number cronsim makes one that goes on.
                *([f"{written(first)}-{written(last)}/{step}"] if first < last else []),
            ]
        )
    )


def expressions() -> st.SearchStrategy[str]:
    """Expressions of all shapes; stars are as frequent as in life."""
    fields = [
        st.just("*") | st.lists(items(name), min_size=1, max_size=3).map(",".join)
        for name in FIELDS
    ]
    return st.tuples(*fields).map(" ".join)


def moments(first: datetime, last: datetime) -> st.SearchStrategy[datetime]:
    """Moments of which many lie on a full minute, or just beside one."""
    return st.builds(
        lambda moment, beside: (
            moment if beside is None else moment.replace(second=0, microsecond=0) + beside
        ),
        st.datetimes(first, last, timezones=st.just(UTC)),
        st.sampled_from(
            [None, timedelta(0), timedelta(microseconds=1), timedelta(microseconds=-1)]
        ),
    )


def truth(cron: str, moment: datetime) -> tuple[datetime, datetime] | None:
    """When it comes next and came last; None for what would never come."""
    minute = moment.replace(second=0, microsecond=0)
    try:
        return (
            next(CronSim(cron, minute)),
            next(CronSim(cron, minute + MINUTE, reverse=True)),
        )
    except CronSimError:
        return None


# A February 29 that is a Sunday comes after 12 years, 28, or 40.
@example("0 0 29 2 */7", datetime(1880, 3, 1, tzinfo=UTC))
@example("0 0 29 2 */7", datetime(2088, 2, 29, tzinfo=UTC))
@example("59 23 31 12 *", datetime(2023, 12, 31, 23, 59, tzinfo=UTC))
@example("0 0 13 * fri", datetime(2026, 2, 14, tzinfo=UTC))
@example("0 0 */13 * fri", datetime(2026, 2, 14, tzinfo=UTC))
@example("0 0 30,31 2 *", datetime(2026, 2, 14, tzinfo=UTC))
@example("0 0 30 2 mon", datetime(2026, 2, 14, tzinfo=UTC))
@settings(max_examples=300, deadline=None)
@given(expressions(), moments(datetime(1971, 1, 1), datetime(9900, 1, 1)))
def test_an_expression_comes_when_a_cron_daemon_would_run_it(
    session: Connection, run: Run, cron: str, moment: datetime
) -> None:
    expected = truth(cron, moment)
    if expected is None:
        with pytest.raises(asyncpg.PostgresError) as refusal:
            run(session.fetchval(NEXT, cron, moment))
        assert refusal.value.sqlstate == "ER053"
        return
    assert run(session.fetchval(NEXT, cron, moment)) == expected[0]
    assert run(session.fetchval(PREVIOUS, cron, moment)) == expected[1]


@settings(max_examples=100, deadline=None)
@given(
    expressions().filter(lambda cron: truth(cron, datetime(2026, 1, 1, tzinfo=UTC)) is not None),
    moments(datetime(1971, 1, 1), datetime(9900, 1, 1)),
    st.timedeltas(timedelta(0), timedelta(days=3)),
)
def test_occurrences_between_two_moments_are_counted(
    session: Connection, run: Run, cron: str, moment: datetime, length: timedelta
) -> None:
    end, count = moment + length, 0
    for occurrence in CronSim(cron, moment):
        if occurrence >= end:
            break
        count += 1
    assert run(session.fetchval(COUNT, cron, moment, end)) == count


def test_the_occurrences_of_decades_are_counted(session: Connection, run: Run) -> None:
    first, last = datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)
    days = (last - first).days
    assert run(session.fetchval(COUNT, "30 3 * * *", first, last)) == days
    assert run(session.fetchval(COUNT, "* * * * *", first, last)) == days * 1440 - 1


@pytest.mark.parametrize(
    ("cron", "moment", "expected"),
    [
        ("0 0 1 1 *", "1970-01-01T00:00", ("1971-01-01T00:00", "1970-01-01T00:00")),
        ("30 3 * * *", "1970-01-01T00:00", ("1970-01-01T03:30", "1969-12-31T03:30")),
        ("0 12 * * *", "9999-12-30T12:00", ("9999-12-31T12:00", "9999-12-30T12:00")),
        ("* * * * *", "9999-12-31T23:58:59", ("9999-12-31T23:59", "9999-12-31T23:58")),
        # Sunday is 0 and 7; names in any case; blanks and tabs.
        ("0 0 * * 7", "2026-03-01T00:00", ("2026-03-08T00:00", "2026-03-01T00:00")),
        ("0 0 * * 6-7", "2026-03-02T00:00", ("2026-03-07T00:00", "2026-03-01T00:00")),
        (" 0\t0  1 JAN,Jul *\t", "2026-03-01T00:00", ("2026-07-01T00:00", "2026-01-01T00:00")),
        # A century that has no leap day.
        ("0 0 29 2 *", "2096-02-29T00:01", ("2104-02-29T00:00", "2096-02-29T00:00")),
    ],
)
def test_examples(
    session: Connection, run: Run, cron: str, moment: str, expected: tuple[str, str]
) -> None:
    at, after, before = (
        datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (moment, *expected)
    )
    assert run(session.fetchval(NEXT, cron, at)) == after
    assert run(session.fetchval(PREVIOUS, cron, at)) == before


@pytest.mark.parametrize("zone", ["Europe/Bucharest", "Pacific/Chatham", "America/St_Johns"])
def test_the_clock_is_utc_whatever_zone_the_session_has(
    database_url: str, run: Run, zone: str
) -> None:
    session = run(connect(database_url, TimeZone=zone))
    try:
        # The hour that does not exist in Bucharest, and the one that comes twice.
        for day in ("2026-03-29", "2026-10-25"):
            night = datetime.fromisoformat(f"{day}T00:00:00+00:00")
            for cron, hour in (("30 1 * * *", 1.5), ("30 3 * * *", 3.5)):
                expected = night + timedelta(hours=hour)
                assert run(session.fetchval(NEXT, cron, night)) == expected
                assert run(session.fetchval(PREVIOUS, cron, expected)) == expected
    finally:
        run(session.close())


@pytest.mark.parametrize("moment", ["NULL", "'infinity'", "'-infinity'"])
def test_at_the_ends_of_time_nothing_comes(session: Connection, run: Run, moment: str) -> None:
    for function in ("next", "previous"):
        call = f"SELECT recommender.{function}_occurrence('* * * * *', {moment}::timestamptz)"
        assert run(session.fetchval(call)) is None


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        (None, "expected five fields, not NULL"),
        ("", 'expected five fields, not ""'),
        ("* * * *", "five fields"),
        ("* * * * * *", "five fields"),
        ("@daily", "five fields"),
        ("60 * * * *", 'the minute is "60", expected numbers from 0 to 59,'),
        ("-1 * * * *", 'the minute is "-1"'),
        ("1, * * * *", 'the minute is "1,"'),
        ("5/10 * * * *", 'the minute is "5/10"'),
        ("*/0 * * * *", 'the minute is "*/0"'),
        ("1-2-3 * * * *", 'the minute is "1-2-3"'),
        ("** * * * *", 'the minute is "**"'),
        ("mon * * * *", 'the minute is "mon"'),
        ("0 24 * * *", 'the hour is "24", expected numbers from 0 to 23,'),
        ("0 3-1 * * *", 'the hour is "3-1"'),
        ("0 ٣ * * *", 'the hour is "٣"'),
        ("0 0 0 * *", 'the day of the month is "0", expected numbers from 1 to 31,'),
        ("0 0 L * *", 'the day of the month is "L"'),
        ("0 0 * 13 *", 'the month is "13", expected numbers from 1 to 12 or names (jan to dec),'),
        ("0 0 * mon *", 'the month is "mon"'),
        ("0 0 * jan-foo *", 'the month is "jan-foo"'),
        ("0 0 * * 8", 'the day of the week is "8", expected numbers from 0 to 7 or names (sun to'),
        ("0 0 * * fri-sun", 'the day of the week is "fri-sun"'),
        ("0 0 * * mon#2", 'the day of the week is "mon#2"'),
        ("0 0 30 2 *", 'no month "2" has a day "30", so it would never be'),
        ("0 0 31 feb,apr-jun/2 */2", 'no month "feb,apr-jun/2" has a day "31"'),
    ],
)
def test_what_is_not_valid_is_refused_with_the_field_and_what_it_takes(
    session: Connection, run: Run, cron: str | None, words: str
) -> None:
    for call in (NEXT, PREVIOUS):
        with pytest.raises(asyncpg.PostgresError) as refusal:
            run(session.fetchval(call, cron, datetime(2026, 3, 1, tzinfo=UTC)))
        assert refusal.value.sqlstate == "ER053"
        assert words in str(refusal.value)
        assert "HINT:  give five fields, in UTC" in str(refusal.value)
