"""A small compiled libnvidia-ml: no Python runs in the driver, and the C structs are the real ones."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from benchmarks.driver.answers import FIELDS, NUMBERS, TEXTS

LIBRARY = "libnvidia-ml.so.1"
_SOURCE = Path(__file__).with_name("nvml.c")


def missing() -> str | None:
    """What `build` needs and is not installed, as text."""
    if shutil.which("gcc") is None:
        return "Not found: gcc. On Debian and Ubuntu: apt-get install gcc libc6-dev"
    return None


def build(folder: Path) -> Path:
    """Compile the library into a folder, for LD_LIBRARY_PATH; nvml.c lists its environment variables."""
    library = folder / LIBRARY
    fields = ",".join(
        f"{{{number},{int(field.wide)},{int(field.counts_scopes)},{field.value}ull}}"
        for number, field in FIELDS.items()
    )
    macros = {
        **{name: f"{value}ull" for name, value in NUMBERS.items()},
        **{name: f'"{text}"' for name, text in TEXTS.items()},
        "FIELDS": fields,
    }
    given = [f"-D{name}={value}" for name, value in macros.items()]
    options = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(  # noqa: S603  (our own source)
        ["gcc", *options, *given, "-o", str(library), str(_SOURCE)],  # noqa: S607  (of the system)
        check=True,
        timeout=60,
    )
    return library
