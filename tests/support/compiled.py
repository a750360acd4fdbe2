"""Libraries that tests compile from C."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def shared_library(source: Path, to: Path, **defined: str | int) -> None:
    """Compile a library with these macros defined. Skips if there is no compiler."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs gcc (Debian, Ubuntu: apt-get install gcc libc6-dev)")
    macros = [f"-D{name}={value}" for name, value in defined.items()]
    command = [compiler, "-shared", "-fPIC", "-Wall", "-Werror", *macros, "-o", str(to), str(source)]
    subprocess.run(command, check=True, timeout=60)  # noqa: S603  (our own source)
