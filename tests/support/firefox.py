"""A real Firefox, for slow tests. It supports WebDriver BiDi itself, so no driver program is needed.

https://w3c.github.io/webdriver-bidi/ describes its commands.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.agents import wait_until
from tests.support.groups import needs_slow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.sync.client import ClientConnection

SECONDS = 30.0  # maximum wait for a change of the page, or for the result of a command


class RefusedError(AssertionError):
    """A command or a script failed; with the message of the browser."""


class Firefox:
    """One session, for one thread. It sends one command at a time."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = count(1)
        self.said: dict[str, list[str]] = {}  # errors on the console, by the page's id

    def ask(self, method: str, **parameters: Any) -> Any:
        """The result of a command. Raises RefusedError."""
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=SECONDS))
            if message.get("id") == number:
                if message["type"] != "success":
                    raise RefusedError(f"{method}: {message.get('message')}")
                return message["result"]
            if message.get("method") == "log.entryAdded":
                self._hear(message["params"])

    def _hear(self, entry: Any) -> None:
        if entry["level"] == "error":
            self.said.setdefault(entry["source"].get("context", ""), []).append(str(entry["text"]))

    @contextmanager
    def opened(self, url: str, *, script: str = "", expected: tuple[str, ...] = ()) -> Iterator[FirefoxPage]:
        """The page at this URL, for a new user. At the end, the page must have had no error.

        `script` runs before the page. `expected`: parts of messages that the console may have.
        """
        user = self.ask("browser.createUserContext")["userContext"]
        place = self.ask("browsingContext.create", type="tab", userContext=user)["context"]
        if script:
            self.ask("script.addPreloadScript", functionDeclaration=f"() => {{ {script} }}", contexts=[place])
        try:
            self.ask("browsingContext.navigate", context=place, url=url, wait="complete")
            yield FirefoxPage(self, place)
        finally:
            self.ask("browser.removeUserContext", userContext=user)
        said = [text for text in self.said.get(place, []) if not any(part in text for part in expected)]
        assert said == []


class FirefoxPage:
    """A tab."""

    def __init__(self, firefox: Firefox, place: str) -> None:
        self._firefox = firefox
        self._place = place

    def evaluate(self, expression: str) -> Any:
        """The value of the expression, or of its promise, if it is JSON. Raises RefusedError."""
        answer = self._firefox.ask(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})) ?? 'null')()",
            target={"context": self._place},
            awaitPromise=True,
        )
        if answer["type"] != "success":
            raise RefusedError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    def wait_for(self, expression: str) -> Any:
        """The value of the expression, once it is truthy; AssertionError with the text of the page otherwise.

        It may fail until then, for example between two pages.
        """
        found: list[Any] = [False, None]

        def is_true() -> bool:
            with contextlib.suppress(RefusedError):
                found[:] = self.evaluate(f"Promise.resolve({expression}).then((it) => [Boolean(it), it])")
            return bool(found[0])

        wait_until(is_true, lambda: f"{expression}; the page says:\n{self.text()}", SECONDS)
        return found[1]

    def text(self, selector: str = "body") -> str:
        """The visible text of the element; empty if there is no such element."""
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def click(self, selector: str) -> None:
        """Click the middle of the first such element."""
        box = self.wait_for(
            f"(box => box && box.width && [box.x + box.width / 2, box.y + box.height / 2])"
            f"(document.querySelector({json.dumps(selector)})?.getBoundingClientRect())"
        )
        moves = [{"type": "pointerMove", "x": round(box[0]), "y": round(box[1])}]
        presses = [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        self._act({"type": "pointer", "id": "mouse", "actions": [*moves, *presses]})

    def type(self, text: str) -> None:
        """Type on the keyboard, into the element with the focus; "\\n" is Enter."""
        keys = [{"\n": "\ue007"}.get(key, key) for key in text]
        strokes = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keyboard", "actions": strokes})

    def reload(self) -> None:
        self._firefox.ask("browsingContext.reload", context=self._place, wait="complete")

    def _act(self, source: dict[str, Any]) -> None:
        self._firefox.ask("input.performActions", context=self._place, actions=[source])


@contextmanager
def firefox() -> Iterator[Firefox]:
    """A running Firefox. Skips if it is not installed."""
    executable = shutil.which("firefox-esr")
    if executable is None:
        pytest.skip("needs Firefox (Debian: apt-get install firefox-esr)")
    needs_slow("websockets")
    from websockets.sync.client import connect

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        popen = subprocess.Popen(  # noqa: S603  (no outside input)
            [executable, "--headless", "--no-remote", "--remote-debugging-port=0", "--profile", folder],
            # Firefox refuses a home of another user, and would write into this user's.
            env={**os.environ, "HOME": folder, "MOZ_CRASHREPORTER_DISABLE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port_file = Path(folder) / "WebDriverBiDiServer.json"  # written once Firefox listens
            wait_until(lambda: _port(port_file), "Firefox has written its port", SECONDS)
            with connect(f"ws://127.0.0.1:{_port(port_file)}/session", max_size=None) as socket:
                session = Firefox(socket)
                session.ask("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
                session.ask("session.subscribe", events=["log.entryAdded"])
                yield session
                session.ask("session.end")
        finally:
            popen.terminate()
            popen.wait(timeout=SECONDS)


def _port(port_file: Path) -> int | None:
    try:
        port: int = json.loads(port_file.read_text())["ws_port"]
    except (OSError, ValueError):  # missing, or not completely written yet
        return None
    return port
