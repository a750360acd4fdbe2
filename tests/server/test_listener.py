"""The socket is bound at once, and what hinders it is told in one line."""

from __future__ import annotations

import socket

import pytest

from agent.server.listener import SEND_TIMEOUT_MS, CannotListen, listen, may_listen


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])  # noqa: S104  only for a moment
def test_it_listens_at_addresses_and_names(host: str) -> None:
    with listen(host, 0) as listener:
        socket.create_connection(("127.0.0.1", listener.getsockname()[1]), timeout=5).close()


@pytest.mark.parametrize("host", ["::1", "::"])
def test_it_listens_at_ipv6_addresses(host: str) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listen(host, 0) as listener:
        socket.create_connection(("::1", listener.getsockname()[1]), timeout=5).close()


def test_a_port_in_use_is_told_in_one_line() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        line = rf"^Cannot listen on 127\.0\.0\.1:{port}: address already in use \(PORT, HOST\)$"
        with pytest.raises(CannotListen, match=line):
            listen("127.0.0.1", port)


def test_to_look_whether_a_port_is_free_does_not_take_it() -> None:
    """It is bound for a moment: an agent that starts just then still can listen."""
    with listen("127.0.0.1", 0, backlog=None) as looking:
        port = looking.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        with listen("127.0.0.1", port), pytest.raises(CannotListen, match="address already in use"):
            may_listen("127.0.0.1", port)
    may_listen("127.0.0.1", port)


def test_a_port_is_free_again_at_once() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            accepted, _ = listener.accept()
            accepted.close()  # the side that closes first keeps the port in TIME_WAIT
    listen("127.0.0.1", port).close()


def test_an_unknown_host_is_told_in_one_line() -> None:
    with pytest.raises(CannotListen, match=r"^Cannot listen on no\.invalid:8000: .+ \(HOST\)$"):
        listen("no.invalid", 8000)


def test_an_address_of_another_machine_is_told_in_one_line() -> None:
    line = r"^Cannot listen on 192\.0\.2\.1:8000: cannot assign requested address \(PORT, HOST\)$"
    with pytest.raises(CannotListen, match=line):
        listen("192.0.2.1", 8000)  # TEST-NET-1 is nobody's


def test_a_client_that_acknowledges_nothing_is_dropped_in_the_end() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname(), timeout=5):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == SEND_TIMEOUT_MS
