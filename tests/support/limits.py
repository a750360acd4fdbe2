"""Limits of the process, for tests."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TOO_LARGE = 2**46  # bytes of stack for each thread: more than a process has addresses for


@contextmanager
def no_more_threads() -> Iterator[None]:
    """No thread can be started, as above the limit of threads."""
    before = threading.stack_size(TOO_LARGE)
    try:
        yield
    finally:
        threading.stack_size(before)
