"""Thirty hosts on one origin, behind a real nginx."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.agents import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTS = 30
FLEET = ",".join(f"node{number:02}=/node{number:02}" for number in range(HOSTS))
# Every node but the last leads to the same agent; the last to a port on which nobody listens.
CONFIG = """
daemon off;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy;
    fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port};
        location ~ ^/node29/ {{ proxy_pass http://127.0.0.1:{nobody}; }}
        location ~ ^/node[0-9]+/(?<rest>.*)$ {{
            proxy_pass http://{agent}/$rest$is_args$args;
            proxy_buffering off;
        }}
    }}
}}
"""


@contextmanager
def gateway(folder: Path, agent: str) -> Iterator[str]:
    """One origin with thirty hosts, of which one is down."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("needs nginx (Debian, Ubuntu: apt-get install nginx-light)")
    port = free_port()
    config = CONFIG.format(port=port, nobody=free_port(), agent=agent.removeprefix("http://"))
    (folder / "nginx.conf").write_text(config)
    popen = subprocess.Popen(  # noqa: S603  (no outside input)
        [nginx, "-p", str(folder), "-c", "nginx.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(f"{url}/node00/health"), "nginx answers")
        yield url
    finally:
        popen.terminate()
        popen.wait(timeout=10)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
