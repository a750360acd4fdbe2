"""Only one worker may serve: two would offer each GPU twice, and each would have half of the history."""

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
CHECK_INTERVAL = 0.05  # seconds between two checks whether it has ended
REFUSAL = (
    "This is a second worker, and the agent must be one process: two would promise each GPU twice."
    " Start it with one worker (uvicorn --workers 1, gunicorn -w 1)"
)


def is_supervised() -> bool:
    """Whether the server may have other workers: gunicorn, or a server that starts them by `multiprocessing`.

    Without workers, an app shares a socket only if a parent process left it open.
    """
    return parent_process() is not None or "gunicorn.arbiter" in sys.modules


class SingleWorker:
    """Lets the app start unless another worker of its server has started; else the start fails.

    Only workers of one server share its listening sockets: each worker locks those that are open when it
    starts. The lock belongs to the process, ends with it, and needs no file.
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
        # The next worker need not wait for the last answers of this one.
        when_stopped(lambda: _unlock(listeners))
        while not all(map(_lock, listeners)):
            if loop.time() >= deadline:
                return False
            await asyncio.sleep(CHECK_INTERVAL)
        return True


def _listening_sockets() -> list[int]:
    """File descriptors of the server's sockets, in an order that all workers share.

    uvicorn's sockets are bound at this time, but do not listen yet.
    """
    found = {}
    for path in Path("/proc/self/fd").iterdir():
        descriptor = int(path.name)
        with contextlib.suppress(OSError):  # the descriptor that listed them is closed already
            status = os.fstat(descriptor)
            if stat.S_ISSOCK(status.st_mode) and _is_bound(descriptor):
                found[status.st_ino] = descriptor
    return [found[inode] for inode in sorted(found)]


def _is_bound(descriptor: int) -> bool:
    """Whether the socket has a local address and no peer."""
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
        bound.detach()  # closing it would release the lock


def _lock(descriptor: int) -> bool:
    """Whether no other process holds the lock: a POSIX lock, which is not inherited with the descriptor."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:  # other errors: a kernel without such locks
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    return True


def _unlock(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):  # closed by now
            fcntl.lockf(descriptor, fcntl.LOCK_UN)
