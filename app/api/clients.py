"""Whom telemetry without a token is counted for: the address a request comes from."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope

MAX_CHARACTERS = 64


def client_key(scope: Scope) -> str | None:
    """Give the client's address, an IPv6 one's network; None where the server knows of none.

    The address is the one behind the proxies that FORWARDED_ALLOW_IPS trusts. One household has
    2 ** 64 addresses of IPv6, so all of a /64 network count as one.
    """
    client = scope.get("client")
    return _key(client[0]) if client else None


@lru_cache(maxsize=4096)
def _key(host: str) -> str:
    try:
        address: IPv4Address | IPv6Address = ip_address(host)
    except ValueError:
        # A proxy may send any word; PostgreSQL has no NUL in text.
        return host.replace("\0", "")[:MAX_CHARACTERS]
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), 64), strict=False))
