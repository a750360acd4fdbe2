"""A reader of Dockerfile and .dockerignore, with the syntax that ours use."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import NamedTuple

IMAGE_PATH = "/usr/local/bin:/usr/bin:/bin"


class Instruction(NamedTuple):
    """`name` in capitals; `value` is the rest, its lines joined."""

    name: str
    value: str

    @property
    def exec_form(self) -> list[str]:
        """The JSON list at the end of an ENTRYPOINT or a HEALTHCHECK. ValueError if it is in shell form."""
        argv: list[str] = json.loads(self.value[self.value.index("[") :])
        return argv


def parse(text: str) -> list[Instruction]:
    """The instructions in order."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", "", lines)
    return [Instruction(*line.split(None, 1)) for line in joined.splitlines() if line]


def only(instructions: list[Instruction], name: str) -> Instruction:
    """The only instruction of that name."""
    (found,) = (instruction for instruction in instructions if instruction.name == name)
    return found


def variables(instructions: list[Instruction]) -> dict[str, str]:
    """The environment variables that ENV sets."""
    words = [word for name, value in instructions if name == "ENV" for word in shlex.split(value)]
    return dict(word.split("=", 1) for word in words)


def context(root: Path, under: str = "") -> list[Path]:
    """The files of the build context, relative to it: those that .dockerignore lets through."""
    patterns = (root / ".dockerignore").read_text().splitlines()
    patterns = [pattern for pattern in patterns if pattern and not pattern.startswith("#")]
    files = (path.relative_to(root) for path in sorted((root / under).rglob("*")) if path.is_file())
    return [path for path in files if not is_ignored(path, patterns)]


def is_ignored(path: Path, patterns: list[str]) -> bool:
    """The last pattern that matches the path or a folder above it decides; `!` makes an exception."""
    ignored = False
    names = [str(path), *(str(folder) for folder in path.parents if folder != Path())]
    for pattern in patterns:
        expression = _expression(pattern.removeprefix("!").strip("/"))
        if any(re.fullmatch(expression, name) for name in names):
            ignored = not pattern.startswith("!")
    return ignored


def _expression(pattern: str) -> str:
    """`**/` is any number of folders, `*` anything within one name."""
    parts = re.split(r"(\*\*/|\*)", pattern)
    return "".join({"**/": "(.*/)?", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts)
