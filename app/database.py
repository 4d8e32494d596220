"""Where the database is, and how to open a connection to it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
from pydantic import AfterValidator, SecretStr

from app.console import UsageError, UserError, describe_database_error
from app.embedded import OLDEST_MAJOR, EmbeddedServer

if TYPE_CHECKING:
    from asyncpg import Connection, Record

EMBEDDED_DATA_DIR = Path(__file__).resolve().parents[1] / ".data" / "postgres"
DATABASE_NAME = "eventrank"
CONNECT_SECONDS = 15.0

HOST = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(:\d*)?")

SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
SESSION_SETTINGS = {"application_name": "eventrank", "jit": "off", "timezone": "UTC"}

POOLER_HINT = (
    "Commands need a session of their own: connect to PostgreSQL itself, or to a pooler in session"
    " mode that ignores jit; only the server (python -m app) works behind transaction pooling."
)


def database_url() -> str:
    """Give the server that DATABASE_URL names, else the embedded one, started when needed."""
    if given := configured_url():
        return given
    server = embedded_server()
    server.start()
    server.create_database(DATABASE_NAME)
    return server.url(DATABASE_NAME)


def configured_url() -> str | None:
    """Give DATABASE_URL in the form asyncpg and psql share, or None when it is not set."""
    given = os.environ.get("DATABASE_URL", "").strip()
    return normalized_url(given, "DATABASE_URL") if given else None


def embedded_server() -> EmbeddedServer:
    """Give the embedded server of this working tree, running or not."""
    return EmbeddedServer(EMBEDDED_DATA_DIR)


def normalized_url(given: str, variable: str) -> str:
    """Bring an address into the form postgresql://…, or say what is wrong with it."""
    expected = "expected postgresql://user:password@host:port/database"
    scheme, separator, rest = given.partition("://")
    if not separator or scheme not in SCHEMES:
        # Any part of a value without a scheme may be the password, so none of it is shown.
        seen = f"starts with {scheme}://" if separator else "has no ://"
        raise UsageError(f"{variable} is not a PostgreSQL address, it {seen}: {expected}")
    url = f"postgresql://{rest}"
    if not _is_well_formed(url):
        raise UsageError(
            f"{variable} is malformed: {expected}, where special characters in user and password"
            " are percent-encoded and the port is a number"
        )
    return url


def _read_address(given: SecretStr) -> SecretStr:
    try:
        return SecretStr(normalized_url(given.get_secret_value(), "DATABASE_URL"))
    except UserError as error:
        raise ValueError(str(error).partition(": ")[2]) from None


DatabaseAddress = Annotated[SecretStr, AfterValidator(_read_address)]
"""DATABASE_URL as a field of a settings model: in the form of normalized_url, and never shown."""


def _is_well_formed(url: str) -> bool:
    """Check what a password with a bare / ? # or @ in it breaks."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    login, _, hosts = parts.netloc.rpartition("@")
    query_may_have_at = "@" in parts.netloc or not parts.netloc
    return (
        all(HOST.fullmatch(host) for host in hosts.split(","))
        and "@" not in login + parts.path
        and not parts.fragment
        and ("@" not in parts.query or query_may_have_at)
    )


def describe_url(url: str) -> str:
    """Name database, server and user of an address, never the password."""
    if not _is_well_formed(url):
        return "the given address"
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    user = unquote(login.partition(":")[0]) or query.get("user")
    database = unquote(parts.path.removeprefix("/")) or query.get("dbname")
    server = unquote(hosts) or query.get("host") or os.environ.get("PGHOST", "localhost")
    return (
        (f"the database {database} on " if database else "")
        + server
        + (f" as user {user}" if user else "")
    )


async def connect(url: str | None = None, **server_settings: str) -> Connection[Record]:
    """Open a connection with the session settings every command relies on."""
    address = normalized_url(url, "the address") if url else database_url()
    connection = await _open(address, SESSION_SETTINGS | server_settings)
    try:
        _check_server(connection, address)
    except UserError:
        await connection.close()
        raise
    return connection


async def _open(address: str, server_settings: dict[str, str]) -> Connection[Record]:
    where = describe_url(address)
    try:
        return await asyncpg.connect(
            address, timeout=CONNECT_SECONDS, server_settings=server_settings
        )
    except (asyncpg.ClientConfigurationError, OverflowError) as error:
        # What it says is wrong, and no waiting will mend it.
        raise UsageError(f"the address {where} cannot be used: {error}") from None
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise UserError(
            f"cannot log in to {where}: wrong password, or a user without access"
            f" ({describe_database_error(error).rstrip('.')})"
        ) from None
    except asyncpg.InvalidCatalogNameError:
        raise UserError(
            f"there is no such database: {where}; create it (createdb) or correct the address"
        ) from None
    except asyncpg.PostgresError as error:
        hint = f" {POOLER_HINT}" if "startup parameter" in str(error) else ""
        raise UserError(f"cannot open {where}: {describe_database_error(error)}{hint}") from None
    except TimeoutError:
        raise UserError(
            f"cannot reach {where}: no answer within {CONNECT_SECONDS:g} seconds"
        ) from None
    except OSError as error:
        raise UserError(f"cannot reach {where}: {_reason(error)}") from None
    except asyncpg.InterfaceError as error:
        raise UserError(f"cannot open {where}: {error}") from None


def _reason(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there; is the server started?"
    if isinstance(error, FileNotFoundError):
        return "there is no socket; is the server started?"
    return error.strerror or str(error)


def _check_server(connection: Connection[Record], address: str) -> None:
    version = connection.get_server_version()
    if version.major < OLDEST_MAJOR:
        raise UserError(
            f"PostgreSQL {OLDEST_MAJOR} or newer is needed, and {describe_url(address)} is"
            f" PostgreSQL {version.major}.{version.minor}"
        )
    encoding = connection.get_settings().server_encoding
    if encoding != "UTF8":
        raise UserError(
            f"the encoding of {describe_url(address)} is {encoding}, and UTF8 is needed: create"
            " a database with ENCODING 'UTF8' TEMPLATE template0"
        )
