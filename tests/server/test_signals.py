"""The handlers of signals, and that the previous ones are restored."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from agent.server.signals import HANGUP_ENDS, handled_signals, hangup_handled, when_stopped

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    before = {sig: signal.getsignal(sig) for sig in ALL}
    yield
    for sig, handler in before.items():
        signal.signal(sig, handler)


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_sigint_and_sigterm_are_handled_only_within_the_context(
    sig: signal.Signals,
) -> None:
    seen: list[int] = []
    before = [signal.getsignal(one) for one in ALL]
    with handled_signals(lambda number, _: seen.append(number)):
        signal.raise_signal(sig)
    assert seen == [sig]
    assert [signal.getsignal(one) for one in ALL] == before


def test_an_ignored_sighup_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with handled_signals(lambda *_: None):
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_an_action_at_a_signal_runs_before_the_handler_of_the_server() -> None:
    seen: list[str] = []
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, lambda *_: seen.append("server"))
    when_stopped(lambda: seen.append("action"))
    signal.raise_signal(signal.SIGTERM)
    assert seen == ["action", "server"]
    assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL


@pytest.mark.skipif(HANGUP_ENDS, reason="on a terminal a hangup ends the agent")
def test_sighup_runs_its_action_only_within_its_context() -> None:
    seen: list[str] = []
    with handled_signals(lambda *_: seen.append("end")):
        signal.raise_signal(signal.SIGHUP)
        with hangup_handled(lambda: seen.append("action")):
            signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
    assert seen == ["action"]


def test_under_another_server_sighup_keeps_its_handler() -> None:
    theirs: list[str] = []
    signal.signal(signal.SIGHUP, lambda *_: theirs.append("theirs"))
    with hangup_handled(lambda: theirs.append("ours")):
        signal.raise_signal(signal.SIGHUP)
    assert theirs == ["theirs"]
