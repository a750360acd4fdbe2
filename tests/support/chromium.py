"""A real Chromium, for slow tests."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.groups import needs_slow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

# For root in a container, and without the requests that a browser makes on its own.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
ARGUMENTS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
# A host name: over plain HTTP, a browser permits more to 127.0.0.1 than to any other host.
ARGUMENTS += ["--host-resolver-rules=MAP gpu.lab 127.0.0.1"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running Chromium. Skips if it is not installed. Meanwhile this thread can run no other event loop."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    needs_slow("playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield started
        started.close()
