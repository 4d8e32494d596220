"""scripts/simulate_guardrails.py: what it says, refuses and exits with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.console import EXIT_FAILURE, EXIT_USAGE
from scripts.simulate_guardrails import chosen_experiment, parse_arguments

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "simulate_guardrails.py"
SECONDS = 60
SHORT = ("--weeks", "2", "--students", "100", "--effect", "-0.95")


def simulate(url: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPT), *flags],
        env=os.environ | {"DATABASE_URL": url, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_it_says_a_line_for_each_method(database_url: str) -> None:
    done = simulate(database_url, *SHORT)
    assert (done.returncode, done.stderr) == (0, "")
    ratio, sequential = done.stdout.splitlines()
    assert ratio == "ratio: rolled back in 2 of 2 weeks (100.0%), after 2.0 days on average"
    assert sequential.startswith("sequential: rolled back in ")


def test_json_has_the_experiment_and_the_results(database_url: str) -> None:
    done = simulate(database_url, *SHORT, "--json", "--method", "sequential")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert document["experiment"]["effect"] == -0.95
    assert document["experiment"]["students"] == 100
    (result,) = document["methods"]
    assert result["method"] == "sequential"
    assert result["share"] == result["rollbacks"] / result["weeks"]


def test_the_same_seed_says_the_same(database_url: str) -> None:
    first, second, other = (
        simulate(database_url, *SHORT, "--json", "--seed", seed).stdout for seed in "112"
    )
    assert first == second != other


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--at-most", "0.5"), "error: ratio rolled back in more than 50.0% of weeks\n"),
        (("--at-least", "1", "--drop", "1"), "error: ratio rolled back in less than 100.0%"),
    ],
)
def test_a_bound_that_is_not_met_exits_1(
    database_url: str, flags: tuple[str, ...], sentence: str
) -> None:
    done = simulate(database_url, *SHORT, *flags)
    assert done.returncode == EXIT_FAILURE
    assert done.stderr.startswith(sentence)


def test_a_database_without_guardrails_is_named(empty_database_url: str) -> None:
    done = simulate(empty_database_url, *SHORT)
    assert done.returncode == EXIT_FAILURE
    assert "scripts/migrate.py" in done.stderr


@pytest.mark.parametrize(
    "flags",
    [
        ("--weeks", "0"),
        ("--percent", "100"),
        ("--students", "3", "--percent", "1"),
        ("--ctr", "0"),
        ("--effect", "-1.1"),
        ("--drop", "nan"),
        ("--method", "bayes"),
    ],
)
def test_wrong_flags_exit_2(flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_arguments(list(flags))
    assert ended.value.code == EXIT_USAGE
    assert flags[0] in capsys.readouterr().err


def test_the_drop_of_registrations_is_that_of_clicks_unless_given() -> None:
    def drops(*flags: str) -> tuple[float, float]:
        experiment = chosen_experiment(parse_arguments(list(flags)))
        return experiment.drop, experiment.conversion_drop

    assert drops() == (0.3, 0.3)
    assert drops("--drop", "0.1") == (0.1, 0.1)
    assert drops("--drop", "0.1", "--conversion-drop", "0.4") == (0.1, 0.4)
