"""No answer shows what was over before it was asked for, whatever is written meanwhile."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.database import connect
from tests.support.api_server import serve
from tests.support.serving_stress import Report, Stress, prepare
from tests.support.serving_truth import Change, Judge, Ledger, Read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.databases import Databases
    from tests.support.runner import Run

STRESS_SERVING = Path(__file__).resolve().parents[1] / "scripts" / "stress_serving.py"

STUDENT, OTHER = 1, 2
READ = Read(STUDENT, asked=10, answered=11)

BLIND_TO_REGISTRATIONS = """
CREATE OR REPLACE VIEW recommender.source_registrations AS
SELECT r.user_id, r.event_id, r.attended
FROM public.registrations AS r
WHERE r.registration_time < now() - interval '12 hours'
"""

IN_TWO_HALVES = """
CREATE OR REPLACE FUNCTION recommender.score_user(
    p_user_id integer, p_top_n integer DEFAULT 50, p_overwrite boolean DEFAULT false
)
RETURNS integer
LANGUAGE sql
AS $$
    UPDATE public.user_recommendations AS r SET
        event_id = k.event_id,
        model_version = (recommender.current_model()).model_version
    FROM recommender.rank_events(p_user_id, p_top_n) AS k
    WHERE r.user_id = p_user_id AND k.rank = r.rank AND r.rank % 2 = 0
    RETURNING 1
$$
"""


def stress(
    run: Run, databases: Databases, sabotage: str = "", *, reads: int, writes: int
) -> Report:
    with databases.migrated() as url:
        run(prepare(url))
        if sabotage:
            run(execute(url, sabotage))
        with serve(url) as server:
            return run(Stress(url, server.url, reads=reads, writes=writes).run())


async def execute(url: str, statement: str) -> None:
    connection = await connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def test_no_answer_is_stale_doubled_short_or_of_two_models(
    databases: Databases, run: Run, note: Callable[[str], None]
) -> None:
    report = stress(run, databases, reads=5000, writes=1000)
    note(f"zero stale: {report}")
    assert report.faults == []
    assert report.reads >= 5000
    assert report.writes >= 1000
    assert report.chances > report.reads
    assert report.activated > 1


def test_a_server_that_does_not_see_registrations_is_caught(databases: Databases, run: Run) -> None:
    report = stress(run, databases, BLIND_TO_REGISTRATIONS, reads=800, writes=200)
    assert any("stale: " in fault for fault in report.faults)


def test_lists_that_mix_two_models_are_caught(databases: Databases, run: Run) -> None:
    report = stress(run, databases, IN_TWO_HALVES, reads=800, writes=100)
    assert any("no model's" in fault for fault in report.faults)
    assert any(fault.startswith("the list of student") for fault in report.faults)


def test_the_command_says_in_one_line_what_it_found(databases: Databases) -> None:
    command = [sys.executable, str(STRESS_SERVING), "--reads", "100", "--writes", "20"]
    done = subprocess.run(
        [*command, "--clients", "4"],
        env=os.environ | {"DATABASE_URL": databases.url("postgres")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"0 faulty of \d+ answers beside .*\n", done.stdout)


def judge(*changes: Change, events: int = 30, list_length: int = 20) -> Judge:
    order = list(range(1, events + 1))
    ledger = Ledger()
    ledger.changes.extend(changes)
    orders = {"m1": order, "m2": order[::-1]}
    return Judge({STUDENT: frozenset(order)}, {STUDENT: orders}, list_length, ledger)


def items(*ids: int) -> list[dict[str, object]]:
    return [{"id": number, "start_time": f"{number:03}"} for number in ids]


def out(
    event: int,
    since: float = 5,
    until: float = math.inf,
    *,
    kind: str = "unpublish",
    student: int | None = None,
) -> Change:
    """A change that held from `since` to `until`, each of the two taking half a second."""
    return Change(
        kind,
        frozenset({event}),
        student,
        sent=since - 0.5,
        since=since,
        undo_sent=until,
        undone=until + 0.5,
    )


def test_what_was_out_all_the_time_is_stale() -> None:
    faults = judge(out(3)).recommendations(READ, items(*range(1, 11)))
    assert faults == ["stale: [3] (unpublish)"]


@pytest.mark.parametrize(
    "change",
    [
        out(3, since=10.2),
        out(3, since=math.inf),
        out(3, until=10.8),
        out(3, until=9),
        out(3, student=OTHER),
    ],
    ids=["committed after", "not committed", "undone before the answer", "over", "another's"],
)
def test_what_may_have_been_eligible_is_no_fault(change: Change) -> None:
    assert judge(change).recommendations(READ, items(*range(1, 11))) == []


def test_another_students_exclusion_is_stale_for_that_student_only() -> None:
    own = judge(out(3, kind="register", student=STUDENT))
    assert own.recommendations(READ, items(*range(1, 11))) == ["stale: [3] (register)"]


def test_an_event_twice_is_a_fault() -> None:
    faults = judge().recommendations(READ, items(1, 2, 3, 4, 5, 6, 7, 8, 9, 9))
    assert "duplicates: [9]" in faults


@pytest.mark.parametrize("count", [9, 11])
def test_a_gap_is_a_fault_and_so_is_too_much(count: int) -> None:
    faults = judge().recommendations(READ, items(*range(1, count + 1)))
    assert faults == [f"{count} items where at least 10 and at most 10 were due"]


def test_fewer_are_due_where_fewer_were_eligible_all_the_time() -> None:
    changes = [out(event, since=10.5) for event in range(9, 31)]
    assert judge(*changes).recommendations(READ, items(*range(1, 9))) == []
    assert judge(*changes).recommendations(READ, items(*range(1, 8))) != []


@pytest.mark.parametrize(
    ("ids", "is_whole"),
    [
        (range(1, 11), True),
        (range(30, 20, -1), True),
        ([2, 4, 6, 8, 10, 12, 14, 16, 18, 20], True),
        ([1, 2, 3, 4, 5, 30, 29, 28, 27, 26], False),
        ([1, 2, 3, 4, 5, 6, 7, 8, 10, 9], False),
    ],
    ids=["one model", "the other", "with gaps", "both", "neither"],
)
def test_an_order_is_one_models(ids: Sequence[int], is_whole: bool) -> None:
    assert (judge().recommendations(READ, items(*ids)) == []) is is_whole


def test_what_fills_an_answer_has_an_order_of_its_own() -> None:
    changes = [out(event, since=10.5) for event in range(1, 16)]
    filled = items(16, 17, 18, 19, 20, 25, 22, 23, 29, 21)
    assert judge(*changes).recommendations(READ, filled) == []
    assert judge().recommendations(READ, filled) != []


def page(
    *ids: int, total: int = 30, number: int = 1, size: int = 100, sort: str = "recommended"
) -> dict[str, object]:
    return {
        "items": items(*ids),
        "total": total,
        "page": number,
        "page_size": size,
        "sort": sort,
    }


def test_a_page_is_ranked_first_and_by_time_after_that() -> None:
    assert judge().events(READ, page(*range(30, 10, -1), *range(1, 11))) == []
    assert judge().events(READ, page(*range(1, 31))) == []
    assert judge().events(READ, page(*range(30, 10, -1), *range(10, 0, -1))) == []
    assert judge().events(READ, page(*range(30, 12, -1), 11, 12, *range(1, 11))) != []


def test_full_events_stay_on_the_page_behind_the_ranked() -> None:
    full = judge(out(30, kind="fill"))
    assert full.events(READ, page(*range(29, 10, -1), *range(1, 11), 30)) == []
    assert full.events(READ, page(*range(30, 10, -1), *range(1, 11))) == [
        "[30] full or registered, among the ranked"
    ]


@pytest.mark.parametrize(("total", "is_right"), [(28, False), (29, True), (30, False)])
def test_a_total_counts_what_was_there(total: int, is_right: bool) -> None:
    answer = page(*range(1, 11), total=total, size=10)
    assert (judge(out(30)).events(READ, answer) == []) is is_right


def test_a_total_may_be_any_that_was_true_meanwhile() -> None:
    for total in (29, 30):
        answer = page(*range(1, 11), total=total, size=10)
        assert judge(out(30, since=10.5)).events(READ, answer) == []


def test_a_page_has_as_many_items_as_its_total_says() -> None:
    assert judge().events(READ, page(*range(21, 31), number=3, size=10)) == []
    assert judge().events(READ, page(*range(21, 30), number=3, size=10)) == [
        "9 items on page 3 of a total of 30"
    ]
    assert judge().events(READ, page(number=4, size=10)) == []


def test_the_time_sort_is_not_taken_for_the_recommended_one() -> None:
    assert judge().events(READ, page(*range(1, 31), sort="time")) == ["sorted by time"]


def test_changes_are_remembered_while_a_read_may_meet_them() -> None:
    ledger = Ledger()
    ledger.changes.extend([out(1, until=8), out(2, until=12), out(3)])
    ledger.forget(10)
    assert [change.events for change in ledger.changes] == [frozenset({2}), frozenset({3})]
