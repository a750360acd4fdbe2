"""A request that comes again: what stands in front of the answers that are kept looks at its bytes alone.

So where the same bytes came before on the same connection, and the same tokens are in force, the verdict is
the same: the path, the host, the origin and the credential are not looked at again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from agent.http.kept_response import Headers
    from agent.http.tokens import Tokens

MEMORY_KEY = "agent.memory"  # where the server puts a dict that comes with each request of the same bytes
PASSAGE_KEY = "agent.passage"


class Question(NamedTuple):
    """What a request asks for: the cache key of its answer, and where that is kept."""

    path: str
    key: Hashable
    is_constant: bool


class Passage(NamedTuple):
    """How a request came in, for whoever finds out what it asks."""

    send: Send  # as it was: whoever changes an answer puts one of its own in its place
    generation: int  # of the tokens, before the credential was looked at
    memory: dict[int, Question]  # by generation; holds one at most


class Repeated:
    """Has a request answered that was let through before; hands on any other.

    `answer` returns False where the answer is not there.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        answer: Callable[[Question, Headers, Send], Awaitable[bool]],
        tokens: Tokens,
    ) -> None:
        self._app = app
        self._answer = answer
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        memory = scope.pop(MEMORY_KEY, None)
        if memory is None:  # another server, or a request that may not be remembered
            await self._app(scope, receive, send)
            return
        generation = self._tokens.generation
        question = memory.get(generation)
        if question is not None and await self._answer(question, scope["headers"], send):
            return
        scope[PASSAGE_KEY] = Passage(send, generation, memory)
        try:
            await self._app(scope, receive, send)
        finally:
            scope.pop(PASSAGE_KEY, None)  # no circle: by way of `send` it leads back to the scope
