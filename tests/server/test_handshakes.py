"""TLS: the newest certificate for each new connection, and handshakes that barely affect other clients."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from agent.server.handshakes import Certificate, Handshakes
from agent.settings.tls_pair import TlsPair
from agent.sources.procfs import count_open_files
from tests.server.test_protocol import (
    DEADLINE,
    GET,
    OK,
    SLOW,
    ImpatientProtocol,
    TlsPort,
    connection,
    exchange,
    read_until,
    serving,
    trusting_anybody,
)
from tests.support.agents import agent_process, wait_until
from tests.support.certificates import made_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


CLOSE = GET + b"Connection: close\r\n\r\n"


@pytest.fixture
def pair(tmp_path: Path) -> TlsPair:
    made = made_certificate(tmp_path)
    return TlsPair(str(made.certificate), str(made.key))


def renew(pair: TlsPair, folder: Path) -> bytes:
    """Replace the pair by a new one, and return its certificate as a client sees it."""
    folder.mkdir()
    made = made_certificate(folder)
    made.key.rename(pair.key)
    made.certificate.rename(pair.certificate)
    return der(pair)


def der(pair: TlsPair) -> bytes:
    with open(pair.certificate) as file:  # noqa: PTH123
        return ssl.PEM_cert_to_DER_cert(file.read())


@contextmanager
def serving_tls(certificate: Certificate, handshakes: Handshakes | None = None) -> Iterator[int]:
    with serving(ImpatientProtocol, handshakes=handshakes or Handshakes(certificate)) as port:
        yield port


def certificate_of(port: int) -> bytes | None:
    """The certificate that a new client gets."""
    with connection(port) as client:
        assert isinstance(client, ssl.SSLSocket)
        return client.getpeercert(binary_form=True)


# The certificate


def test_new_clients_get_a_new_certificate_and_open_connections_go_on(
    pair: TlsPair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    certificate = Certificate(pair)
    old = der(pair)
    with serving_tls(certificate) as port, connection(port) as open_one:
        open_one.sendall(SLOW)
        read_until(open_one, b"slow\r\n")
        new = renew(pair, tmp_path / "new")
        assert certificate_of(port) == old
        certificate.reload_if_changed()
        assert certificate_of(port) == new != old
        open_one.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            open_one.recv(1)
    expected = "TLS_CERT and TLS_KEY have been read again: new connections get this certificate"
    assert [line for line in caplog.messages if "TLS" in line] == [expected]


@pytest.mark.parametrize("broken", ["certificate", "key"])
def test_a_broken_pair_leaves_the_old_one_in_use_and_is_logged_once(
    pair: TlsPair, tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    caplog.set_level(logging.INFO)
    certificate = Certificate(pair)
    before = certificate.context
    path = getattr(pair, broken)
    with open(path, "w") as file:  # noqa: PTH123
        file.write("nothing")
    for _ in range(3):
        certificate.reload_if_changed()
    assert certificate.context is before
    (line,) = caplog.messages
    assert line.endswith("; the certificate in force stays")
    assert repr(path) in line
    renew(pair, tmp_path / "new")
    certificate.reload_if_changed()
    assert certificate.context is not before
    assert len(caplog.messages) == 2


def test_a_new_certificate_is_not_used_before_its_key_is_there(pair: TlsPair, tmp_path: Path) -> None:
    certificate = Certificate(pair)
    before = certificate.context
    (tmp_path / "new").mkdir()
    made = made_certificate(tmp_path / "new")
    made.certificate.rename(pair.certificate)
    certificate.reload_if_changed()
    assert certificate.context is before
    made.key.rename(pair.key)
    certificate.reload_if_changed()
    assert certificate.context is not before


def test_unchanged_files_are_not_read_again(pair: TlsPair) -> None:
    certificate = Certificate(pair, clock=lambda: time.time() + 3600)
    before = certificate.context
    certificate.reload_if_changed()
    assert certificate.context is before


def test_recently_written_files_are_read_once_more_without_a_log_line(
    pair: TlsPair, caplog: pytest.LogCaptureFixture
) -> None:
    """Another write in the same tick of the file system's clock would not change the stamps."""
    caplog.set_level(logging.INFO)
    certificate = Certificate(pair)
    before = certificate.context
    certificate.reload_if_changed()
    assert certificate.context is not before
    assert caplog.messages == []


def test_if_one_of_both_files_was_written_recently_both_are_read_once_more(pair: TlsPair) -> None:
    os.utime(pair.key, (1, 1))
    certificate = Certificate(pair)
    before = certificate.context
    certificate.reload_if_changed()
    assert certificate.context is not before


def test_the_thread_that_watches_the_files_does_not_block_the_exit(pair: TlsPair) -> None:
    certificate = Certificate(pair)
    certificate.check_interval = 3600.0
    certificate.watch()
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "certificate")


def test_a_new_pair_of_files_is_used_by_the_watching_thread(pair: TlsPair, tmp_path: Path) -> None:
    certificate = Certificate(pair, clock=lambda: time.time() + 3600)
    before = certificate.context
    certificate.check_interval = 0.01
    certificate.watch()
    try:
        assert certificate.context is before
        renew(pair, tmp_path / "new")
        wait_until(lambda: certificate.context is not before, "the new pair is in use")
    finally:
        certificate.check_interval = 3600.0  # the thread stays


@pytest.mark.slow
def test_the_agent_uses_a_new_pair_within_seconds(pair: TlsPair, tmp_path: Path) -> None:
    with agent_process("--simulate", "1", TLS_CERT=pair.certificate, TLS_KEY=pair.key) as agent:
        assert agent.url.startswith("https://")
        port = TlsPort(httpx.URL(agent.url).port or 0)
        old = der(pair)
        assert certificate_of(port) == old
        new = renew(pair, tmp_path / "new")
        wait_until(lambda: certificate_of(port) == new, "a new client gets the new one")
        wait_until(lambda: "have been read again" in agent.log, "the log says so")
        assert agent.stop() == 0


# Protocols


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize(
    ("version", "accepted"),
    [
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
)
def test_tls_1_2_and_newer_are_accepted(pair: TlsPair, version: ssl.TLSVersion, accepted: bool) -> None:
    context = trusting_anybody()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with serving_tls(Certificate(pair)) as port:
        try:
            with (
                socket.create_connection(("127.0.0.1", int(port)), timeout=DEADLINE) as client,
                context.wrap_socket(client) as secure,
            ):
                spoken = bool(secure.version())
        except OSError:
            spoken = False
    assert spoken == accepted


def test_plain_http_gets_no_answer_and_no_log_line(pair: TlsPair, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with serving_tls(Certificate(pair)) as port:
        caplog.clear()
        assert not exchange(int(port), CLOSE).startswith(b"HTTP/")
        assert caplog.messages == []
        assert exchange(port, CLOSE).startswith(OK)


# Limits


class FewHandshakes(Handshakes):
    timeout = 60.0
    at_once = 2
    patience = 0.3


class PatientHandshakes(FewHandshakes):
    patience = 60.0


class ShortHandshakes(Handshakes):
    timeout = 0.3


HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


def test_a_handshake_may_take_ten_seconds_and_at_most_256_run_at_once() -> None:
    assert (Handshakes.timeout, Handshakes.at_once, Handshakes.patience) == (10, 256, 3)
    assert (Handshakes.shutdown_timeout, Certificate.check_interval) == (30, 5)


@pytest.mark.parametrize("hello", [b"", HALF_A_HELLO])
def test_a_client_with_no_or_half_a_hello_is_closed_after_the_timeout(pair: TlsPair, hello: bytes) -> None:
    certificate = Certificate(pair)
    with serving_tls(certificate, ShortHandshakes(certificate)) as port:
        assert exchange(int(port), hello) == b""
        assert exchange(port, CLOSE).startswith(OK)


def test_silent_clients_do_not_use_the_places_of_handshakes(pair: TlsPair) -> None:
    certificate = Certificate(pair)
    with serving_tls(certificate, PatientHandshakes(certificate)) as port, ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(connection(int(port)))
        assert exchange(port, CLOSE).startswith(OK)


def test_clients_that_stop_within_the_handshake_do_not_block_others(pair: TlsPair) -> None:
    """They lose their places even before their timeout."""
    certificate = Certificate(pair)
    with serving_tls(certificate, FewHandshakes(certificate)) as port, ExitStack() as stack:
        stopped = [stack.enter_context(connection(int(port))) for _ in range(6)]
        for client in stopped:
            client.sendall(HALF_A_HELLO)
        assert exchange(port, CLOSE).startswith(OK)
        assert stopped[0].recv(1) == b""


def test_many_simultaneous_handshakes_all_succeed_in_turn(pair: TlsPair) -> None:
    certificate = Certificate(pair)
    with serving_tls(certificate, FewHandshakes(certificate)) as port, ExitStack() as stack:
        context = trusting_anybody()
        clients = []
        for _ in range(20):
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", int(port)), timeout=DEADLINE))
            clients.append(raw)
        for raw in clients:
            secure = stack.enter_context(context.wrap_socket(raw))
            secure.sendall(CLOSE)
            assert read_until(secure, b"\r\n0\r\n\r\n").startswith(OK)


def test_a_client_that_leaves_within_its_handshake_leaves_no_file_open(pair: TlsPair) -> None:
    with serving_tls(Certificate(pair)) as port:
        exchange(port, CLOSE)
        before = count_open_files("/proc", os.getpid())
        for _ in range(50):
            with connection(int(port)) as client:
                client.sendall(HALF_A_HELLO)
        wait_until(lambda: (count_open_files("/proc", os.getpid()) or 0) <= before, "all files are closed")
