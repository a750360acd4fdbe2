"""The response cache: repeats of a request about the same Snapshot get the bytes that are already made.

Many dashboards send the same request every second. Measured: a typed route under a mount reaches a fifth to a
third of the throughput of a raw ASGI answer; an answer that is made once a second may be expensive.

An answer is made once per Snapshot, however many clients ask at the same time: the first request starts it,
the others wait for it. It is cancelled when every client that waits for it has disconnected.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Protocol

from agent.http.kept_response import PORTION, KeptResponse
from agent.http.repeated import PASSAGE_KEY, Question
from agent.http.route_path import get_route_path
from agent.http.shared_task import SharedTask

if TYPE_CHECKING:
    from collections.abc import Awaitable, Hashable, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from agent.http.kept_response import Headers
    from agent.http.repeated import Passage
    from agent.http.shared_state import SharedState
    from agent.http.turnstile import Turnstile
    from agent.readings import Snapshot

# Limits on memory: a client can send any number of different valid requests.
MAX_ANSWERS = 64
MAX_BYTES = 32 * 1024**2
MAX_CONCURRENT = 8  # answers that are made at once; the others wait in order

SNAPSHOT_KEY = "agent.snapshot"  # where a route finds the Snapshot in its scope
HEAD_KEY = "agent.head"  # in the scope if a GET stands for a HEAD: the body is not sent


class CacheKey(Protocol):
    """Makes the cache key of each request for one path."""

    headers: frozenset[bytes]  # the only headers that the answer may depend on

    def remembered(self, scope: Scope) -> Hashable | None:
        """The key, if it was made before; this is cheap."""

    def make(self, scope: Scope) -> Awaitable[Hashable | None]:
        """The key; None: the request is invalid, and its route says why."""


class KeptResponses:
    """Answers about the newest Snapshot that was used; a newer one drops them all.

    Above MAX_ANSWERS or MAX_BYTES, the least recently used answers are dropped.
    """

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._responses: OrderedDict[Hashable, KeptResponse] = OrderedDict()

    def get(self, snapshot: Snapshot | None, key: Hashable) -> KeptResponse | None:
        """The answer, if it was made before."""
        response = self._responses.get(key) if snapshot is self._snapshot else None
        if response is not None:
            self._responses.move_to_end(key)
        return response

    def put(self, snapshot: Snapshot | None, key: Hashable, response: KeptResponse) -> None:
        """Keep an answer, unless it is of an older Snapshot."""
        if snapshot is not None and (
            self._snapshot is None or snapshot.taken_monotonic > self._snapshot.taken_monotonic
        ):
            self._snapshot = snapshot
            self._responses.clear()
        if snapshot is not self._snapshot or key in self._responses:
            return
        self._responses[key] = response
        size = sum(kept.size for kept in self._responses.values())  # grows when answers are compressed
        while len(self._responses) > MAX_ANSWERS or size > MAX_BYTES:
            _, forgotten = self._responses.popitem(last=False)
            size -= forgotten.size


@dataclass(eq=False)
class _PendingAnswer:
    """An answer that is being made. `snapshot` is None until its turn has come."""

    snapshot: Snapshot | None = None
    has_begun: bool = False
    task: SharedTask[KeptResponse] = field(init=False)

    def serves(self, snapshot: Snapshot | None) -> bool:
        """Whether a request that comes now may wait for this answer."""
        return not self.task.abandoned and (not self.has_begun or self.snapshot is snapshot)


class ResponseCache:
    """The middleware between authentication and the routes.

    `keys` has the paths that are answered from one Snapshot each. Answers at the paths of `constant` never
    change. Other requests pass through.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        shared: SharedState,
        keys: Mapping[str, CacheKey],
        constant: frozenset[str] = frozenset(),
    ) -> None:
        self._app = app
        self._shared = shared
        self._turnstile: Turnstile = shared.turnstile
        self._keys = keys
        self._constant = constant
        self._kept = KeptResponses()
        self._kept_for_ever = KeptResponses()
        self._pending: dict[Hashable, _PendingAnswer] = {}
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        passage: Passage | None = scope.pop(PASSAGE_KEY, None)
        path = get_route_path(scope) if scope["type"] == "http" and scope["method"] == "GET" else ""
        if (cache_key := self._keys.get(path)) is not None:
            key = cache_key.remembered(scope)
            if key is None:
                await self._turnstile.wait()
                key = await cache_key.make(scope)
            snapshot = await self._shared.sampler.latest()
            if key is None:
                await self._turnstile.wait()  # many requests may have waited for the same sample
                await self._app({**scope, SNAPSHOT_KEY: snapshot}, receive, send)
                return
            question, headers = Question(path, key, is_constant=False), cache_key.headers
        elif path in self._constant:
            question = Question(path, (path, scope.get("root_path", "")), is_constant=True)
            snapshot, headers = None, frozenset()
        else:
            await self._app(scope, receive, send)
            return
        if passage is not None and passage.send is send:  # nobody on the way adds to the answer
            passage.memory.clear()
            passage.memory[passage.generation] = question
        if await self._send_if_kept(question, snapshot, scope["headers"], send):
            return
        made = await self._wait_for_answer(question.key, snapshot, scope, headers, receive)
        if made is not None:  # else the client has disconnected
            await self._turnstile.wait()  # all waiting requests continue at the same moment
            await self._send(made, question, scope["headers"], send)

    async def answer(self, question: Question, headers: Headers, send: Send) -> bool:
        """Answer a request that asks this, and has these headers, if the answer was made before."""
        if question.is_constant:
            return await self._send_if_kept(question, None, headers, send)
        snapshot = self._shared.sampler.fresh()  # None: one is due, and no answer about it can be there
        return snapshot is not None and await self._send_if_kept(question, snapshot, headers, send)

    async def _send_if_kept(
        self, question: Question, snapshot: Snapshot | None, headers: Headers, send: Send
    ) -> bool:
        kept = self._kept_for_ever if question.is_constant else self._kept
        cached = kept.get(snapshot, question.key)
        if cached is None:
            return False
        if len(cached.body) > PORTION:
            await self._turnstile.wait()
        await self._send(cached, question, headers, send)
        return True

    async def _send(self, answer: KeptResponse, question: Question, headers: Headers, send: Send) -> None:
        form = answer.form_for(headers) or await answer.compressed(self._shared.limiter_of(question.path))
        await form.send(send)

    async def _wait_for_answer(
        self,
        key: Hashable,
        snapshot: Snapshot | None,
        scope: Scope,
        headers: frozenset[bytes],
        receive: Receive,
    ) -> KeptResponse | None:
        """The answer that is made for all present requests; None once this client has disconnected."""
        hung_up = asyncio.create_task(_hung_up(receive))
        try:
            await asyncio.sleep(0)  # it may have disconnected while it waited for its turn
            if hung_up.done():
                return None
            return await self._pending_answer(key, snapshot, scope, headers).task.result(unless=hung_up)
        finally:
            hung_up.cancel()

    def _pending_answer(
        self, key: Hashable, snapshot: Snapshot | None, scope: Scope, headers: frozenset[bytes]
    ) -> _PendingAnswer:
        """The task that makes this answer: a running one, or a new one."""
        pending = self._pending.get(key)
        if pending is None or not pending.serves(snapshot):
            pending = self._pending[key] = _PendingAnswer()
            # Only what the answer is made from, nothing else of the client that happened to be the first.
            lines: dict[bytes, list[bytes]] = {}
            for name, value in scope["headers"]:
                if name in headers:
                    lines.setdefault(name, []).append(value)
            known = [(name, b", ".join(values)) for name, values in lines.items()]
            reduced = {**scope, "headers": known}
            reduced.pop(HEAD_KEY, None)
            pending.task = SharedTask(self._make(pending, key, reduced, is_constant=snapshot is None))
        return pending

    async def _make(
        self, pending: _PendingAnswer, key: Hashable, scope: Scope, *, is_constant: bool
    ) -> KeptResponse:
        try:
            async with self._slots:
                pending.has_begun = True
                if not is_constant:  # it may have waited for a while
                    pending.snapshot = scope[SNAPSHOT_KEY] = await self._shared.sampler.latest()
                kept = self._kept_for_ever if is_constant else self._kept
                cached = kept.get(pending.snapshot, key)
                if cached is not None:  # another request was faster
                    return cached
                self._shared.answers_made[get_route_path(scope)] += 1
                response = KeptResponse()
                await self._app(scope, _nothing_to_receive, response.record)
                if response.status == 200:
                    if is_constant:
                        response.set_tag()
                    kept.put(pending.snapshot, key, response)
                return response
        finally:
            if self._pending.get(key) is pending:
                del self._pending[key]


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _nothing_to_receive() -> NoReturn:
    raise RuntimeError("An answer that is kept cannot depend on the body of a request")
