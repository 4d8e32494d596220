"""What the server alone needs to know, from environment variables; the rest is app.settings."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from app.database import DatabaseAddress, database_url
from app.environment import EnvironmentModel, LogFormat, LogLevel, WholeNumber, read_environment

SHORT_SECRET_BYTES = 32
"""HS256 is as strong as its key up to the length of its hash (RFC 7518, section 3.2)."""

HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
DEFAULT_PORTS = {"http": 80, "https": 443}


def _read_origins(given: object) -> object:
    """Give the origins of a comma-separated list in the form in which browsers send them."""
    if not isinstance(given, str):
        return given
    origins = [part.strip() for part in given.split(",") if part.strip()]
    if origins == ["*"]:
        return tuple(origins)
    return tuple(_origin(text) for text in origins)


def _origin(text: str) -> str:
    expected = ValueError(
        "expected origins such as https://example.org, separated by commas, or * alone"
    )
    try:
        parts = urlsplit(text.lower())
        port = parts.port
    except ValueError:
        raise expected from None
    host = parts.netloc.partition(f":{port}")[0] if port is not None else parts.netloc
    if parts.scheme not in DEFAULT_PORTS or not HOST_NAME.fullmatch(host):
        raise expected
    if parts.path or parts.query or parts.fragment or text.endswith(("?", "#")):
        raise expected
    suffix = "" if port in {None, DEFAULT_PORTS[parts.scheme]} else f":{port}"
    return f"{parts.scheme}://{host}{suffix}"


def _require_proxies(given: str) -> str:
    """Refuse what uvicorn would take for the name of a socket and never match."""
    proxies = [part.strip() for part in given.split(",") if part.strip()]
    if proxies != ["*"]:
        for proxy in proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError:
                raise ValueError(
                    "expected addresses or networks such as 10.0.0.0/8, separated by commas,"
                    " or * alone"
                ) from None
    return ",".join(proxies)


class ServerSettings(EnvironmentModel):
    """The settings of the HTTP server; DATABASE_URL and SECRET_KEY never leave the process."""

    secret_key: SecretStr = Field(
        description="The key that signs bearer tokens (HS256), 32 random bytes or more"
    )
    database_url: DatabaseAddress | None = Field(
        default=None,
        description="The PostgreSQL to serve from, postgresql://user:password@host:port/database;"
        " unset, the embedded one under .data/",
    )
    host: str = Field(default="127.0.0.1", description="The address to listen on")
    port: WholeNumber = Field(
        default=8000, ge=0, le=65535, description="The port to listen on; 0 takes any free one"
    )
    cors_origins: Annotated[tuple[str, ...], BeforeValidator(_read_origins)] = Field(
        default=(),
        description="Origins whose pages may call the API, separated by commas, or * for all;"
        " unset, browsers keep other sites' pages out",
    )
    forwarded_allow_ips: Annotated[str, AfterValidator(_require_proxies)] = Field(
        default="127.0.0.1",
        description="Proxies whose X-Forwarded-For and -Proto are believed: addresses or networks,"
        " separated by commas, or * for all",
    )
    database_pool_size: WholeNumber = Field(
        default=8, ge=1, le=1000, description="Connections to the database, at most"
    )
    database_timeout_seconds: float = Field(
        default=5,
        ge=0.1,
        le=300,
        description="Seconds a request waits for the database, at most; then it is answered 503",
    )
    database_prepared_statements: bool = Field(
        default=True,
        description="Keep prepared statements; false behind PgBouncer in transaction mode",
    )
    max_body_bytes: WholeNumber = Field(
        default=2_097_152,
        ge=1024,
        le=1_073_741_824,
        description="Bytes a request's body may have; a larger one is answered 413 unread",
    )
    desk_enabled: bool = Field(
        default=True, description="Serve the admins' desk, the pages under /desk"
    )
    demo_mode: bool = Field(
        default=False,
        description="Serve the demo's events site at /, where anybody becomes any student; never"
        " where students are real",
    )
    log_level: LogLevel = Field(default="info", description="The least severity that is logged")
    log_format: LogFormat = Field(
        default="text",
        description="How lines are logged: text for people, json for machines, one object a line",
    )

    @property
    def has_short_secret(self) -> bool:
        """Whether the key can be guessed sooner than the signature's hash."""
        return len(self.secret_key.get_secret_value().encode()) < SHORT_SECRET_BYTES

    def address(self) -> str:
        """Give the database's address; without one, the embedded server's, started when needed."""
        return self.database_url.get_secret_value() if self.database_url else database_url()


def read_server_settings() -> ServerSettings:
    """Read them from the environment; a wrong or missing one is a UsageError with its name."""
    return read_environment(ServerSettings)
