"""nginx, Caddy and HAProxy, each started with its file from deploy/.

A file is used as it is, except for the values in `Setup`: its ports and addresses become free ones of
127.0.0.1, its paths those of the test, gpu.example.com becomes localhost. The tokens stay: the agents get the
same ones. `strip` uses the variant that the file has as comments; `read_timeout` shortens the bound on
silence.
"""

from __future__ import annotations

import getpass
import grp
import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import httpx
import pytest

from tests.support.agents import ROOT, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.certificates import Certificate

TOKENS = {"server1": "changeme-server1", "server2": "changeme-server2"}  # as in the files


@dataclass(frozen=True, slots=True)
class Setup:
    """The values that replace those in a file of deploy/."""

    folder: Path
    certificate: Certificate
    agents: tuple[str, str]  # URLs of the agents behind /server1 and /server2
    strip: bool = False
    deny: bool = False  # every client of this host, as the files show in comments
    socket: str = (
        ""  # with which the first agent listens on this Unix socket, and the second one serves HTTPS
    )
    read_timeout: str = "60s"
    http_port: int = 0
    https_port: int = 0

    @property
    def addresses(self) -> list[str]:
        """HOST:PORT of each agent."""
        return [httpx.URL(agent).netloc.decode() for agent in self.agents]


class Program(Protocol):
    """A reverse proxy: its configuration file and its commands."""

    name: str
    package: str  # the Debian package
    example: str  # the file in deploy/

    def replacements(self, setup: Setup) -> Mapping[str, str]:
        """The texts in the file to replace, with their replacements."""

    def command(self, file: Path, setup: Setup) -> list[str]:
        """The command that runs the proxy in the foreground until SIGTERM."""

    def check(self, file: Path, setup: Setup) -> list[str]:
        """The command by which the program checks the file itself."""


class Nginx:
    name = "nginx"
    package = "nginx-light"
    example = "nginx.conf.example"

    def replacements(self, setup: Setup) -> Mapping[str, str]:
        replaced = {
            "/etc/ssl/certs/gpu.example.com.pem": f"{setup.certificate.certificate}",
            "/etc/ssl/private/gpu.example.com.key": f"{setup.certificate.key}",
            "gpu.example.com;": "localhost;",
            "/var/log/nginx/": f"{setup.folder}/",
            "listen [::]:80;": "",
            "listen [::]:443 ssl http2;": "",
            "listen 80;": f"listen 127.0.0.1:{setup.http_port};",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{setup.https_port} ssl http2;",
            "192.0.2.11:8000": setup.addresses[0],
            "192.0.2.12:8000": setup.addresses[1],
            "proxy_read_timeout 60s;": f"proxy_read_timeout {setup.read_timeout};",
        }
        if setup.deny:
            replaced["# allow 10.0.0.0/8; deny all;"] = "deny all;"
        if setup.strip:
            for server in TOKENS:
                replaced[f"    proxy_pass http://{server};"] = ""
                replaced[f"# proxy_pass http://{server}/;"] = f"proxy_pass http://{server}/;"
        if setup.socket:
            replaced |= {
                f"        server {setup.addresses[0]};": "",
                "# server unix:/run/nvidia-smi-web-agent/socket;": f"server unix:{setup.socket};",
                "            proxy_pass http://server2;": "            proxy_pass https://server2;",
                "# proxy_ssl_verify on;": "proxy_ssl_verify on;",
                "# proxy_ssl_trusted_certificate /etc/ssl/certs/agents.pem;": "proxy_ssl_trusted_certificate "
                f"{setup.certificate.certificate};",
                "# proxy_ssl_name gpu02.example.com;": "proxy_ssl_name localhost;",
            }
        return replaced

    def command(self, file: Path, setup: Setup) -> list[str]:
        folder = setup.folder
        directives = f"daemon off; pid {folder}/pid;"
        return ["nginx", "-c", f"{file}", "-p", f"{folder}", "-e", f"{folder}/error.log", "-g", directives]

    def check(self, file: Path, setup: Setup) -> list[str]:
        return [*self.command(file, setup), "-t"]


class Caddy:
    name = "caddy"
    package = "caddy"
    example = "Caddyfile.example"

    def replacements(self, setup: Setup) -> Mapping[str, str]:
        replaced = {
            "/etc/ssl/certs/gpu.example.com.pem": f"{setup.certificate.certificate}",
            "/etc/ssl/private/gpu.example.com.key": f"{setup.certificate.key}",
            "\ngpu.example.com {\n": "\nlocalhost {\n\tbind 127.0.0.1\n",
            "http_port 80 ": f"admin off\n\thttp_port {setup.http_port} ",
            "https_port 443\n": f"https_port {setup.https_port}\n",
            "192.0.2.11:8000": setup.addresses[0],
            "192.0.2.12:8000": setup.addresses[1],
            "read_timeout 60s ": f"read_timeout {setup.read_timeout} ",
        }
        if setup.deny:
            replaced |= {"# @strangers": "@strangers", "# error @strangers": "error @strangers"}
        if setup.strip:
            replaced |= {"# redir ": "redir ", "# uri strip_prefix ": "uri strip_prefix "}
        if setup.socket:
            header = f'header_up Authorization "{TOKENS["server2"]}"'
            secure = f"https://{setup.addresses[1]} {{\n\t\t\t\t{header}\n\t\t\t\timport "
            replaced |= {
                f"reverse_proxy {setup.addresses[0]} ": f"reverse_proxy unix/{setup.socket} ",
                f"{secure.removeprefix('https://')}agent": f"{secure}secure_agent",
                "/etc/caddy/agents.pem": f"{setup.certificate.certificate}",
            }
        return replaced

    def command(self, file: Path, setup: Setup) -> list[str]:
        home = [f"{name}={setup.folder}" for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")]
        return ["env", *home, "caddy", "run", "--adapter", "caddyfile", "--config", f"{file}"]

    def check(self, file: Path, setup: Setup) -> list[str]:
        return ["validate" if word == "run" else word for word in self.command(file, setup)]


class HAProxy:
    name = "haproxy"
    package = "haproxy"
    example = "haproxy.cfg.example"

    def replacements(self, setup: Setup) -> Mapping[str, str]:
        replaced = {
            "/etc/haproxy/certs/gpu.example.com.pem": f"{setup.certificate.both}",
            "bind :::80 v4v6": f"bind 127.0.0.1:{setup.http_port}",
            "bind :::443 v4v6 ": f"bind 127.0.0.1:{setup.https_port} ",
            "192.0.2.11:8000": setup.addresses[0],
            "192.0.2.12:8000": setup.addresses[1],
            "timeout client 60s": f"timeout client {setup.read_timeout}",
            "timeout server 60s": f"timeout server {setup.read_timeout}",
        }
        if os.getuid() != 0:  # only root may become another user
            replaced["user haproxy"] = f"user {getpass.getuser()}"
            replaced["group haproxy"] = f"group {grp.getgrgid(os.getgid()).gr_name}"
        if setup.deny:
            replaced["# http-request deny"] = "http-request deny"
        if setup.strip:
            for action in ("redirect location", "replace-path"):
                replaced[f"# http-request {action} "] = f"http-request {action} "
        if setup.socket:
            replaced |= {
                f"    server agent {setup.addresses[0]}\n": "",
                f"    server agent {setup.addresses[1]}\n": "",
                "# server agent unix@/run/nvidia-smi-web-agent/socket": f"server agent unix@{setup.socket}",
                f"# server agent {setup.addresses[1]} ssl": f"server agent {setup.addresses[1]} ssl",
                "verifyhost gpu02.example.com": "verifyhost localhost",
                "/etc/haproxy/agents.pem": f"{setup.certificate.certificate}",
            }
        return replaced

    def command(self, file: Path, setup: Setup) -> list[str]:  # noqa: ARG002  as the others
        return ["haproxy", "-db", "-f", f"{file}"]

    def check(self, file: Path, setup: Setup) -> list[str]:
        return [*self.command(file, setup), "-c"]


PROGRAMS: tuple[Program, ...] = (Nginx(), Caddy(), HAProxy())


@dataclass(frozen=True, slots=True)
class Origin:
    """The single origin on which a browser sees both agents."""

    url: str
    http_url: str  # the same without TLS
    certificate: Certificate

    def client(self, timeout: float = 10.0) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, verify=self.certificate.trust(), timeout=timeout, trust_env=False
        )

    def curl(self, path: str, *options: str) -> subprocess.Popen[bytes]:
        """A running curl, which supports HTTP/2 too and writes each line as soon as it has read it."""
        if shutil.which("curl") is None:
            pytest.skip("curl is not installed")
        command = ["curl", "--silent", "--show-error", "--no-buffer", "--noproxy", "*", *options]
        command += ["--cacert", f"{self.certificate.certificate}", f"{self.url}{path}"]
        return subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603  (our own command)


def require(program: Program) -> None:
    """Skip the test where the program is not installed."""
    if shutil.which(program.name, path=_environ()["PATH"]) is None:
        pytest.skip(f"{program.name} is not installed: apt-get install {program.package}")


def configured(program: Program, setup: Setup) -> Path:
    """The program's file from deploy/ with the values of `setup`."""
    text = (ROOT / "deploy" / program.example).read_text()
    for value, stand_in in program.replacements(setup).items():
        assert value in text, f"deploy/{program.example} no longer holds {value!r}"
        text = text.replace(value, stand_in)
    file = setup.folder / program.example.removesuffix(".example")
    file.write_text(text)
    return file


def checked(program: Program, setup: Setup) -> tuple[int, str]:
    """The exit status and the words of the program's own check of its file."""
    command = program.check(configured(program, setup), setup)
    done = subprocess.run(  # noqa: S603  (our own command)
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=_environ(), text=True, check=False
    )
    return done.returncode, done.stdout


@contextmanager
def proxy(program: Program, setup: Setup) -> Iterator[Origin]:
    """The program, running."""
    setup = replace(setup, http_port=free_port(), https_port=free_port())
    log_file = setup.folder / f"{program.name}.log"
    command = program.command(configured(program, setup), setup)
    with log_file.open("wb") as log:
        running = subprocess.Popen(  # noqa: S603  (our own command)
            command, stdout=log, stderr=log, env=_environ()
        )

    def listens() -> bool:
        assert running.poll() is None, f"{program.name} ended; its log:\n{log_file.read_text()}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", setup.https_port)) == 0

    try:
        wait_until(listens, f"{program.name} listens")
        yield Origin(
            f"https://localhost:{setup.https_port}",
            f"http://localhost:{setup.http_port}",
            setup.certificate,
        )
    finally:
        running.terminate()
        try:
            running.wait(timeout=15)  # a client may still hold a stream: longer than the files' grace period
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def _environ() -> dict[str, str]:
    """The environment with the folders of system programs, which the PATH of ordinary users lacks."""
    return {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin"}
