"""The timer of a request's head: when it runs, and that it ends with the connection."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakSet

from agent.server.protocol import LimitedHttpProtocol
from tests.server.test_protocol import (
    END,
    GET,
    SLOW,
    connection,
    handshakes,
    port,
    read_to_end,
    read_until,
    serving,
    stays_open,
)
from tests.support.agents import wait_until

if TYPE_CHECKING:
    import asyncio

__all__ = ["handshakes", "port"]  # the fixtures: a server whose timer is short


def test_a_head_must_be_complete_within_ten_seconds() -> None:
    assert LimitedHttpProtocol.head_timeout == 10


def test_the_timer_of_a_head_in_pieces_ends_when_the_head_is_complete(port: int) -> None:
    with connection(port) as client:
        client.sendall(GET + b"\r\n")
        read_until(client, b"\r\n0\r\n\r\n")
        for piece in (SLOW[:3], SLOW[3:12], SLOW[12:]):
            client.sendall(piece)
            time.sleep(0.02)  # so that the pieces arrive separately
        read_until(client, b"slow\r\n")
        assert stays_open(client)


def test_the_head_of_a_request_sent_ahead_has_no_timer_during_an_answer(port: int) -> None:
    with connection(port) as client:
        client.sendall(SLOW)
        read_until(client, b"slow\r\n")
        client.sendall(GET + b"X: y")
        assert stays_open(client)


def test_a_blank_line_after_an_answer_does_not_begin_a_head(port: int) -> None:
    """The connection is closed like a silent one. A 408 would be taken for the answer to the next request."""
    with connection(port) as client:
        client.sendall(GET + b"\r\n")
        read_until(client, END)
        client.sendall(b"\r\n")
        assert read_to_end(client) == b""


class Patient(LimitedHttpProtocol):
    """A protocol with a long timer, which lists its connections as long as anything refers to them."""

    head_timeout = 3600.0
    there: ClassVar[WeakSet[Patient]] = WeakSet()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self.there.add(self)


def test_no_timer_keeps_a_closed_connection_in_memory() -> None:
    def is_gone() -> bool:
        gc.collect()
        return not Patient.there

    gc.freeze()  # the objects of other tests, so that a collection takes a moment
    try:
        with serving(Patient) as patient_port:
            for said in (b"", b"GET / HT", GET):
                with connection(patient_port) as client:
                    client.sendall(said)
                    wait_until(lambda: Patient.there, "the request is there")
                wait_until(is_gone, "it is gone")
    finally:
        gc.unfreeze()
