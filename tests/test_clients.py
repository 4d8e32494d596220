"""Who counts as one client of telemetry, when there is no token to tell."""

from __future__ import annotations

import pytest

from app.api.clients import client_key


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:c000:207", "192.0.2.7"),
        ("192.0.2.07", "192.0.2.07"),
        ("unknown", "unknown"),
        ("", ""),
        ("a\0b", "ab"),
        ("é" * 100, "é" * 64),
    ],
)
def test_an_address_is_a_client_and_so_is_a_network_of_ipv6(host: str, key: str) -> None:
    assert client_key({"type": "http", "client": (host, 4711)}) == key


def test_where_there_is_no_address_nobody_is_counted() -> None:
    assert client_key({"type": "http", "client": None}) is None
    assert client_key({"type": "http"}) is None
