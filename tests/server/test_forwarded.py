"""The address of a client in the log comes from a trusted proxy only, and is always an address."""

from __future__ import annotations

import re

import pytest

from agent.server.forwarded import ForwardedFor
from agent.settings import Settings
from tests.http.wire import exchange
from tests.properties.test_parsers import finished
from tests.support import loopback
from tests.support.agents import agent_process, wait_until

PEER = ("192.0.2.10", 4711)


def client_of(
    *values: str,
    trusted: str = "192.0.2.10,10.0.0.0/8",
    peer: tuple[str, int] | None = PEER,
    on_unix_socket: bool = False,
) -> tuple[str, int] | None:
    """The client that the app sees for these X-Forwarded-For lines."""
    seen: list[tuple[str, int] | None] = []

    async def app(scope: dict[str, object], _receive: object, _send: object) -> None:
        seen.append(scope["client"])  # type: ignore[arg-type]  # as ASGI has it

    networks = Settings.from_mapping({"FORWARDED_ALLOW_IPS": trusted}).forwarded_allow_ips
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in values]
    scope = {"type": "http", "client": peer, "headers": headers}
    forwarded = ForwardedFor(app, trusted=networks, on_unix_socket=on_unix_socket)  # type: ignore[arg-type]  # as above
    finished(forwarded(scope, None, None))  # type: ignore[arg-type]  # neither is used
    return seen[0]


@pytest.mark.parametrize(
    ("values", "client"),
    [
        pytest.param([], PEER, id="none"),
        pytest.param(["203.0.113.9"], ("203.0.113.9", 0), id="IPv4"),
        pytest.param([" 203.0.113.9:80\t"], ("203.0.113.9", 80), id="a port, blanks"),
        pytest.param(["2001:DB8:0::9"], ("2001:db8::9", 0), id="IPv6"),
        pytest.param(["[2001:db8::9]:80"], ("2001:db8::9", 80), id="IPv6 and port"),
        pytest.param(["[2001:db8::9]"], ("2001:db8::9", 0), id="IPv6 in brackets"),
        pytest.param(["::ffff:203.0.113.9"], ("203.0.113.9", 0), id="IPv4 in IPv6"),
        pytest.param(["198.51.100.1, 203.0.113.9"], ("203.0.113.9", 0), id="the client's own line before it"),
        pytest.param(["198.51.100.1", "203.0.113.9"], ("203.0.113.9", 0), id="in two lines"),
        pytest.param(["203.0.113.9, 10.1.2.3"], ("203.0.113.9", 0), id="two proxies"),
        pytest.param(["10.9.9.9, 10.1.2.3"], ("10.9.9.9", 0), id="all trusted"),
        pytest.param(["evil, 203.0.113.9"], ("203.0.113.9", 0), id="junk from the client"),
        pytest.param(["203.0.113.9, evil"], PEER, id="junk"),
        pytest.param(["evil, 10.1.2.3"], PEER, id="junk behind a proxy"),
        pytest.param([""], PEER, id="empty"),
        pytest.param(["unknown"], PEER, id="unknown"),
        pytest.param(["203.0.113.256"], PEER, id="not an address"),
        pytest.param(["203.0.113.9 evil"], PEER, id="more than an address"),
        pytest.param(["203.0.113.9\x85"], PEER, id="C1"),
        pytest.param(["fe80::1%\x9b31m"], PEER, id="C1 in a zone"),
        pytest.param(["203.0.113.9:x"], PEER, id="not a port"),
        pytest.param(["203.0.113.9:65535"], ("203.0.113.9", 65535), id="the last port"),
        pytest.param(["203.0.113.9:65536"], PEER, id="a port above 65535"),
        pytest.param(["[::1"], PEER, id="half a bracket"),
        pytest.param(["::1]"], PEER, id="the other half"),
        pytest.param(["203.0.113.9" + ",10.1.2.3" * 31], ("203.0.113.9", 0), id="31 proxies"),
        pytest.param(["203.0.113.9" + ",10.1.2.3" * 32], ("10.1.2.3", 0), id="32 proxies"),
        pytest.param(["203.0.113.9" + ",10.1.2.3" * 5000], ("10.1.2.3", 0), id="a list without end"),
    ],
)
def test_the_client_is_the_nearest_address_that_is_not_trusted(
    values: list[str], client: tuple[str, int]
) -> None:
    assert client == client_of(*values)


@pytest.mark.parametrize(
    ("trusted", "peer", "is_trusted"),
    [
        ("127.0.0.1", "192.0.2.10", False),
        ("192.0.2.11", "192.0.2.10", False),
        ("192.0.2.0/24", "192.0.2.10", True),
        ("*", "192.0.2.10", True),
        ("192.0.2.10", "::ffff:192.0.2.10", True),
        ("2001:db8::/32", "2001:db8::1", True),
        ("2001:db8::/32", "192.0.2.10", False),
        ("fe80::1", "fe80::1%eth0", True),
        ("::ffff:192.0.2.10", "192.0.2.10", True),
        ("::ffff:192.0.2.0/120", "192.0.2.10", True),
        ("::ffff:192.0.2.0/120", "192.0.3.10", False),
        ("::ffff:0:0/96", "192.0.2.10", True),
    ],
)
def test_a_proxy_is_trusted_only_if_the_setting_lists_it(trusted: str, peer: str, is_trusted: bool) -> None:
    client = client_of("203.0.113.9", trusted=trusted, peer=(peer, 1))
    assert client == (("203.0.113.9", 0) if is_trusted else (peer, 1))


def test_if_every_proxy_is_trusted_the_farthest_address_is_the_client() -> None:
    assert client_of("203.0.113.9, 198.51.100.1", trusted="*") == ("203.0.113.9", 0)
    assert client_of("evil, 198.51.100.1", trusted="*") == PEER


@pytest.mark.slow
def test_the_access_log_contains_no_control_character_of_a_client() -> None:
    """This tests the whole agent: header, trailer, target, method and refused requests."""
    chunked = b"GET /t HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    with agent_process("--simulate", "1", "--log-level", "debug", ACCESS_LOG="1") as agent:
        for value in (b"203.0.113.9", b"evil\x9b31m", b"fe80::1%\x85x", b"203.0.113.9 \xc2\x85"):
            line = b"X-Forwarded-For: " + value + b"\r\n"
            exchange(agent.url, b"GET /h HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + line + b"\r\n")
            exchange(agent.url, chunked + line + b"\r\n")
        for target in ("/%C2%9B31m%0A%1B%E2%80%AE", "/x?%C2%85%0D%0A", "/x?api_key=%0A%C2%85"):
            loopback.get(agent.url + target)
        for raw in (
            b"GET /\x9b HTTP/1.1\r\nHost: a\r\n\r\n",
            b"\x9b\x85 / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/\x85\r\n\r\n",
        ):
            exchange(agent.url, raw)
        wait_until(lambda: agent.log.count("Refused") >= 3, "all is logged")
        log = agent.log
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", log)
    assert len(re.findall(r'203\.0\.113\.9:0 - "GET /h ', log)) == 1
    assert len(re.findall(r'127\.0\.0\.1:\d+ - "GET /h ', log)) == 3
    assert len(re.findall(r'127\.0\.0\.1:\d+ - "GET /t ', log)) == 4


@pytest.mark.parametrize(
    ("on_unix_socket", "trusted", "client"),
    [
        (True, "127.0.0.1", ("203.0.113.9", 0)),
        (True, "198.51.100.1", ("127.0.0.1", 0)),
        (False, "127.0.0.1", None),
        (False, "*", None),
    ],
)
def test_a_peer_without_an_address_is_local_on_a_unix_socket_and_otherwise_unknown(
    on_unix_socket: bool, trusted: str, client: tuple[str, int] | None
) -> None:
    """The address of a TCP client that has left already is unknown. It must not be taken for a proxy."""
    seen = client_of("203.0.113.9", trusted=trusted, peer=None, on_unix_socket=on_unix_socket)
    assert seen == client
