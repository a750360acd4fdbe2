"""Certificates of localhost for tests, made by openssl."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed certificate of localhost."""

    certificate: Path
    key: Path
    both: Path  # certificate and key in one file, for HAProxy

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certificate)


def made_certificate(folder: Path) -> Certificate:
    """A new certificate that is valid for a day."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    made = Certificate(folder / "cert.pem", folder / "key.pem", folder / "both.pem")
    command = "openssl req -x509 -nodes -days 1 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
    command += " -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
    files = ["-out", f"{made.certificate}", "-keyout", f"{made.key}"]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)  # noqa: S603  (our own command)
    made.both.write_text(made.certificate.read_text() + made.key.read_text())
    return made
