"""nginx, Caddy and HAProxy check their own files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.proxies.reverse_proxy import Program, Setup, checked

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.certificates import Certificate

pytestmark = pytest.mark.slow

EXPECTED = re.compile(
    "OCSP|super-user"
)  # a certificate signed by itself; a test run by somebody else than root


def test_each_proxy_accepts_its_file_without_warnings(
    program: Program, strip: bool, certificate: Certificate, tmp_path: Path
) -> None:
    agents = ("http://127.0.0.1:8001", "http://127.0.0.1:8002")
    setup = Setup(tmp_path, certificate, agents, strip=strip, http_port=8080, https_port=8443)
    status, words = checked(program, setup)
    assert status == 0, words
    assert not [line for line in words.splitlines() if "warn" in line.lower() and not EXPECTED.search(line)]
