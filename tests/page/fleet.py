"""Many hosts on one origin, behind a real nginx. Most lead to one agent, some never answer, one is down."""

from __future__ import annotations

import shutil
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.agents import free_port, wait_until

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.certificates import Certificate

HOSTS = 30
SILENT = 6  # hosts that accept connections but never answer; more than a browser has connections
DOWN = 1  # hosts without a listener
UP = HOSTS - SILENT - DOWN
NAMES = [f"node{number:02}" for number in range(HOSTS)]  # in the order up, silent, down
NAMES[2] += "-with-a-name-that-is-longer-than-a-phone-is-wide"
BROKEN = ["502", "503", "504", "ERR_"]  # parts of the browser's messages about hosts that are silent or down
FLEET = ",".join(f"{name}=/{name}" for name in NAMES)
SIXTY = [f"node{number:02}" for number in range(60)]  # all of them up
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
        listen 127.0.0.1:{port}{listens};
        gzip on;
        gzip_types application/json text/css text/javascript;
        {locations}
    }}
}}
"""
LOCATIONS = """
        location ~ ^/({down})/ {{ proxy_pass http://127.0.0.1:{nobody}; }}
        location ~ ^/({silent})/ {{ proxy_pass http://127.0.0.1:{listener}; }}
        location ~ ^/node[^/]+/(?<rest>.*)$ {{
            proxy_pass {agent}/$rest$is_args$args;
            proxy_buffering off;
        }}
"""


@contextmanager
def gateway(folder: Path, agent: str) -> Iterator[str]:
    """The origin of the thirty hosts."""
    listener = socket.create_server(
        ("127.0.0.1", 0), backlog=128
    )  # the kernel accepts connections, but no program answers
    locations = LOCATIONS.format(
        agent=agent,
        silent="|".join(NAMES[UP:-DOWN]),
        listener=listener.getsockname()[1],
        down="|".join(NAMES[-DOWN:]),
        nobody=free_port(),
    )
    with listener, origin(folder, locations) as url:
        wait_until(lambda: answers(f"{url}/node00/health"), "nginx answers")
        yield url


@contextmanager
def all_up(folder: Path, agent: str, certificate: Certificate) -> Iterator[str]:
    """The origin of hosts over HTTP/2 with any name, which all lead to one agent."""
    locations = f"""
        location ~ ^/node[^/]+/(?<rest>.*)$ {{
            proxy_pass {agent}/$rest$is_args$args;
            proxy_buffering off;
        }}
    """
    with origin(folder, locations, certificate) as url:
        trust = certificate.trust()
        wait_until(lambda: answers(f"{url}/node00/health", trust), "nginx answers")
        yield url


@contextmanager
def origin(folder: Path, locations: str, certificate: Certificate | None = None) -> Iterator[str]:
    """The origin of an nginx with these locations, over HTTP/2 if there is a certificate.

    Skips if nginx is not installed.
    """
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("needs nginx (Debian, Ubuntu: apt-get install nginx-light)")
    port = free_port()
    listens = ""
    if certificate:
        listens = " ssl http2"
        locations += f"ssl_certificate {certificate.certificate}; ssl_certificate_key {certificate.key};"
    config = CONFIG.format(port=port, listens=listens, locations=locations)
    (folder / "nginx.conf").write_text(config)
    popen = subprocess.Popen(  # noqa: S603  (no outside input)
        [nginx, "-p", str(folder), "-c", "nginx.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield f"http{'s' if certificate else ''}://127.0.0.1:{port}"
    finally:
        popen.terminate()
        popen.wait(timeout=10)


def answers(url: str, trust: ssl.SSLContext | bool = True) -> bool:
    try:
        return httpx.get(url, verify=trust).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
