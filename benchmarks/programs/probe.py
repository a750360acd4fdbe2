"""Requests one path repeatedly until stdin ends, then prints the slowest answer in seconds."""

from __future__ import annotations

import argparse
import select
import socket
import sys
import time
from urllib.parse import urlsplit

PAUSE = 0.01  # seconds between two requests


def slowest(url: str) -> float:
    """The slowest answer in seconds. Each request has a connection of its own, as health checks do."""
    address = urlsplit(url)
    request = f"GET {address.path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n".encode()
    worst = 0.0
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        started = time.monotonic()
        with socket.create_connection((address.hostname or "", address.port or 80), timeout=60) as connection:
            connection.sendall(request)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        worst = max(worst, time.monotonic() - started)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{url} answers {answer[:200]!r}")
    return worst


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    sys.stdout.write(f"{slowest(parser.parse_args().url)}\n")
