"""The embedded PostgreSQL: one data directory, served by whatever programs are at hand."""

from app.embedded.programs import OLDEST_MAJOR, find_binaries
from app.embedded.server import EmbeddedServer

__all__ = ["OLDEST_MAJOR", "EmbeddedServer", "find_binaries"]
