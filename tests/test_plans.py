"""How PostgreSQL gets at the rows: what one student or one event costs must not grow with all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from app.population import Plan, generate_population, settle
from tests.support.worlds import AS_OF, EXTENDED_FEATURES, FEATURES, open_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg import Connection, Record

    from tests.support.runner import Run

    Node = dict[str, Any]

POPULATION = Plan(
    as_of=AS_OF,
    shape="lively",
    students=1500,
    upcoming_events=600,
    past_events=600,
    organizers=60,
    tags=500,
    categories=16,
    cities=12,
    days=60,
    interactions_per_student=40,
    experiment_percent=50,
    zipf=1.0,
    seed=1337,
)
STUDENTS_A_BATCH = 10

# Implicit interests as telemetry would leave them.
LEARN = """
INSERT INTO user_implicit_interest_tags (user_id, tag_id, score, last_seen_at)
SELECT i.user_id, et.tag_id, least(count(*), 10), max(i.occurred_at)
FROM event_interactions AS i
INNER JOIN users AS u ON u.id = i.user_id AND u.role = 'student'
INNER JOIN event_tags AS et ON et.event_id = i.event_id
WHERE i.interaction_type = 'click'
GROUP BY i.user_id, et.tag_id;
INSERT INTO user_implicit_interest_categories (user_id, category, score, last_seen_at)
SELECT i.user_id, e.category, least(count(*), 10), max(i.occurred_at)
FROM event_interactions AS i
INNER JOIN users AS u ON u.id = i.user_id AND u.role = 'student'
INNER JOIN events AS e ON e.id = i.event_id
WHERE i.interaction_type = 'click' AND e.category IS NOT NULL
GROUP BY i.user_id, e.category;
INSERT INTO user_implicit_interest_cities (user_id, city, score, last_seen_at)
SELECT i.user_id, e.city, least(count(*), 10), max(i.occurred_at)
FROM event_interactions AS i
INNER JOIN users AS u ON u.id = i.user_id AND u.role = 'student'
INNER JOIN events AS e ON e.id = i.event_id
WHERE i.interaction_type = 'click' AND e.city IS NOT NULL
GROUP BY i.user_id, e.city
"""

# Each relation under the name of the table it is a partition of; the empty ones are left out,
# since reading nothing from end to end is no harm.
TABLE_OF = """
SELECT
    c.relname::text AS relation,
    coalesce(pg_partition_root(c.oid), c.oid)::regclass::text AS of_table
FROM pg_class AS c
WHERE
    c.relkind IN ('r', 'm')
    AND c.reltuples > 0
    AND c.relnamespace IN ('public'::regnamespace, 'recommender'::regnamespace)
"""

STUDENT_SIDE = {
    "users",
    "event_interactions",
    "favorite_events",
    "user_interest_tags",
    "user_implicit_interest_tags",
    "user_implicit_interest_categories",
    "user_implicit_interest_cities",
}
LISTS = {"user_recommendations", "recommendation_lists"}
TWINS = {"recommender.user_attribute_sources_snapshot", "recommender.event_attributes_snapshot"}


class Planner:
    """A session over the population, and which tables a plan reads from end to end."""

    def __init__(self, connection: Connection[Record], run: Run, table_of: dict[str, str]) -> None:
        self.connection = connection
        self.run = run
        self._table_of = table_of
        self._messages: list[str] = []

    def explain(self, sql: str) -> Node:
        text = self.run(
            self.connection.fetchval(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}")
        )
        plan: Node = json.loads(text)[0]["Plan"]
        return plan

    def read_whole(self, plan: Node) -> list[str]:
        """List the tables with rows that sequential scans read, as often as they do.

        What the extended features would read is in the plan, and not executed for others.
        """
        return sorted(
            self._table_of[node["Relation Name"]]
            for node in walk(plan)
            if node["Node Type"] == "Seq Scan"
            and node["Relation Name"] in self._table_of
            and node["Actual Loops"] > 0
        )

    def nested_plans(self, sql: str, *arguments: object) -> dict[str, Node]:
        """Run a call; give the plans of the statements in it by their text."""
        self._messages.clear()
        self.run(self._log(sql, *arguments))
        plans = {}
        for message in self._messages:
            _, brace, rest = message.partition("{")
            if brace:
                entry = json.loads(brace + rest)
                plans[" ".join(entry["Query Text"].split())] = entry["Plan"]
        return plans

    async def _log(self, sql: str, *arguments: object) -> None:
        self.connection.add_log_listener(self._keep)
        await self.connection.execute("SET auto_explain.log_min_duration = 0")
        try:
            await self.connection.execute(sql, *arguments)
        finally:
            await self.connection.execute("SET auto_explain.log_min_duration = -1")
            # Listeners are called one turn of the loop later.
            await self.connection.fetchval("SELECT 1")
            self.connection.remove_log_listener(self._keep)

    def _keep(self, _: object, message: Any) -> None:
        self._messages.append(message.message)


def walk(plan: Node) -> Iterator[Node]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from walk(child)


def only(plans: dict[str, Node], words: str) -> Node:
    """Give the plan of the one statement with these words."""
    (text,) = [text for text in plans if words in text]
    return plans[text]


NO_AUTOVACUUM = """
DO $$
DECLARE
    v_table regclass;
BEGIN
    FOR v_table IN
        SELECT c.oid FROM pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    LOOP
        EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = false)', v_table);
    END LOOP;
END
$$
"""
"""On a slow machine it comes in the middle, finds tables that are empty, and plans change."""

FLUSHED = "SET synchronous_commit = on"
"""VACUUM calls no page all visible whose commits are not on disk yet, and without that an
index-only scan costs more than reading a small table whole."""


@pytest.fixture(scope="module")
def planner(database_url: str, run: Run) -> Iterator[Planner]:
    async def populate() -> tuple[Connection[Record], dict[str, str]]:
        connection = await open_session(database_url)
        await connection.execute(NO_AUTOVACUUM)
        await connection.execute(FLUSHED)
        await generate_population(connection, POPULATION)
        await connection.execute(LEARN)
        await settle(connection)
        await connection.execute("SELECT recommender.refresh_features()")
        await connection.execute("ANALYZE")
        weights = [-1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, -0.5]
        await connection.execute(
            "SELECT recommender.store_model('m1', $1, $2, '{}')", FEATURES, weights
        )
        await connection.execute("CALL recommender.score_all(20)")
        await connection.execute("VACUUM (ANALYZE) user_recommendations, recommendation_lists")
        await connection.execute("ANALYZE")
        rows = await connection.fetch(TABLE_OF)
        return connection, {row["relation"]: row["of_table"] for row in rows}

    connection, table_of = run(populate())
    assert {*STUDENT_SIDE, *LISTS, *TWINS, "registrations", "events", "event_tags"} <= set(
        table_of.values()
    )
    yield Planner(connection, run, table_of)
    run(connection.close())


@pytest.fixture(scope="module")
def explainer(planner: Planner) -> Planner:
    """Let the server tell the plans of the statements in functions."""
    run, connection = planner.run, planner.connection
    if not run(connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")):
        pytest.skip("only a superuser may load auto_explain")
    run(
        connection.execute(
            "LOAD 'auto_explain';"
            " SET auto_explain.log_min_duration = -1; SET auto_explain.log_format = json;"
            " SET auto_explain.log_analyze = on; SET auto_explain.log_timing = off;"
            " SET auto_explain.log_nested_statements = on; SET auto_explain.log_level = notice"
        )
    )
    return planner


def test_a_sequential_scan_is_seen(planner: Planner) -> None:
    plan = planner.explain("SELECT count(meta) FROM event_interactions")
    assert set(planner.read_whole(plan)) == {"event_interactions"}


@pytest.mark.parametrize(
    "asked",
    [
        "SELECT * FROM recommender.user_event_features WHERE user_id = 100",
        "SELECT * FROM recommender.user_event_features WHERE user_id = ANY ('{100, 700, 1300}')",
        "SELECT * FROM recommender.user_event_features WHERE user_id BETWEEN 100 AND 104",
        "SELECT * FROM recommender.user_event_features WHERE user_id = 100 AND event_id = 7",
    ],
)
def test_features_of_some_students_do_not_read_the_others(asked: str, planner: Planner) -> None:
    plan = planner.explain(asked)
    read_whole = planner.read_whole(plan)
    assert STUDENT_SIDE & set(read_whole) == set()
    # All seats of all events are counted once; the students' own are found by their key.
    assert read_whole.count("registrations") <= 1
    assert "registrations_user_event_idx" in {node.get("Index Name") for node in walk(plan)}


def test_features_of_one_event_do_not_read_the_other_events(planner: Planner) -> None:
    plan = planner.explain("SELECT * FROM recommender.user_event_features AS f WHERE event_id = 7")
    read_whole = set(planner.read_whole(plan))
    assert read_whole & {"events", "event_tags", "tags", "registrations"} == set()
    # Every student is asked, each for its own rows.
    assert read_whole & STUDENT_SIDE <= {"users"}


FIND_LIST = "WITH candidates"
FORGET_TWINS = "UPDATE recommender_snapshot SET upcoming_refreshed_at = now() - interval '1 day'"


@pytest.fixture
def stale(planner: Planner) -> Iterator[None]:
    """Let the twins be of yesterday."""
    planner.run(planner.connection.execute(FORGET_TWINS))
    yield
    planner.run(planner.connection.execute("SELECT recommender.refresh_features()"))


def executed(plan: Node, relation: str) -> list[Node]:
    return [node for node in walk(plan) if node.get("Relation Name") == relation]


def test_one_students_list_reads_no_other_students_rows(explainer: Planner) -> None:
    plans = explainer.nested_plans("SELECT recommender.score_user(100, 20)")
    listed = only(plans, FIND_LIST)
    read_whole = set(explainer.read_whole(listed))
    assert read_whole & (STUDENT_SIDE | {"registrations", "event_tags"}) == set()
    for plan in plans.values():
        assert set(explainer.read_whole(plan)) & (STUDENT_SIDE | LISTS | TWINS) == set()


def test_one_students_list_reads_the_attributes_of_events_by_the_index_of_the_twin(
    explainer: Planner,
) -> None:
    plans = explainer.nested_plans("SELECT recommender.score_user(100, 20)")
    reads = executed(only(plans, FIND_LIST), "upcoming_attributes_snapshot")
    # Popularity of all, and the attributes the student has; neither is a scan of the whole.
    assert {node["Alias"][0] for node in reads} == {"t", "s"}
    assert {node["Node Type"] for node in reads} <= {
        "Index Only Scan", "Index Scan", "Bitmap Heap Scan",
    }  # fmt: skip


def test_no_join_of_one_students_list_is_a_loop_over_all_events(explainer: Planner) -> None:
    listed = only(explainer.nested_plans("SELECT recommender.score_user(100, 20)"), FIND_LIST)
    full = [node for node in walk(listed) if node.get("Join Type") == "Full"]
    assert [node["Node Type"] for node in full] in (["Hash Join"], ["Merge Join"])
    # The list is sorted before its events are looked up, so that the rest is not.
    (ranked,) = [node for node in walk(listed) if node.get("Subplan Name") == "CTE ranked"]
    assert ranked["Node Type"] == "Limit"
    assert {node["Node Type"] for node in ranked["Plans"]} == {"Nested Loop"}


@pytest.fixture
def extended(explainer: Planner) -> Iterator[None]:
    """Let a model of the extended set score."""
    run, connection = explainer.run, explainer.connection
    weights = [-1.0, *[0.5] * (len(EXTENDED_FEATURES) - 1)]
    refresh = "SELECT recommender.refresh_features()"
    run(
        connection.execute(
            "SELECT recommender.store_model('m2', $1, $2, '{}')", EXTENDED_FEATURES, weights
        )
    )
    run(connection.execute(refresh))
    run(connection.execute("VACUUM (ANALYZE)"))
    yield
    run(connection.execute("SELECT recommender.activate_model('m1')"))
    run(connection.execute("DELETE FROM recommender_models WHERE model_version = 'm2'"))
    run(connection.execute(refresh))


@pytest.mark.usefixtures("extended")
def test_with_extended_features_one_students_list_reads_no_other_students_rows(
    explainer: Planner,
) -> None:
    plans = explainer.nested_plans("SELECT recommender.score_user(100, 20)")
    assert "registrations" in {
        node.get("Relation Name") for plan in plans.values() for node in walk(plan)
    }
    for plan in plans.values():
        assert set(explainer.read_whole(plan)) & (
            STUDENT_SIDE | LISTS | TWINS | {"registrations", "event_tags"}
        ) == set()  # fmt: skip
    found = plans[next(text for text in plans if "FROM recommender.user_attributes AS a" in text)]
    assert {"registrations_user_event_idx", "upcoming_attributes_snapshot_key"} <= {
        node.get("Index Name") for node in walk(found) if node["Actual Loops"] > 0
    }


@pytest.mark.usefixtures("stale")
def test_without_fresh_twins_one_students_list_still_reads_no_other_students_rows(
    explainer: Planner,
) -> None:
    plans = explainer.nested_plans("SELECT recommender.score_user(100, 20)")
    listed = only(plans, FIND_LIST)
    assert set(explainer.read_whole(listed)) & (STUDENT_SIDE | {"registrations"}) == set()


def test_a_batch_reads_its_own_students_and_their_postings_by_index(
    explainer: Planner,
) -> None:
    run, connection = explainer.run, explainer.connection
    run_id = run(connection.fetchval("SELECT (recommender.start_run(20)).id"))
    run(connection.execute("SELECT recommender._refresh_for_run($1)", run_id))
    run(connection.execute("ANALYZE"))
    run(connection.execute("SELECT recommender.prepare_run($1)", run_id))
    batch, *_ = run(
        connection.fetch("SELECT * FROM recommender.run_batches($1, $2)", run_id, STUDENTS_A_BATCH)
    )
    # The plans that are kept are those of a batch of one.
    first, *others = batch["user_ids"]
    run(connection.execute("SELECT recommender.score_students($1, $2)", run_id, [first]))
    plans = explainer.nested_plans("SELECT recommender.score_students($1, $2)", run_id, others)
    for plan in plans.values():
        read_whole = set(explainer.read_whole(plan))
        assert read_whole & {*STUDENT_SIDE, *LISTS, *TWINS, "registrations"} == set()
    rank = only(plans, "INSERT INTO pg_temp.scoring_ranks")
    postings = {
        node["Node Type"] for node in walk(rank) if node.get("Relation Name") == "scoring_postings"
    }
    assert postings == {"Index Scan"}
    write = only(plans, "UPDATE public.user_recommendations")
    assert "user_recommendations_pkey" in {node.get("Index Name") for node in walk(write)}
    assert "Nested Loop" not in {node["Node Type"] for node in walk(write)}
    words = only(plans, "INSERT INTO pg_temp.scoring_words")
    # But for unnesting the arrays of a profile.
    looped = [node["Plans"][1] for node in walk(words) if node["Node Type"] == "Nested Loop"]
    assert {node["Node Type"] for node in looped} <= {"Function Scan"}


MOST_BUFFERS = 400
PAGE = "NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, {sort}, 1, 20"


def test_recommendations_read_whole_no_table_that_grows(explainer: Planner) -> None:
    plans = explainer.nested_plans("SELECT recommender.get_recommendations(100, '{en}')")
    grows = STUDENT_SIDE | LISTS | {"registrations", "events", "event_tags", "tags"}
    for plan in plans.values():
        assert set(explainer.read_whole(plan)) & grows == set()
    listed = only(plans, "FROM recommender.ranked_events AS r")
    ranks = {node.get("Index Name") for node in walk(listed) if node.get("Alias") == "r"}
    assert "user_recommendations_pkey" in ranks
    # The ranks are read one after the other until ten may be shown.
    assert {node["Node Type"] for node in walk(listed)} & {"Sort", "Hash Join"} == set()


@pytest.mark.parametrize("sort", ["'time'", "'recommended'"])
def test_a_page_of_events_reads_whole_no_table_but_events(sort: str, explainer: Planner) -> None:
    page = PAGE.format(sort=sort)
    plans = explainer.nested_plans(f"SELECT recommender.get_events(100, '{{en}}', {page})")
    for plan in plans.values():
        # The answer's total counts the events.
        assert set(explainer.read_whole(plan)) <= {"events", "recommendation_reasons"}


@pytest.mark.parametrize("switch", ["on", "off"])
def test_recommendations_touch_few_pages(switch: str, planner: Planner) -> None:
    """The list is the hot path; without one, the heuristic may read its candidates' links."""
    run, connection = planner.run, planner.connection

    async def hits() -> list[int]:
        await connection.execute("VACUUM (ANALYZE) registrations, users, events, event_tags, tags")
        await connection.execute(f"SET recommender.recommendations_use_ml_cache = {switch}")
        found = []
        try:
            for user_id in range(100, 160):
                call = f"recommender.get_recommendations({user_id}, '{{ro}}')"
                explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT {call}"
                await connection.fetchval(explain)
                text = await connection.fetchval(explain)
                found.append(json.loads(text)[0]["Plan"]["Shared Hit Blocks"])
        finally:
            await connection.execute("RESET recommender.recommendations_use_ml_cache")
        return found

    assert max(run(hits())) <= (MOST_BUFFERS if switch == "on" else 10 * MOST_BUFFERS)
