"""The socket is bound at once, and an error is one line."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from agent.server.listener import (
    BACKLOG,
    SOCKET_MODE,
    CannotListen,
    listen,
    listening_at,
    may_listen,
    may_listen_at,
)
from agent.sources.procfs import count_open_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.server.listener import Address

DEADLINE = 10.0  # seconds until a test gives up
SEND_TIMEOUT_MS = 30_000  # a connection without an acknowledgement for this long is dropped


def test_2048_connections_may_wait_and_every_user_may_connect() -> None:
    assert (BACKLOG, SOCKET_MODE) == (2048, 0o666)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])  # noqa: S104  only for a moment
def test_the_listener_accepts_addresses_and_names(host: str) -> None:
    with listen(host, 0) as listener:
        socket.create_connection(("127.0.0.1", listener.getsockname()[1]), timeout=5).close()


@pytest.mark.parametrize("host", ["::1", "::"])
def test_the_listener_accepts_ipv6_addresses(host: str) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listen(host, 0) as listener:
        socket.create_connection(("::1", listener.getsockname()[1]), timeout=5).close()


def test_a_port_in_use_is_reported_in_one_line() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        line = rf"^Cannot listen on 127\.0\.0\.1:{port}: address already in use \(PORT, HOST\)$"
        with pytest.raises(CannotListen, match=line):
            listen("127.0.0.1", port)


def test_checking_whether_a_port_is_free_does_not_occupy_it() -> None:
    """The port is bound for a moment, but an agent that starts meanwhile can still listen."""
    with listen("127.0.0.1", 0, backlog=None) as looking:
        port = looking.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        with listen("127.0.0.1", port), pytest.raises(CannotListen, match="address already in use"):
            may_listen("127.0.0.1", port)
    may_listen("127.0.0.1", port)


def test_a_port_can_be_used_again_at_once() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            accepted, _ = listener.accept()
            accepted.close()  # the side that closes first keeps the port in TIME_WAIT
    listen("127.0.0.1", port).close()


def test_an_unknown_host_is_reported_in_one_line() -> None:
    with pytest.raises(CannotListen, match=r"^Cannot listen on no\.invalid:8000: .+ \(HOST\)$"):
        listen("no.invalid", 8000)


def test_an_address_of_another_machine_is_reported_in_one_line() -> None:
    line = r"^Cannot listen on 192\.0\.2\.1:8000: cannot assign requested address \(PORT, HOST\)$"
    before = count_open_files("/proc", os.getpid()) or 0
    with pytest.raises(CannotListen, match=line) as refused:
        listen("192.0.2.1", 8000)  # no machine has an address of TEST-NET-1
    assert (count_open_files("/proc", os.getpid()) or 0) <= before, refused


def addressed(*hosts: str) -> Callable[..., list[Address]]:
    """How a name is looked up that has these addresses."""
    kind = socket.SOCK_STREAM, socket.IPPROTO_TCP
    return lambda _, port, **__: [(socket.AF_INET, *kind, "", (host, port)) for host in hosts]


def test_a_name_with_several_addresses_is_bound_to_the_first_of_this_machine() -> None:
    """As where localhost is ::1 too, and the kernel has no IPv6."""
    with listen("gpu", 0, lookup=addressed("192.0.2.1", "127.0.0.1")) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_name_whose_first_address_is_in_use_is_refused() -> None:
    """At the next one only some clients would find the agent."""
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(CannotListen, match="address already in use"):
            listen("gpu", port, lookup=addressed("127.0.0.1", "127.0.0.2"))


def test_a_silent_name_server_does_not_block_the_exit() -> None:
    """A signal is handled meanwhile, and the process ends without the thread that waits."""
    threads: list[threading.Thread] = []

    def lookup(*question: object, **options: Any) -> list[Address]:
        threads.append(threading.current_thread())
        return addressed("127.0.0.1")(*question, **options)

    listen("gpu", 0, lookup=lookup).close()
    assert [(thread.name, thread.daemon) for thread in threads] == [("resolver", True)]


def test_a_client_that_acknowledges_nothing_is_dropped_after_30_seconds() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname(), timeout=5):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == SEND_TIMEOUT_MS


# Unix sockets


ROUNDS = 50  # of a race that two agents without a lock lose about every sixth time


def connect(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(path))


def test_every_user_may_connect_to_a_unix_socket_which_is_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "agent"
    with listening_at(str(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        connect(path)
    assert list(tmp_path.iterdir()) == []


def test_a_socket_without_a_listener_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "agent"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(path))
        left.listen()
    with listening_at(str(path)):
        connect(path)


def test_of_two_agents_that_start_on_the_socket_of_a_killed_one_only_one_listens(tmp_path: Path) -> None:
    path = tmp_path / "agent"
    for _ in range(ROUNDS):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
            left.bind(str(path))
        both_have_tried = threading.Barrier(2)
        with ThreadPoolExecutor(2) as agents:
            starts = [agents.submit(listens, path, both_have_tried) for _ in range(2)]
        assert sorted(start.result() for start in starts) == [False, True]
        assert not path.exists()


def test_a_lock_that_somebody_keeps_on_the_folder_delays_the_socket_only_shortly(tmp_path: Path) -> None:
    """An agent keeps such a lock for its whole life if its STATE_DIR is that folder."""

    def listen_and_end(path: Path) -> None:
        with listening_at(str(path)):
            connect(path)

    keeper = os.open(tmp_path, os.O_RDONLY)
    with ThreadPoolExecutor(1) as agents:
        try:
            fcntl.flock(keeper, fcntl.LOCK_EX)
            agents.submit(listen_and_end, tmp_path / "agent").result(DEADLINE)
        finally:
            os.close(keeper)
    assert list(tmp_path.iterdir()) == []


def listens(path: Path, others: threading.Barrier) -> bool:
    """Whether an agent listens there, once the others have tried to."""
    with ExitStack() as stack:
        try:
            stack.enter_context(listening_at(str(path)))
        except CannotListen:
            others.wait(DEADLINE)
            return False
        others.wait(DEADLINE)
        connect(path)
    return True


@pytest.mark.parametrize("is_full", [False, True])
def test_a_socket_in_use_is_reported_in_one_line_and_stays(tmp_path: Path, is_full: bool) -> None:
    path = tmp_path / "agent"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        other.listen(0)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waiting:
            if is_full:
                waiting.connect(str(path))
            line = rf"^Cannot listen on {path}: address already in use \(UDS\)$"
            with pytest.raises(CannotListen, match=line), listening_at(str(path)):
                pass
    assert path.is_socket()


def test_any_other_file_at_the_path_is_reported_in_one_line_and_stays(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("a file")
    link.symlink_to(file)
    for path in (file, link, tmp_path):
        line = rf"^Cannot listen on {path}: something that is not a socket is there \(UDS\)$"
        with pytest.raises(CannotListen, match=line), listening_at(str(path)):
            pass
        with pytest.raises(CannotListen, match=line):
            may_listen_at(str(path))
    assert (file.read_text(), link.is_symlink()) == ("a file", True)


def test_a_missing_folder_is_reported_in_one_line(tmp_path: Path) -> None:
    line = r"^Cannot listen on .+/none/agent: no such file or directory \(UDS\)$"
    with pytest.raises(CannotListen, match=line), listening_at(f"{tmp_path}/none/agent"):
        pass
    with pytest.raises(CannotListen, match=line):
        may_listen_at(f"{tmp_path}/none/agent")


def test_checking_a_path_does_not_touch_it(tmp_path: Path) -> None:
    may_listen_at(f"{tmp_path}/agent")
    with contextlib.chdir(tmp_path):
        may_listen_at("agent")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_reported_in_one_line() -> None:
    path = "/proc/sys/kernel/agent"  # not even root may make a file there
    with pytest.raises(CannotListen, match=rf"^Cannot listen on {path}: permission denied \(UDS\)$"):
        may_listen_at(path)


def test_the_socket_of_a_successor_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "agent"
    with listening_at(str(path)):
        path.unlink()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as successor:
            successor.bind(str(path))
    assert path.is_socket()
