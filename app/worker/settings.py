"""What the worker alone needs to know, from environment variables; the rest is app.settings."""

from __future__ import annotations

from pydantic import Field

from app.database import DatabaseAddress, database_url
from app.environment import EnvironmentModel, LogFormat, LogLevel, WholeNumber, read_environment


class WorkerSettings(EnvironmentModel):
    """The settings of a worker's process; DATABASE_URL never leaves it."""

    database_url: DatabaseAddress | None = Field(
        default=None,
        description="The PostgreSQL whose jobs to run, postgresql://user:password@host:port/"
        "database; unset, the embedded one under .data/",
    )
    worker_concurrency: WholeNumber = Field(
        default=2, ge=1, le=64, description="Lists of students refreshed at once, at most"
    )
    log_level: LogLevel = Field(default="info", description="The least severity that is logged")
    log_format: LogFormat = Field(
        default="text",
        description="How lines are logged: text for people, json for machines, one object a line",
    )

    def address(self) -> str:
        """Give the database's address; without one, the embedded server's, started when needed."""
        return self.database_url.get_secret_value() if self.database_url else database_url()


def read_worker_settings() -> WorkerSettings:
    """Read them from the environment; a wrong one is a UsageError with its name."""
    return read_environment(WorkerSettings)
