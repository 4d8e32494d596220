"""What a fault of the database means over HTTP: one table from SQLSTATE to status and sentence."""

from __future__ import annotations

from typing import NamedTuple


class Outcome(NamedTuple):
    """The answer to a request that met a fault; it says nothing of tables, values or addresses."""

    status: int
    detail: str


AWAY = Outcome(503, "the database cannot be reached at the moment")
TOO_LATE = Outcome(503, "the database did not answer in time")
UNKNOWN = Outcome(500, "the request failed in the database; the server's log says why")

_BUSY = Outcome(503, "the database is busy; the request was given up")
_NOT_INSTALLED = Outcome(503, "the database's schema is missing or of another version")
_POOLER = Outcome(503, "the server is not set up for the connection pooler before the database")
_UNFIT = Outcome(503, "a table of the app does not take what is to be stored; /readyz says why")
_UNUSABLE_MODEL = Outcome(500, "the model that is active cannot be used")

OUTCOMES = {
    # A SQLSTATE, or the two characters of its class for the rest of it.
    "08": AWAY,
    "26000": _POOLER,
    "28": Outcome(503, "the database does not let the server in"),
    "3D000": Outcome(503, "the database does not exist"),
    "23503": Outcome(503, "what the request refers to was deleted meanwhile"),
    "23502": _UNFIT,
    "23514": _UNFIT,
    "42804": _UNFIT,
    "25006": Outcome(503, "the database takes no changes at the moment"),
    "40": _BUSY,
    "53": Outcome(503, "the database has too much to do at the moment"),
    "55P03": _BUSY,
    "57": AWAY,
    "57014": TOO_LATE,
    "0A000": _NOT_INSTALLED,
    "3F000": _NOT_INSTALLED,
    "42501": Outcome(
        503, "the server's role lacks a right on the database; the server's log says which"
    ),
    "42703": _NOT_INSTALLED,
    "42883": _NOT_INSTALLED,
    "42P01": _NOT_INSTALLED,
    "42P05": _POOLER,
    # Our own class; what each means stands in docs/sql-api.md.
    "ER": UNKNOWN,
    "ER002": Outcome(503, "a setting is not valid; /readyz names it"),
    "ER003": Outcome(422, "a value is outside its bounds"),
    "ER010": Outcome(409, "there is no model yet"),
    "ER011": Outcome(404, "there is no such model"),
    "ER012": _UNUSABLE_MODEL,
    "ER013": _UNUSABLE_MODEL,
    "ER014": Outcome(409, "a model of that version exists already"),
    "ER020": Outcome(403, "this is for students only"),
    "ER021": Outcome(404, "there is no such event"),
    "ER030": Outcome(409, "there are lists of a later moment"),
    "ER031": Outcome(409, "another model became active meanwhile"),
    "ER032": Outcome(409, "there is nothing to resume"),
    "ER040": Outcome(409, "the task queue is switched off: TASK_QUEUE_ENABLED is false"),
    "ER041": Outcome(422, "there is no such type of job"),
    "ER042": Outcome(422, "the job's payload is not one of its type"),
    "ER043": Outcome(404, "there is no such job"),
    "ER044": Outcome(409, "the job has not failed"),
    "ER045": Outcome(503, "the telemetry's table is in use; no partition was made"),
    "ER050": Outcome(422, "the number of days is not between 1 and 365"),
    "ER051": Outcome(422, "the weights are not one finite number for each feature"),
    "ER052": Outcome(404, "there is no such entry of the schedule"),
    "ER053": Outcome(422, "the cron expression is not valid"),
    "ER054": Outcome(409, "pg_cron is not installed in the database"),
    "ER056": Outcome(409, "the run is not prepared in this session"),
}


def outcome(sqlstate: str) -> Outcome:
    """Give what a client is told about a fault with this SQLSTATE."""
    return OUTCOMES.get(sqlstate) or OUTCOMES.get(sqlstate[:2]) or UNKNOWN
