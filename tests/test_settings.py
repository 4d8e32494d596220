"""Settings out of the environment: stored where all parts read them, checked, secrets left out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from asyncpg import PostgresError

from app.console import UsageError, UserError
from app.database import connect
from app.settings import read_settings, settings_model, store_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncpg import Connection, Record

    from tests.support.runner import Run

MIGRATE = Path(__file__).resolve().parents[1] / "scripts" / "migrate.py"
SECRETS = {
    "DATABASE_URL": "postgresql://me:hunter2@db.example.org/events",
    "SECRET_KEY": "hunter2",
    "HOST": "0.0.0.0",
    "PORT": "8000",
    "PGPASSWORD": "hunter2",
}


@pytest.fixture(scope="module")
def session(database_url: str, run: Run) -> Iterator[Connection[Record]]:
    connection = run(connect(database_url))
    yield connection
    run(connection.close())


@pytest.fixture
def connection(
    session: Connection[Record], run: Run, monkeypatch: pytest.MonkeyPatch
) -> Connection[Record]:
    """A session without stored settings, in a process without any in its environment."""
    run(session.execute("TRUNCATE recommender_settings; RESET ALL"))
    for row in run(session.fetch("SELECT name FROM recommender.setting_defaults")):
        monkeypatch.delenv(row["name"].upper(), raising=False)
    return session


def stored(connection: Connection[Record], run: Run) -> dict[str, tuple[str, str]]:
    rows = run(connection.fetch("SELECT name, value, source FROM recommender_settings"))
    return {row["name"]: (row["value"], row["source"]) for row in rows}


def setting(connection: Connection[Record], run: Run, name: str) -> object:
    return run(connection.fetchval("SELECT recommender.setting($1)", name))


def test_without_variables_nothing_is_stored_and_the_reference_decides(
    connection: Connection[Record], run: Run
) -> None:
    assert run(store_environment(connection)) == []
    assert stored(connection, run) == {}
    assert setting(connection, run, "analytics_rate_limit") == "120"


def test_a_variable_is_stored_and_read_by_every_session(
    connection: Connection[Record], run: Run, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANALYTICS_RATE_LIMIT", " 60 ")
    assert run(store_environment(connection)) == ["analytics_rate_limit"]
    assert stored(connection, run) == {"analytics_rate_limit": ("60", "environment")}

    async def elsewhere() -> object:
        other = await connect(database_url)
        try:
            return await other.fetchval("SELECT recommender.setting('analytics_rate_limit')")
        finally:
            await other.close()

    assert run(elsewhere()) == "60"


def test_only_what_changed_is_reported(
    connection: Connection[Record], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASK_QUEUE_ENABLED", "true")
    monkeypatch.setenv("ANALYTICS_RATE_LIMIT", "60")
    assert run(store_environment(connection)) == ["analytics_rate_limit", "task_queue_enabled"]
    first = run(connection.fetch("TABLE recommender_settings ORDER BY name"))
    assert run(store_environment(connection)) == []
    assert run(connection.fetch("TABLE recommender_settings ORDER BY name")) == first
    monkeypatch.setenv("ANALYTICS_RATE_LIMIT", "61")
    assert run(store_environment(connection)) == ["analytics_rate_limit"]
    assert stored(connection, run)["analytics_rate_limit"] == ("61", "environment")


def test_a_variable_replaces_what_an_admin_wrote_and_says_so(
    connection: Connection[Record], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = "INSERT INTO recommender_settings (name, value) VALUES ($1, $2)"
    run(connection.execute(admin, "analytics_rate_limit", "60"))
    run(connection.execute(admin, "task_queue_enabled", "true"))
    monkeypatch.setenv("ANALYTICS_RATE_LIMIT", "60")
    assert run(store_environment(connection)) == ["analytics_rate_limit"]
    assert stored(connection, run) == {
        "analytics_rate_limit": ("60", "environment"),
        "task_queue_enabled": ("true", "admin"),
    }


@pytest.mark.parametrize("empty", ["", "   ", "\t"])
def test_an_empty_variable_is_as_good_as_none(
    connection: Connection[Record], run: Run, monkeypatch: pytest.MonkeyPatch, empty: str
) -> None:
    monkeypatch.setenv("ANALYTICS_RATE_LIMIT", empty)
    assert run(store_environment(connection)) == []
    assert stored(connection, run) == {}


def test_a_stored_setting_stays_when_its_variable_goes(
    connection: Connection[Record], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANALYTICS_RATE_LIMIT", "60")
    run(store_environment(connection))
    monkeypatch.delenv("ANALYTICS_RATE_LIMIT")
    assert run(store_environment(connection)) == []
    assert setting(connection, run, "analytics_rate_limit") == "60"


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        (("ANALYTICS_RATE_LIMIT", "0"), "an integer from 1 to 1000000"),
        (("ANALYTICS_RATE_LIMIT", "1000001"), "an integer from 1 to 1000000"),
        (("ANALYTICS_RATE_LIMIT", "60.0"), "an integer from 1 to 1000000"),
        (("ANALYTICS_RATE_LIMIT", "1e2"), "an integer from 1 to 1000000"),
        (("ANALYTICS_RATE_LIMIT", "99999999999999999999"), "an integer from 1 to 1000000"),
        (("ANALYTICS_RATE_LIMIT", "sixty"), "an integer from 1 to 1000000"),
        (("ANALYTICS_RATE_LIMIT", "６０"), "an integer from 1 to 1000000"),
        (("ANALYTICS_RATE_LIMIT", "60\n61"), "an integer from 1 to 1000000"),
        (("ANALYTICS_ENABLED", "maybe"), "a boolean"),
        (("ANALYTICS_ENABLED", "2"), "a boolean"),
        (("TASK_QUEUE_POLL_INTERVAL_SECONDS", "nan"), "a number from 0.01 to 3600"),
        (("TASK_QUEUE_POLL_INTERVAL_SECONDS", "inf"), "a number from 0.01 to 3600"),
        (("TASK_QUEUE_POLL_INTERVAL_SECONDS", "0"), "a number from 0.01 to 3600"),
        (("TASK_QUEUE_POLL_INTERVAL_SECONDS", "'; DROP TABLE users; --"), "a number from 0.01"),
        (("PERSONALIZATION_GUARDRAILS_CTR_DROP_RATIO", "-0.1"), "a number from 0 to 1"),
    ],
)
def test_a_wrong_value_is_refused_by_the_variables_name_and_nothing_is_stored(
    connection: Connection[Record],
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    variable: tuple[str, str],
    expected: str,
) -> None:
    name, value = variable
    monkeypatch.setenv("EXPERIMENTS_PERSONALIZATION_ML_PERCENT", "50")
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as refusal:
        run(store_environment(connection))
    assert str(refusal.value).startswith(f"{name} is {value!r}: expected {expected}")
    assert stored(connection, run) == {}


def test_the_name_of_a_model_is_for_one_command_and_never_stored(
    connection: Connection[Record], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOMMENDER_MODEL_VERSION", "ml-v1 beta")
    assert run(store_environment(connection)) == []
    assert stored(connection, run) == {}


def test_bytes_that_are_no_text_are_refused_by_the_variables_name(
    connection: Connection[Record], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "ANALYTICS_RATE_LIMIT", "caf\udce9")
    with pytest.raises(UserError, match=r"^ANALYTICS_RATE_LIMIT is .*UTF-8"):
        run(store_environment(connection))
    assert stored(connection, run) == {}


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        (("ANALYTICS_ENABLED", " True "), "true"),
        (("ANALYTICS_ENABLED", "N"), "false"),
        (("ANALYTICS_RATE_LIMIT", "\t60\n"), "60"),
        (("ANALYTICS_RATE_LIMIT", "+0060"), "60"),
        (("PERSONALIZATION_GUARDRAILS_MIN_IMPRESSIONS", "1000000000"), "1000000000"),
        (("TASK_QUEUE_POLL_INTERVAL_SECONDS", "1e3"), "1000"),
        (("TASK_QUEUE_POLL_INTERVAL_SECONDS", "1E-2"), "0.01"),
        (("TASK_QUEUE_POLL_INTERVAL_SECONDS", "+.5"), "0.5"),
        (("TASK_QUEUE_POLL_INTERVAL_SECONDS", "5."), "5"),
        (("RECOMMENDATIONS_ONLINE_LEARNING_DECAY_HALF_LIFE_HOURS", "72.3"), "72.3"),
        (("PERSONALIZATION_GUARDRAILS_CTR_DROP_RATIO", "-0.0"), "0"),
        (("PERSONALIZATION_GUARDRAILS_CTR_DROP_RATIO", "1e-20"), "0"),
        (("PERSONALIZATION_GUARDRAILS_CTR_DROP_RATIO", "0.1234567890123456"), "0.123456789012346"),
    ],
)
def test_a_value_is_stored_in_the_form_that_sql_reads(
    connection: Connection[Record],
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    variable: tuple[str, str],
    text: str,
) -> None:
    name, value = variable
    monkeypatch.setenv(name, value)
    assert run(store_environment(connection)) == [name.lower()]
    assert stored(connection, run) == {name.lower(): (text, "environment")}
    assert setting(connection, run, name.lower()) == text


def test_every_bound_is_a_value_and_what_lies_beyond_is_not(
    connection: Connection[Record], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounded = run(
        connection.fetch(
            "SELECT name, min_value, max_value FROM recommender.setting_defaults"
            " WHERE min_value IS NOT NULL"
        )
    )
    for row in bounded:
        variable = row["name"].upper()
        for bound, beyond in ((row["min_value"], -1), (row["max_value"], 1)):
            monkeypatch.setenv(variable, f"{bound:.12g}")
            run(store_environment(connection))
            assert float(str(setting(connection, run, row["name"]))) == bound
            monkeypatch.setenv(variable, f"{bound + beyond:.12g}")
            with pytest.raises(UserError, match=f"^{variable} is "):
                run(store_environment(connection))
        monkeypatch.delenv(variable)


def test_what_changed_is_told_with_its_value(
    connection: Connection[Record], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setenv("TASK_QUEUE_ENABLED", "Yes")
    monkeypatch.setenv("ANALYTICS_RATE_LIMIT", "60")
    run(store_environment(connection, told.append))
    assert sorted(told) == [
        "setting analytics_rate_limit is now 60, from the environment",
        "setting task_queue_enabled is now true, from the environment",
    ]
    run(store_environment(connection, told.append))
    assert len(told) == 2


def test_the_model_is_the_table_of_defaults(connection: Connection[Record], run: Run) -> None:
    rows = run(connection.fetch("SELECT d.* FROM recommender.setting_defaults AS d"))
    properties = settings_model().model_json_schema()["properties"]
    assert list(properties) == [row["name"] for row in rows]
    for row in rows:
        field = properties[row["name"]]
        if "|" in row["value_type"]:
            assert field["enum"] == row["value_type"].split("|")
        else:
            assert field["type"] == {"text": "string"}.get(row["value_type"], row["value_type"])
        assert (field.get("minimum"), field.get("maximum")) == (row["min_value"], row["max_value"])
        assert field["description"] == row["description"]
        assert str(field["default"]).lower().removesuffix(".0") == row["default_value"]


def test_a_wrong_value_is_refused_before_there_is_a_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TASK_QUEUE_ENABLED", "perhaps")
    with pytest.raises(UsageError, match=r"^TASK_QUEUE_ENABLED is 'perhaps': expected a boolean$"):
        read_settings()


def test_a_setting_the_database_does_not_know_yet_is_not_stored(
    connection: Connection[Record], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANALYTICS_RATE_LIMIT", "60")
    monkeypatch.setenv("TASK_QUEUE_ENABLED", "true")

    async def older_database() -> list[str]:
        transaction = connection.transaction()
        await transaction.start()
        try:
            definition = await connection.fetchval(
                "SELECT pg_get_viewdef('recommender.setting_defaults'::regclass)"
            )
            older = f"{definition.rstrip(';')} WHERE d.name <> 'analytics_rate_limit'"
            await connection.execute(
                f"CREATE OR REPLACE VIEW recommender.setting_defaults AS {older}"
            )
            return await store_environment(connection)
        finally:
            await transaction.rollback()

    assert run(older_database()) == ["task_queue_enabled"]


@pytest.mark.parametrize("value", ["true", "FALSE", "T", "f", "Yes", "no", "ON", "off", "1", "0"])
def test_a_switch_may_be_written_in_many_ways(
    connection: Connection[Record], run: Run, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ANALYTICS_ENABLED", value)
    assert run(store_environment(connection)) == ["analytics_enabled"]
    is_on = run(connection.fetchval("SELECT recommender.setting('analytics_enabled')::boolean"))
    assert is_on == (value.lower() in {"true", "t", "yes", "on", "1"})


def test_every_setting_takes_its_own_default_from_the_environment(
    connection: Connection[Record], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = run(
        connection.fetch(
            "SELECT name, default_value FROM recommender.setting_defaults"
            " WHERE default_value <> '' ORDER BY name"
        )
    )
    for row in defaults:
        monkeypatch.setenv(row["name"].upper(), row["default_value"])
    assert run(store_environment(connection)) == [row["name"] for row in defaults]
    wrong = run(connection.fetch("SELECT name FROM recommender.settings WHERE NOT is_valid"))
    assert wrong == []


def test_secrets_and_addresses_are_never_stored(
    connection: Connection[Record], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    assert run(store_environment(connection)) == []
    assert stored(connection, run) == {}
    names = run(connection.fetch("SELECT name FROM recommender.setting_defaults"))
    assert not {row["name"].upper() for row in names} & set(SECRETS)
    for name in SECRETS:
        with pytest.raises(PostgresError, match="there is no setting") as refusal:
            setting(connection, run, name.lower())
        assert refusal.value.sqlstate == "ER001"


def test_a_session_may_try_a_value_without_storing_it(
    connection: Connection[Record], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANALYTICS_RATE_LIMIT", "60")
    run(store_environment(connection))

    async def source() -> tuple[object, ...]:
        row = await connection.fetchrow(
            "SELECT value, source FROM recommender.settings WHERE name = 'analytics_rate_limit'"
        )
        assert row is not None
        return tuple(row)

    assert run(source()) == ("60", "environment")
    run(connection.execute("SET recommender.analytics_rate_limit = '5'"))
    assert run(source()) == ("5", "session")
    run(connection.execute("SET recommender.analytics_rate_limit = ''"))
    assert run(source()) == ("60", "environment")


def test_a_wrong_value_in_the_table_is_named_when_it_is_read(
    connection: Connection[Record], run: Run
) -> None:
    run(
        connection.execute(
            "INSERT INTO recommender_settings (name, value) VALUES ('analytics_rate_limit', 'many')"
        )
    )
    with pytest.raises(PostgresError, match='setting analytics_rate_limit is "many"') as refusal:
        setting(connection, run, "analytics_rate_limit")
    assert refusal.value.sqlstate == "ER002"


def test_migrating_stores_the_environment_and_names_a_wrong_variable(
    connection: Connection[Record], run: Run, database_url: str
) -> None:
    def migrate(value: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(MIGRATE)],
            env=os.environ
            | {"DATABASE_URL": database_url, "SECRET_KEY": "hunter2", "TASK_QUEUE_ENABLED": value},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    done = migrate("true")
    assert done.returncode == 0, done.stderr
    assert "task_queue_enabled" in done.stdout + done.stderr
    assert stored(connection, run) == {"task_queue_enabled": ("true", "environment")}
    done = migrate("perhaps")
    assert done.returncode == 2
    assert "TASK_QUEUE_ENABLED is 'perhaps': expected a boolean" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert stored(connection, run) == {"task_queue_enabled": ("true", "environment")}


def test_a_read_only_database_that_has_the_settings_needs_no_storing(
    connection: Connection[Record], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASK_QUEUE_ENABLED", "true")
    assert run(store_environment(connection)) == ["task_queue_enabled"]
    run(connection.execute("SET default_transaction_read_only = on"))
    try:
        assert run(store_environment(connection)) == []
    finally:
        run(connection.execute("RESET default_transaction_read_only"))
