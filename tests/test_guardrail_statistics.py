"""The sequential rule, against the formulas written out by student, and in simulated weeks."""

from __future__ import annotations

import hashlib
import json
import math
import random
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.guardrail_simulation import Experiment, Week, simulate_weeks, summarize
from tests.support.worlds import AS_OF, World, days, open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from asyncpg import Connection, Record

    from tests.support.runner import Run

MOMENTS = "SELECT recommender._guardrail_moments($1, $2, 72)"
TEST = "SELECT recommender._sequential_test($1, $2, $3, $4)"
DECIDE = "SELECT recommender._decide_sequential($1, $2, $3, $4)"
SAMPLE_RATIO = "SELECT recommender._test_sample_ratio($1, $2, $3)"
CHECK = "SELECT recommender._sample_ratio_check($1, $2)"
WEEK = AS_OF - timedelta(days=7)
ALPHA, TUNED = 0.025, 20_000


@dataclass(frozen=True)
class Student:
    """Trials and hits of one student in each sort."""

    r_trials: int = 0
    r_hits: int = 0
    t_trials: int = 0
    t_hits: int = 0


def product(students: Sequence[Student], first: str, second: str) -> int:
    return sum(getattr(s, first) * getattr(s, second) for s in students)


def moments(students: Sequence[Student]) -> str:
    sorts = {
        sort: {
            "students": sum(getattr(s, f"{letter}_trials") > 0 for s in students),
            "trials": sum(getattr(s, f"{letter}_trials") for s in students),
            "hits": sum(getattr(s, f"{letter}_hits") for s in students),
            "trial_squares": product(students, f"{letter}_trials", f"{letter}_trials"),
            "trial_hits": product(students, f"{letter}_trials", f"{letter}_hits"),
            "hit_squares": product(students, f"{letter}_hits", f"{letter}_hits"),
        }
        for sort, letter in (("recommended", "r"), ("time", "t"))
    }
    both = {
        "students": sum(s.r_trials > 0 and s.t_trials > 0 for s in students),
        "trials_trials": product(students, "r_trials", "t_trials"),
        "trials_hits": product(students, "r_trials", "t_hits"),
        "hits_trials": product(students, "r_hits", "t_trials"),
        "hits_hits": product(students, "r_hits", "t_hits"),
    }
    return json.dumps(sorts | {"both": both})


def written_out(
    students: Sequence[Student], drop: float, tuned: float = TUNED, alpha: float = ALPHA
) -> dict[str, float]:
    """Give z, its bound and the p-value, one student after the other."""
    allowed = 1 - drop
    r_trials, r_hits = sum(s.r_trials for s in students), sum(s.r_hits for s in students)
    t_trials, t_hits = sum(s.t_trials for s in students), sum(s.t_hits for s in students)
    r_rate, t_rate = r_hits / r_trials, t_hits / t_trials
    r_terms = [(s.r_hits - r_rate * s.r_trials) / r_trials for s in students]
    t_terms = [(s.t_hits - t_rate * s.t_trials) / t_trials for s in students]
    crowd = min(
        r_trials**2 / sum(s.r_trials**2 for s in students),
        t_trials**2 / sum(s.t_trials**2 for s in students),
    )
    small = crowd / (crowd - 1)
    edge = (r_hits + t_hits) / (allowed * r_trials + t_trials)
    r_variance = max(
        small * sum(u * u for u in r_terms), allowed * edge * (1 - allowed * edge) / r_trials
    )
    t_variance = max(small * sum(u * u for u in t_terms), edge * (1 - edge) / t_trials)
    covariance = small * sum(u * v for u, v in zip(r_terms, t_terms, strict=True))
    variance = r_variance + allowed**2 * t_variance - 2 * allowed * covariance
    z = (r_rate - allowed * t_rate) / math.sqrt(variance)

    doubled = -2 * math.log(2 * alpha)
    tuning = tuned / (doubled + math.log(1 + doubled))
    trials = 2 / (1 / r_trials + 1 / t_trials)
    spread = math.sqrt(1 + trials / tuning)
    bound = math.sqrt((1 + tuning / trials) * 2 * math.log(1 + spread / (2 * alpha)))
    odds = math.expm1(z * z / (1 + tuning / trials) / 2)
    return {
        "z": z,
        "z_bound": -bound,
        "p_value": min(1.0, spread / (2 * odds)) if z < 0 and odds else 1.0,
        "ratio": r_rate / t_rate,
        "recommended_rate": r_rate,
        "time_rate": t_rate,
    }


def crowd(
    seed: int, count: int = 200, *, ctr: float = 0.2, factor: float = 1.0, share_in_both: float = 0
) -> list[Student]:
    """Draw students with a rate of their own; the sorts take turns, some students see both."""
    draws = random.Random(seed)

    def hits(trials: int, rate: float) -> int:
        return sum(draws.random() < rate for _ in range(trials))

    students = []
    for number in range(count):
        rate = draws.betavariate(1, 1 / ctr - 1)
        sees_both = draws.random() < share_in_both
        r_trials = draws.randint(1, 30) if number % 2 or sees_both else 0
        t_trials = draws.randint(1, 30) if not number % 2 or sees_both else 0
        students.append(
            Student(r_trials, hits(r_trials, rate * factor), t_trials, hits(t_trials, rate))
        )
    return students


@pytest.fixture(scope="module")
def session(database_url: str, run: Run) -> Iterator[Connection[Record]]:
    connection = run(open_session(database_url, experiments_personalization_ml_percent="50"))
    yield connection
    run(connection.close())


@pytest.fixture(scope="module")
def ask(session: Connection[Record], run: Run) -> Callable[..., dict[str, Any]]:
    def ask(query: str, *arguments: object) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(run(session.fetchval(query, *arguments)))
        return answer

    return ask


@pytest.fixture(scope="module")
def judge(ask: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def judge(
        students: Sequence[Student], drop: float, tuned: float = TUNED, alpha: float = ALPHA
    ) -> dict[str, Any]:
        return ask(TEST, moments(students), drop, tuned, alpha)

    return judge


@pytest.mark.parametrize("drop", [0, 0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize(
    ("seed", "options"),
    [
        (1, {}),
        (2, {"count": 120, "ctr": 0.05}),
        (3, {"count": 500, "factor": 0.4}),
        (4, {"count": 300, "factor": 0.5, "share_in_both": 0.3}),
        (5, {"count": 100, "share_in_both": 1.0}),
        (6, {"count": 800, "ctr": 0.02, "factor": 0.1}),
    ],
)
def test_it_is_the_formula_written_out(
    judge: Callable[..., dict[str, Any]], seed: int, options: dict[str, Any], drop: float
) -> None:
    students = crowd(seed, **options)
    result = judge(students, drop)
    for name, value in written_out(students, drop).items():
        assert result[name] == pytest.approx(value, rel=1e-9), name
    assert result["is_judged"]
    assert result["is_worse"] == (result["z"] < result["z_bound"])
    assert result["is_worse"] == (result["p_value"] < ALPHA)
    upper = result["ratio_upper_bound"]
    assert result["is_worse"] == (upper is not None and upper < 1 - drop)


def test_the_upper_bound_is_the_ratio_at_which_the_verdict_turns(
    judge: Callable[..., dict[str, Any]],
) -> None:
    students = crowd(3, count=500, factor=0.3)
    upper = 0.7
    for _ in range(20):
        # The floor under the variance depends on the drop, so the bound does, a little.
        upper = judge(students, 1 - upper)["ratio_upper_bound"]
    assert 0.3 < upper < 0.7
    assert judge(students, 1 - upper - 1e-4)["is_worse"]
    assert not judge(students, 1 - upper + 1e-4)["is_worse"]


@pytest.mark.parametrize("alpha", [0.001, 0.025, 0.2])
def test_the_p_value_is_the_level_at_which_the_verdict_turns(
    ask: Callable[..., dict[str, Any]], alpha: float
) -> None:
    """Looked for by halving, at a tuning that stays: the tuning depends on alpha."""

    def tuned(level: float) -> float:
        doubled = -2 * math.log(2 * level)
        return 2000 * (doubled + math.log(1 + doubled))

    for seed in range(20):
        sums = moments(crowd(seed, count=300, factor=0.5))
        result = ask(TEST, sums, 0.2, tuned(alpha), alpha)
        assert result["is_worse"] == (result["p_value"] < alpha)


def test_more_of_the_same_is_more_evidence(judge: Callable[..., dict[str, Any]]) -> None:
    students = crowd(7, count=100, factor=0.5)
    p_values = [judge(students * times, 0.2)["p_value"] for times in (1, 2, 4, 8, 16)]
    assert p_values == sorted(p_values, reverse=True)
    assert p_values[-1] < 1e-3 < p_values[0]


def test_a_larger_allowed_drop_is_less_evidence(judge: Callable[..., dict[str, Any]]) -> None:
    students = crowd(8, count=600, factor=0.3)
    p_values = [judge(students, drop)["p_value"] for drop in (0, 0.1, 0.2, 0.3, 0.5, 0.7, 1)]
    assert p_values == sorted(p_values)
    assert p_values[0] < ALPHA < p_values[-1] == 1


def test_fewer_hits_are_more_evidence(judge: Callable[..., dict[str, Any]]) -> None:
    time_sort = [Student(t_trials=20, t_hits=number % 5) for number in range(300)]
    p_values = [
        judge(
            time_sort
            + [Student(r_trials=20, r_hits=int(number % 10 < most)) for number in range(300)],
            0.3,
        )["p_value"]
        for most in range(10, -1, -1)
    ]
    assert p_values == sorted(p_values, reverse=True)
    assert p_values[-1] < ALPHA


def test_a_busy_student_is_one_student(judge: Callable[..., dict[str, Any]]) -> None:
    """As many clicks by 32 students in one go each, or a few at a time by 640, differ."""
    apart = [Student(t_trials=20, t_hits=4), Student(r_trials=20, r_hits=1)] * 640
    together = [
        student
        for number in range(32)
        for student in (
            Student(t_trials=400, t_hits=320 * (number % 4 == 0)),
            Student(r_trials=400, r_hits=80 * (number % 4 == 0)),
        )
    ]
    for name in ("t_trials", "t_hits", "r_trials", "r_hits"):
        assert sum(getattr(s, name) for s in together) == sum(getattr(s, name) for s in apart)
    assert judge(apart, 0.3)["is_worse"]
    assert judge(together, 0.3)["is_judged"]
    assert not judge(together, 0.3)["is_worse"]


def test_one_student_with_most_impressions_is_no_crowd(
    judge: Callable[..., dict[str, Any]],
) -> None:
    students = [Student(t_trials=20, t_hits=4)] * 500 + [Student(r_trials=1, r_hits=1)] * 400
    assert judge(students, 0.3)["is_judged"]
    result = judge([*students, Student(r_trials=100_000)], 0.3)
    assert not result["is_judged"]
    assert not result["is_worse"]
    assert result["recommended_students"] < 2


@pytest.mark.parametrize(("count", "is_judged"), [(29, False), (30, True)])
def test_it_begins_with_thirty_students(
    judge: Callable[..., dict[str, Any]], count: int, is_judged: bool
) -> None:
    students = [Student(t_trials=1000, t_hits=500)] * 500 + [Student(r_trials=1000)] * count
    result = judge(students, 0.3)
    assert result["is_judged"] is result["is_worse"] is is_judged


@pytest.mark.parametrize(
    "students",
    [
        [],
        [Student(r_trials=50, r_hits=1)],
        [Student(t_trials=50, t_hits=25)],
        [Student(50, 0, 50, 50)],
        [Student(r_trials=50)] * 100,
        [Student(t_trials=50, t_hits=25)] * 100,
        # Clicks on what nobody was shown.
        [Student(r_hits=1, t_hits=1)] * 100,
    ],
)
def test_without_two_crowds_there_is_no_verdict(
    judge: Callable[..., dict[str, Any]], students: list[Student]
) -> None:
    result = judge(students, 0.3)
    assert not result["is_judged"]
    assert not result["is_worse"]
    assert result["p_value"] == 1
    assert result["ratio_upper_bound"] is None


def test_no_clicks_in_either_sort_are_no_evidence(judge: Callable[..., dict[str, Any]]) -> None:
    result = judge([Student(r_trials=50)] * 100 + [Student(t_trials=50)] * 100, 0.3)
    assert not result["is_judged"]
    assert not result["is_worse"]
    assert result["ratio"] is None


def test_no_clicks_in_the_time_sort_are_no_drop(judge: Callable[..., dict[str, Any]]) -> None:
    result = judge([Student(50, 5)] * 100 + [Student(t_trials=50)] * 100, 0.3)
    assert not result["is_worse"]
    assert result["ratio"] is result["ratio_upper_bound"] is None


def test_no_clicks_in_the_recommended_sort_are_a_drop_once_there_are_enough(
    judge: Callable[..., dict[str, Any]],
) -> None:
    """Nothing varies in a sort without clicks, and a few impressions are still no evidence."""
    few = [Student(r_trials=2)] * 40 + [Student(t_trials=2, t_hits=n % 2) for n in range(40)]
    assert judge(few, 0.3)["is_judged"]
    assert not judge(few, 0.3)["is_worse"]
    assert judge(few * 50, 0.3)["is_worse"]


def test_where_every_student_is_alike_the_variance_is_that_of_chance(
    judge: Callable[..., dict[str, Any]],
) -> None:
    students = [Student(r_trials=20, r_hits=1)] * 300 + [Student(t_trials=20, t_hits=2)] * 300
    edge = 900 / (0.7 * 6000 + 6000)
    spread = 0.7 * edge * (1 - 0.7 * edge) / 6000 + 0.7**2 * edge * (1 - edge) / 6000
    assert judge(students, 0.3)["z"] == pytest.approx((0.05 - 0.07) / math.sqrt(spread))


def test_students_who_see_both_sorts_are_compared_with_themselves(
    judge: Callable[..., dict[str, Any]],
) -> None:
    """Who clicks much does so in both sorts, which takes that part out of the variance."""
    paired = [Student(20, number % 11, 20, 2 * (number % 11)) for number in range(300)]
    apart = [Student(s.r_trials, s.r_hits) for s in paired] + [
        Student(t_trials=s.t_trials, t_hits=s.t_hits) for s in paired
    ]
    assert judge(paired, 0.3)["z"] < judge(apart, 0.3)["z"] < 0
    assert judge(paired, 0.3)["z"] == pytest.approx(written_out(paired, 0.3)["z"])


def test_allowing_every_drop_finds_none(judge: Callable[..., dict[str, Any]]) -> None:
    students = [Student(r_trials=50)] * 100 + [Student(t_trials=50, t_hits=25)] * 100
    assert not judge(students, 1)["is_worse"]


def test_certainty_has_a_p_value_too(judge: Callable[..., dict[str, Any]]) -> None:
    students = [Student(10**6, 1)] * 9999 + [
        Student(t_trials=10**6, t_hits=500_000 + n) for n in range(9999)
    ]
    result = judge(students, 0.3)
    assert result["is_worse"]
    assert 0 < result["p_value"] < 1e-200


def meta(sort: str, **more: object) -> dict[str, object]:
    return {"source": "events_list", "sort": sort, **more}


def test_the_moments_are_the_sums_over_students(
    session: Connection[Record], ask: Callable[..., dict[str, Any]], run: Run
) -> None:
    draws = random.Random(3)
    world = World()
    organizer = world.organizer()
    event = world.event(organizer)
    ctr, conversion = [], []
    for number in range(12):
        student = world.student()
        counts = {"recommended": [0, 0, 0], "time": [0, 0, 0]}
        for sort in ("recommended", "time")[number % 3 == 1 : 1 + (number % 3 > 0)]:
            impressions, clicks = draws.randint(1, 6), draws.randint(0, 4)
            registers = draws.randint(0, clicks)
            for _ in range(impressions):
                world.interact(student, "impression", event, at=days(-1), meta=meta(sort))
            for click in range(clicks):
                # Four days apart: a register is never in the window of another click.
                at = timedelta(hours=-100 + 10 * click + 50 * (sort == "time"))
                world.interact(student, "click", event, at=at, meta=meta(sort))
                if click < registers:
                    world.interact(student, "register", event, at=at + timedelta(hours=1))
            counts[sort] = [impressions, clicks, registers]
        (r_seen, r_clicks, r_done), (t_seen, t_clicks, t_done) = counts.values()
        ctr.append(Student(r_seen, r_clicks, t_seen, t_clicks))
        conversion.append(Student(r_clicks, r_done, t_clicks, t_done))
    run(world.write(session))
    found = ask(MOMENTS, WEEK, AS_OF)
    assert found == {
        "ctr": json.loads(moments(ctr)),
        "conversion": json.loads(moments(conversion)),
    }


def test_without_telemetry_the_moments_are_zeros(
    session: Connection[Record], ask: Callable[..., dict[str, Any]], run: Run
) -> None:
    run(World().write(session))
    found = ask(MOMENTS, WEEK, AS_OF)
    assert found == {"ctr": json.loads(moments([])), "conversion": json.loads(moments([]))}
    decision = ask(DECIDE, json.dumps(found), None, 0.3, 0.3)
    assert decision["verdict"] == "not_judged"


HEALTHY = [Student(r_trials=20, r_hits=2), Student(t_trials=20, t_hits=2)] * 400
BAD = [Student(r_trials=20, r_hits=1), Student(t_trials=20, t_hits=4)] * 400
UNEVEN = {"is_mismatch": True, "p_value": 1e-9}


@pytest.mark.parametrize(
    ("ctr", "conversion", "sample_ratio", "verdict"),
    [
        (HEALTHY, HEALTHY, None, "not_worse"),
        (BAD, HEALTHY, None, "worse"),
        (HEALTHY, BAD, None, "worse"),
        (HEALTHY, [], None, "not_worse"),
        ([], [], None, "not_judged"),
        (BAD, BAD, {"is_mismatch": False}, "worse"),
        (BAD, BAD, UNEVEN, "sample_ratio_mismatch"),
        (HEALTHY, HEALTHY, UNEVEN, "sample_ratio_mismatch"),
    ],
)
def test_the_verdict(
    ask: Callable[..., dict[str, Any]],
    ctr: list[Student],
    conversion: list[Student],
    sample_ratio: dict[str, Any] | None,
    verdict: str,
) -> None:
    sums = f'{{"ctr": {moments(ctr)}, "conversion": {moments(conversion)}}}'
    given = None if sample_ratio is None else json.dumps(sample_ratio)
    decision = ask(DECIDE, sums, given, 0.3, 0.3)
    assert decision["verdict"] == verdict
    assert decision["is_ctr_worse"] is (ctr is BAD)
    assert decision["is_conversion_worse"] is (conversion is BAD)
    # 5 % for both together, each at its own tuning.
    assert decision["ctr"]["alpha"] + decision["conversion"]["alpha"] == 0.05
    stored = json.dumps(decision["moments"]), given
    assert ask(DECIDE, *stored, 0.3, 0.3) == decision


def test_each_rate_has_its_own_allowed_drop(ask: Callable[..., dict[str, Any]]) -> None:
    sums = f'{{"ctr": {moments(BAD)}, "conversion": {moments(BAD)}}}'
    decision = ask(DECIDE, sums, None, 0.9, 0.3)
    assert (decision["is_ctr_worse"], decision["is_conversion_worse"]) == (False, True)


@pytest.mark.parametrize("x", [1e-3, 0.5, 1, 2, 5, 250, 1e4, 123_456.75, 1e6])
def test_the_logarithm_of_gamma(session: Connection[Record], run: Run, x: float) -> None:
    found = run(session.fetchval("SELECT recommender._log_gamma($1)", x))
    assert found == pytest.approx(math.lgamma(x), abs=1e-9, rel=1e-13)


def bayes_factor(treated: int, control: int, share: float) -> float:
    """Give the logarithm of the Dirichlet prior's factor against the meant share."""
    first, second = 50 * share, 50 * (1 - share)
    return (
        math.lgamma(first + treated)
        - math.lgamma(first)
        + math.lgamma(second + control)
        - math.lgamma(second)
        + math.lgamma(50)
        - math.lgamma(50 + treated + control)
        - treated * math.log(share)
        - control * math.log(1 - share)
    )


@pytest.mark.parametrize(
    ("treated", "control", "percent", "is_mismatch"),
    [
        (0, 0, 50, False),
        (1000, 1000, 50, False),
        (1060, 940, 50, False),
        (1200, 800, 50, True),
        (800, 1200, 50, True),
        (100, 900, 10, False),
        (200, 800, 10, True),
        (0, 200, 10, True),
        (10**6, 10**6 - 10**4, 50, True),
    ],
)
def test_the_sample_ratio(
    ask: Callable[..., dict[str, Any]],
    treated: int,
    control: int,
    percent: int,
    is_mismatch: bool,
) -> None:
    result = ask(SAMPLE_RATIO, treated, control, percent)
    expected = min(1.0, math.exp(-bayes_factor(treated, control, percent / 100)))
    assert result["p_value"] == pytest.approx(expected, rel=1e-6)
    assert result["is_mismatch"] is is_mismatch is (expected < 0.001)
    assert result["is_applicable"]
    assert result["expected_share"] == percent / 100


@pytest.mark.parametrize("percent", [0, 100])
def test_without_two_groups_there_is_no_sample_ratio(
    ask: Callable[..., dict[str, Any]], percent: int
) -> None:
    result = ask(SAMPLE_RATIO, 1000, 10, percent)
    assert not result["is_applicable"]
    assert not result["is_mismatch"]
    assert result["p_value"] is None


def test_a_look_after_each_of_many_students_seldom_finds_a_false_mismatch(
    session: Connection[Record], run: Run
) -> None:
    """The exact probability: all the ways of 100 students, and how many ever meet a mismatch."""
    rows = run(
        session.fetch(
            """
            SELECT n.students, array_agg(
                (recommender._test_sample_ratio(k.treated, n.students - k.treated, 50)
                ->> 'is_mismatch')::boolean ORDER BY k.treated
            ) AS mismatches
            FROM generate_series(1, 100) AS n (students)
            CROSS JOIN generate_series(0, n.students) AS k (treated)
            GROUP BY n.students ORDER BY n.students
            """
        )
    )
    alive, met = [1.0], 0.0
    for row in rows:
        alive = [
            (left + right) / 2 for left, right in zip([0.0, *alive], [*alive, 0.0], strict=True)
        ]
        for treated, is_mismatch in enumerate(row["mismatches"]):
            if is_mismatch:
                met += alive[treated]
                alive[treated] = 0.0
    assert 0 < met <= 0.001


def is_treated(user_id: int) -> bool:
    digest = hashlib.sha256(f"personalization_ml_sort:{user_id}".encode()).hexdigest()
    return int(digest[:8], 16) % 100 < 50


def test_the_sample_ratio_is_that_of_students_who_did_not_choose_a_sort(
    session: Connection[Record], ask: Callable[..., dict[str, Any]], run: Run
) -> None:
    world = World()
    student_ids = [world.student() for _ in range(40)]
    organizer = world.organizer()
    event = world.event(organizer)
    chose, unmarked, left_it, elsewhere, both = (student_ids[n::5] for n in range(5))
    for student in chose:
        world.interact(student, "impression", event, meta=meta("time", sort_explicit=True))
    for student in unmarked:
        world.interact(student, "impression", event, meta=meta("recommended"))
    for student in [*left_it, *left_it]:
        world.interact(student, "impression", event, meta=meta("time", sort_explicit=False))
    for student in elsewhere:
        world.interact(student, "impression", event, meta={"source": "home"})
        world.interact(student, "click", event, meta=meta("time"))
        world.interact(student, "impression", event, at=days(-8), meta=meta("time"))
    for student in both:
        world.interact(student, "impression", event, meta=meta("time", sort_explicit=True))
        world.interact(student, "impression", event, meta=meta("time", sort_explicit="true"))
    world.interact(organizer, "impression", event, meta=meta("time"))
    world.interact(None, "impression", event, meta=meta("time"))
    run(world.write(session))
    counted = [*unmarked, *left_it, *both]
    result = ask(CHECK, WEEK, AS_OF)
    assert result["treated_students"] == sum(map(is_treated, counted))
    assert result["control_students"] == len(counted) - result["treated_students"]
    assert result["unmarked_students"] == len(unmarked)
    assert result["expected_share"] == 0.5


def test_lost_telemetry_of_treated_students_is_a_mismatch(
    session: Connection[Record], ask: Callable[..., dict[str, Any]], run: Run
) -> None:
    async def fill(lost: Callable[[int], bool]) -> dict[str, Any]:
        world = World()
        student_ids = [world.student() for _ in range(600)]
        event = world.event(world.organizer())
        for student in student_ids:
            if not lost(student):
                world.interact(student, "impression", event, meta=meta("time"))
        await world.write(session)
        answer: dict[str, Any] = json.loads(await session.fetchval(CHECK, WEEK, AS_OF))
        return answer

    assert not run(fill(lambda _: False))["is_mismatch"]
    assert run(fill(lambda student: is_treated(student) and student % 3 > 0))["is_mismatch"]


def test_without_an_experiment_there_is_no_sample_ratio_to_check(
    database_url: str, run: Run
) -> None:
    async def check() -> dict[str, Any]:
        connection = await open_session(database_url, experiments_personalization_ml_percent="0")
        try:
            answer: dict[str, Any] = json.loads(await connection.fetchval(CHECK, WEEK, AS_OF))
        finally:
            await connection.close()
        return answer

    assert not run(check())["is_applicable"]


SMALL = Experiment(weeks=100, students=400, days=7)


async def simulate(connection: Connection[Record], experiment: Experiment) -> list[Week]:
    weeks: list[Week] = []
    for first, last in experiment.batches():
        weeks += await simulate_weeks(connection, experiment, first, last)
    return weeks


@pytest.mark.parametrize(
    ("experiment", "bounds"),
    [
        pytest.param(SMALL, (0, 0), id="no difference"),
        pytest.param(
            replace(SMALL, drop=0, conversion_drop=0), (0, 0.05), id="none, and none is allowed"
        ),
        pytest.param(
            replace(SMALL, effect=-0.3, conversion_effect=-0.3), (0, 0.05), id="what is allowed"
        ),
        pytest.param(
            replace(SMALL, weeks=20, students=1900, effect=-0.6), (0.95, 1), id="twice the allowed"
        ),
    ],
)
def test_simulated_weeks(
    session: Connection[Record],
    run: Run,
    note: Callable[[str], None],
    experiment: Experiment,
    bounds: tuple[float, float],
) -> None:
    weeks = run(simulate(session, experiment))
    sequential, ratio = summarize(weeks, "sequential"), summarize(weeks, "ratio")
    note(
        f"guardrails, clicks {experiment.effect:+.0%}, {experiment.drop:.0%} fewer are allowed:"
        f" rolled back {sequential.share:.0%} of weeks (method ratio: {ratio.share:.0%})"
    )
    assert bounds[0] <= sequential.share <= bounds[1]
    assert len(weeks) == experiment.weeks
    assert bounds[0] <= sequential.share <= bounds[1]
    impressions = sum(week.impressions for week in weeks) / len(weeks)
    assert impressions == pytest.approx(10.5 * experiment.students, rel=0.03)
    assert max(week.impressions for week in weeks) < 20_000 * 1.05


def test_a_seed_gives_the_same_weeks_in_any_batches(session: Connection[Record], run: Run) -> None:
    experiment = replace(SMALL, weeks=4, students=100, effect=-0.9)
    whole = run(simulate_weeks(session, experiment, 1, 4))
    parts = [week for n in range(1, 5) for week in run(simulate_weeks(session, experiment, n, n))]
    assert whole == parts
    assert run(simulate_weeks(session, replace(experiment, seed=2), 1, 4)) != whole


def test_a_look_goes_back_as_far_as_the_window(session: Connection[Record], run: Run) -> None:
    experiment = replace(SMALL, weeks=1, students=100, days=20, min_impressions=1)
    (whole,) = run(simulate(session, experiment))
    (half,) = run(simulate(session, replace(experiment, window_days=10)))
    assert half.impressions == pytest.approx(whole.impressions / 2, rel=0.2)
    assert half.impressions < whole.impressions
