"""The socket that the agent listens on, bound before anything else is built."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    # As socket.getaddrinfo returns it: family, kind, protocol, the host's name, address.
    Address = tuple[int, int, int, str, tuple[Any, ...]]

BACKLOG = 2048  # connections that wait to be accepted; the kernel caps it at net.core.somaxconn
SEND_TIMEOUT_MS = 30_000  # a connection without an acknowledgement for so long is dropped
LOCK_PATIENCE, LOCK_PAUSE = 0.2, 0.01  # seconds; a start holds the lock for a millisecond
SOCKET_MODE = 0o666  # open to all, as a port is: the folder decides who can reach it


class CannotListen(Exception):
    """The address is taken, forbidden or unknown; says so in one line."""


def listen(
    host: str,
    port: int,
    *,
    backlog: int | None = BACKLOG,
    lookup: Callable[..., Sequence[Address]] = socket.getaddrinfo,
) -> socket.socket:
    """A listening socket at the first address of `host` that this machine has. Raises CannotListen.

    `backlog`: None to bind without listening. Until it listens, another socket may still take the address.
    """
    try:
        addresses = _addresses(host, port, lookup)
    except OSError as error:
        raise CannotListen(f"Cannot listen on {url_host(host)}:{port}: {_reason(error)} (HOST)") from error
    failure = OSError()
    for family, kind, protocol, _, address in addresses:
        try:
            return _listen_at(socket.socket(family, kind, protocol), address, backlog)
        except OSError as error:
            failure = error
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                break
    raise CannotListen(
        f"Cannot listen on {url_host(host)}:{port}: {_reason(failure)} (PORT, HOST)"
    ) from failure


def may_listen(host: str, port: int) -> None:
    """Whether `listen` would succeed now, without listening. Raises CannotListen."""
    listen(host, port, backlog=None).close()


@contextmanager
def listening_at(path: str) -> Iterator[socket.socket]:
    """A listening Unix socket, which replaces a dead one. Raises CannotListen.

    It is removed in the end.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with listener:
        try:
            with _locked(_folder(path)):
                if _is_stale(path):
                    os.unlink(path)  # noqa: PTH108
                listener.bind(path)
                ours = os.lstat(path)
                os.chmod(path, SOCKET_MODE)  # noqa: PTH101  (before it listens: nobody comes too early)
                listener.listen(BACKLOG)
        except OSError as error:
            raise CannotListen(f"Cannot listen on {path}: {_reason(error)} (UDS)") from error
        try:
            yield listener
        finally:
            with suppress(OSError), _locked(_folder(path)):
                if os.path.samestat(os.lstat(path), ours):
                    os.unlink(path)  # noqa: PTH108


def may_listen_at(path: str) -> None:
    """Whether `listening_at` would succeed now, without touching the path. Raises CannotListen."""
    try:
        _is_stale(path)
        folder = _folder(path)
        os.stat(folder)  # noqa: PTH116  (it says what is wrong with it)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise CannotListen(f"Cannot listen on {path}: {_reason(error)} (UDS)") from error


def _folder(path: str) -> str:
    return os.path.dirname(path) or "."  # noqa: PTH120


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Wait until no other agent looks at a socket in the folder, or puts one there.

    A socket that is bound, but does not listen yet, would seem stale to it.
    """
    with ExitStack() as stack:
        with suppress(OSError):  # a folder that we may not read, or a file system without locks
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, opened)
            _lock(opened)
        yield


def _lock(folder: int) -> None:
    """Lock it for other agents, unless somebody keeps it locked, as STATE_DIR is. Raises OSError."""
    deadline = time.monotonic() + LOCK_PATIENCE
    while time.monotonic() < deadline:
        with suppress(BlockingIOError):
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(LOCK_PAUSE)


def _is_stale(path: str) -> bool:
    """Whether the socket was left by a killed agent. Raises OSError for anything else there."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.EEXIST, "something that is not a socket is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)  # a full backlog means that a process listens
        try:
            client.connect(path)
        except ConnectionRefusedError:
            return True
        except BlockingIOError:
            pass
    raise OSError(errno.EADDRINUSE, "address already in use")


def url_host(host: str) -> str:
    """A host as in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def _addresses(host: str, port: int, lookup: Callable[..., Sequence[Address]]) -> Sequence[Address]:
    """The addresses of a name, looked up in a thread: a silent name server must not delay signals."""
    found: SimpleQueue[Sequence[Address] | OSError] = SimpleQueue()

    def resolve() -> None:
        try:
            found.put(lookup(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE))
        except OSError as error:
            found.put(error)

    try:
        threading.Thread(target=resolve, name="resolver", daemon=True).start()
    except RuntimeError:  # no thread can be started
        resolve()
    addresses = found.get()
    if isinstance(addresses, OSError):
        raise addresses
    return addresses


def _listen_at(listener: socket.socket, address: tuple[object, ...], backlog: int | None) -> socket.socket:
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit it: without it a stream whose client stopped reading would never end.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SEND_TIMEOUT_MS)
        listener.bind(address)
        if backlog is not None:
            # At once, because two sockets may share a port until one of them listens.
            listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
