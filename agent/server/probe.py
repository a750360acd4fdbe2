"""`python -m agent.server.probe` asks /health of the agent on this machine: status 0 if it answers, else 1.

For a container's HEALTHCHECK: it finds the agent by the same settings and needs no other program.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent.server.listener import url_host
from agent.settings import SettingsError
from agent.settings.environment import find_env_file, load_settings

if TYPE_CHECKING:
    from agent.settings import Settings

MAIN_FILE = str(Path(__file__).parents[2] / "main.py")
# A fault in any other setting, such as a TOKEN_FILE that cannot be read any more, does not affect a running
# agent.
SETTINGS = ("HOST", "PORT", "UDS", "TLS_CERT", "TLS_KEY", "URL_PREFIX")
TIMEOUT = 3.0  # seconds; /health never waits for the driver
MAX_ANSWER_BYTES = 4096  # the answer of another server on that port may be endless
MAX_REASON = 200  # characters


class Unhealthy(Exception):
    """The agent gave no answer, or another answer than a healthy agent; says so in one line."""


def main() -> int:
    """Write one line with the request and its result; returns the exit status."""
    try:
        settings = load_settings(os.environ, env_file=find_env_file(MAIN_FILE), only=SETTINGS)
    except SettingsError as error:
        _print(f"unhealthy: {'; '.join(error.faults)}")
        return 1
    path = f"{settings.url_prefix}/health"
    connection, address = connection_to(settings)
    try:
        request_health(connection, path)
    except Unhealthy as error:
        _print(f"unhealthy: {address}{path} {error}")
        return 1
    _print(f"healthy: {address}{path}")
    return 0


def _print(line: str) -> None:
    """Write to standard output, which may be closed or full: the exit status counts."""
    with contextlib.suppress(OSError):
        os.write(1, f"{line}\n".encode(errors="backslashreplace"))


def connection_to(settings: Settings) -> tuple[http.client.HTTPConnection, str]:
    """A connection that is not open yet, and its address as text."""
    if settings.uds:
        return _UnixConnection(settings.uds), f"http://unix:{settings.uds}:"
    host = reachable(settings.host)
    address = f"{url_host(host)}:{settings.port}"
    if not settings.tls_cert:
        return http.client.HTTPConnection(host, settings.port, timeout=TIMEOUT), f"http://{address}"
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # nothing secret is sent, and the certificate names no loopback address
    context.verify_mode = ssl.CERT_NONE
    secure = http.client.HTTPSConnection(host, settings.port, timeout=TIMEOUT, context=context)
    return secure, f"https://{address}"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(self._path)


def request_health(connection: http.client.HTTPConnection, path: str) -> None:
    """One request. Raises Unhealthy."""
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read(MAX_ANSWER_BYTES)
    except TimeoutError as error:
        raise Unhealthy(f"gave no answer within {TIMEOUT:g} s") from error
    except (OSError, http.client.HTTPException) as error:
        reason = " ".join(str(error).split())[:MAX_REASON]  # may repeat what another server said
        raise Unhealthy(f"cannot be reached: {reason or type(error).__name__}") from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise Unhealthy(f"answered {response.status}")
    if not says_ok(body):
        raise Unhealthy("sent an answer that is not an agent's")


def says_ok(body: bytes) -> bool:
    """Whether this is the answer of the agent, not of another server on its port."""
    try:
        answer = json.loads(body)
    except ValueError:
        return False
    return isinstance(answer, dict) and answer.get("status") == "ok"


def reachable(host: str) -> str:
    """The address to connect to for a listener on `host`: the loopback address for "every address"."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host  # a name
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"


if __name__ == "__main__":
    sys.exit(main())
