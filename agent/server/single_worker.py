"""Only one worker may serve: two would promise each GPU twice, and each would know half of the history."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import socket
import stat
import sys
from multiprocessing import parent_process
from pathlib import Path
from typing import TYPE_CHECKING

from agent.server.signals import when_stopped

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

# Seconds that a start waits for the worker before it: `kill -HUP` makes gunicorn start the new one first.
PATIENCE = 3.0
REFUSAL = (
    "This is a second worker, and the agent must be one process: two would promise each GPU twice."
    " Start it with one worker (uvicorn --workers 1, gunicorn -w 1)"
)


def is_supervised() -> bool:
    """Whether a server may have other workers: gunicorn, or one that starts them by `multiprocessing`.

    An app alone shares no socket with another, unless the program that started both left one open.
    """
    return parent_process() is not None or "gunicorn.arbiter" in sys.modules


class SingleWorker:
    """Lets the app start unless another worker of its server has; then the start fails with one sentence.

    Workers of one server share its listening sockets, and nobody else does: each locks those that it finds
    open when it starts. The lock belongs to the process, ends with it, and needs no file.
    """

    def __init__(self, app: ASGIApp, *, patience: float = PATIENCE) -> None:
        self._app = app
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" and not await self._comes_first():
            await receive()
            await send({"type": "lifespan.startup.failed", "message": REFUSAL})
        else:
            await self._app(scope, receive, send)

    async def _comes_first(self) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        listeners = _listening_sockets()
        when_stopped(lambda: _unlock(listeners))  # the next one need not wait for this one's last answers
        while not all(map(_lock, listeners)):
            if loop.time() >= deadline:
                return False
            await asyncio.sleep(0.05)
        return True


def _listening_sockets() -> list[int]:
    """File descriptors of the sockets to accept connections from, in an order that all workers share.

    Those of uvicorn are bound by now, but do not listen yet.
    """
    found = {}
    for path in Path("/proc/self/fd").iterdir():
        descriptor = int(path.name)
        with contextlib.suppress(OSError):  # the one that lists them is closed by now
            status = os.fstat(descriptor)
            if stat.S_ISSOCK(status.st_mode) and _is_bound(descriptor):
                found[status.st_ino] = descriptor
    return [found[inode] for inode in sorted(found)]


def _is_bound(descriptor: int) -> bool:
    """Whether it has an address of its own, and no peer."""
    bound = socket.socket(fileno=descriptor)
    try:
        if bound.type != socket.SOCK_STREAM or bound.getsockname() in ("", b""):
            return False
        if bound.family in (socket.AF_INET, socket.AF_INET6) and bound.getsockname()[1] == 0:
            return False
        bound.getpeername()
    except OSError as error:
        return error.errno == errno.ENOTCONN
    else:
        return False
    finally:
        bound.detach()  # to close it would also give up the lock


def _lock(descriptor: int) -> bool:
    """Says whether no other process has it: a POSIX lock, which is not inherited with the descriptor."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:  # of others: a kernel without such locks cannot tell
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    return True


def _unlock(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):  # closed by now
            fcntl.lockf(descriptor, fcntl.LOCK_UN)
