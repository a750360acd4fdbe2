"""Where no thread can be started, only what needs it fails, and the log says so once."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import pytest
from anyio import CapacityLimiter

from agent.http.tokens import Tokens
from agent.readings.threads import NoThread, has_started, in_thread, log_once
from agent.readings.troubles import NO_THREAD
from agent.sampling.kernel_log_watch import KernelLogWatch
from agent.sampling.worker import Worker
from agent.sampling.xid_watch import XidWatch
from agent.settings.token_file import TokenFile
from agent.simulation import Simulation
from agent.sources.gpu.xid import XidEventSource
from agent.sources.side_thread import SideThread
from agent.sources.user_names import UserNames
from tests.sampling.test_kernel_log_watch import Source
from tests.support.agents import hung_agent_client, wait_until
from tests.support.limits import no_more_threads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _as_at_the_start() -> Iterator[None]:
    log_once.cache_clear()
    yield
    log_once.cache_clear()


def test_a_thread_is_started_once_and_as_soon_as_there_can_be_one(caplog: pytest.LogCaptureFixture) -> None:
    may_end = threading.Event()
    thread = threading.Thread(target=may_end.wait)
    with no_more_threads():
        assert not has_started(thread)
        assert not has_started(thread)
    assert caplog.messages == [NO_THREAD.sentence]
    assert has_started(thread)
    assert has_started(thread)
    may_end.set()
    thread.join(10)


def test_a_worker_without_a_thread_has_an_error_and_works_once_there_is_one() -> None:
    with no_more_threads():
        worker: Worker[int] = Worker("test", lambda _: None, lambda: 100.0)
        assert not worker.request(lambda: 42)
    assert worker.result is not None
    assert (worker.result.error, worker.result.todo) == (NO_THREAD.what, NO_THREAD.todo)
    assert worker.busy_since is None
    worker.join(10)
    assert worker.ended
    assert worker.request(lambda: 42)
    wait_until(lambda: worker.busy_since is None, "it has read")
    assert worker.result.reading == 42
    worker.stop()
    worker.join(10)


async def test_work_in_a_thread_fails_only_for_want_of_a_thread() -> None:
    with no_more_threads(), pytest.raises(NoThread, match="raise the limit"):
        await in_thread(lambda: 42)
    assert await in_thread(lambda: 42, limiter=CapacityLimiter(1)) == 42

    def fail() -> None:
        raise RuntimeError("of its own")

    with pytest.raises(RuntimeError, match="of its own"):
        await in_thread(fail)


async def test_a_token_file_is_read_later_and_the_tokens_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    path.write_text("hunter2")
    tokens = Tokens([], TokenFile(str(path)))
    path.write_text("hunter3")
    with no_more_threads():
        await tokens.reload_if_changed()
    assert tokens.in_force == {"hunter2"}
    assert "which has not been read, because no thread can be started" in caplog.text
    await tokens.reload_if_changed()
    assert tokens.in_force == {"hunter3"}


def test_a_file_that_may_hang_is_read_later() -> None:
    side = SideThread()
    with no_more_threads():
        assert side.read("key", iter([42])) == []
    assert side.read("key", iter([42])) == [42]


def all_found(names: UserNames) -> bool:
    names.refresh()
    return not names.waiting


def test_the_name_of_a_user_is_looked_up_later() -> None:
    names = UserNames(look_up=lambda uid: f"user{uid}", local_users="/dev/null")
    with no_more_threads():
        assert names.get(1) is None
    assert names.get(2) is None, "its look-up starts the thread"
    wait_until(lambda: all_found(names), "both are looked up")
    assert [names.get(uid) for uid in (1, 2)] == ["user1", "user2"]


def test_the_kernel_log_says_why_it_is_not_read() -> None:
    watch = KernelLogWatch(Source())
    with no_more_threads():
        watch.start()
    assert watch.reading(0.0, None).error == NO_THREAD.what
    assert watch.ended


def test_xid_errors_are_read_once_there_can_be_a_thread() -> None:
    with Simulation(1) as simulation:
        uuid = simulation.gpus[0].values.uuid
        watch = XidWatch(XidEventSource())
        with no_more_threads():
            watch.follow(1)
        assert watch.ended
        watch.follow(1)
        wait_until(lambda: watch.counts(uuid, 0.0) is not None, "its events are read")
        watch.stop()
        watch.join(10)


async def test_an_agent_without_threads_answers_what_needs_none(caplog: pytest.LogCaptureFixture) -> None:
    """And says why for the rest; nothing is an internal error."""
    with Simulation(2), no_more_threads():
        async with hung_agent_client() as client:
            answers = {
                path: await client.get(path) for path in ("/health", "/count", "/metrics", "/openapi.json")
            }
    found = {path: answer.status_code for path, answer in answers.items()}
    assert found == {"/health": 200, "/count": 500, "/metrics": 503, "/openapi.json": 200}
    assert answers["/count"].json()["error"] == NO_THREAD.what
    assert answers["/metrics"].json()["error"] == NO_THREAD.sentence
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        NO_THREAD.sentence
    ]
