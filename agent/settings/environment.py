"""Where settings come from: an argument wins over the environment, that over the env file.

Also raises the limit of open files.
"""

from __future__ import annotations

import io
import os
import resource
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dotenv.parser import parse_stream

from agent.settings import Settings, SettingsError, fault

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dotenv.parser import Binding

RESERVED_FILES = 64  # descriptors for everything that is no stream: libraries, /proc, polls, the event loop


class Origin(StrEnum):
    """Where the value of a setting comes from."""

    ARGUMENT = "argument"
    ENVIRONMENT = "environment"
    ENV_FILE = "env file"
    DEFAULT = "default"


class Given(NamedTuple):
    """The text of a setting, and where it comes from."""

    text: str
    origin: Origin


def find_env_file(main_file: str) -> str | None:
    """The env file to read if none is given: `.env` of the working directory, else next to `main_file`.

    Only the first is read: with two files, each with half of a configuration, it would be hard to see which
    value holds. A file that exists but cannot be read, such as a link to something that is not mounted, is
    returned too: its TOKEN must not be ignored. A directory of that name is a virtual environment.
    """
    for path in (Path(".env"), Path(main_file).with_name(".env")):
        # Not is_dir(): it raises for a link into a folder that the agent may not enter.
        if os.path.lexists(path) and not os.path.isdir(path):  # noqa: PTH112
            return str(path.absolute())
    return None


def load_settings(
    environ: Mapping[str, str],
    *,
    arguments: Mapping[str, str] | None = None,
    env_file: str | None = None,
    only: Collection[str] | None = None,
) -> Settings:
    """Settings by name, from `arguments` over `environ` over the env file, if there is one.

    With `only`, reads only these settings, without checking the certificate; all others have their defaults.

    Raises the limit of open files as far as permitted. Raises SettingsError with every fault at once.
    """
    texts, faults = given_texts(environ, arguments=arguments, env_file=env_file)
    given = {name: text for name, (text, _) in texts.items() if only is None or name in only}
    if only is None or "MAX_STREAMS" in only:
        faults += _file_limit_faults(given.get("MAX_STREAMS", ""))
    try:
        settings = Settings.from_mapping(given, reads_files=only is None)
    except SettingsError as error:
        raise SettingsError([*faults, *error.faults]) from None
    if faults:
        raise SettingsError(faults)
    return settings


def given_texts(
    environ: Mapping[str, str], *, arguments: Mapping[str, str] | None = None, env_file: str | None = None
) -> tuple[dict[str, Given], list[str]]:
    """Every variable that is given, settings or not, by name, and what is wrong with the env file.

    An empty value does not override another source: in an environment it may be a secret that was not passed
    on.
    """
    faults: list[str] = []
    from_file: dict[str, str] = {}
    try:
        if env_file is not None:
            from_file = read_env_file(env_file)
    except SettingsError as error:
        faults += error.faults
    layers = ((Origin.ENV_FILE, from_file), (Origin.ENVIRONMENT, environ), (Origin.ARGUMENT, arguments or {}))
    given = {name: Given(text, origin) for origin, layer in layers for name, text in layer.items() if text}
    return given, faults


def _file_limit_faults(max_streams: str) -> list[str]:
    """The fault if too few files may be open for MAX_STREAMS; an invalid value is reported elsewhere."""
    files = raise_file_limit()
    try:
        streams = Settings.from_mapping({"MAX_STREAMS": max_streams}).max_streams
    except SettingsError:
        return []
    if streams <= files - RESERVED_FILES:
        return []
    if files <= RESERVED_FILES:  # for no stream at all
        least, enough = RESERVED_FILES + 1, RESERVED_FILES + streams
        needed = f"at least {least}, and {enough} for MAX_STREAMS={streams}"
        return [f"Only {files} files may be open (ulimit -Hn, LimitNOFILE=); accepted: {needed}"]
    accepted = f"at most {files - RESERVED_FILES} while {files} files may be open (ulimit -Hn, LimitNOFILE=)"
    return [fault("MAX_STREAMS", str(streams), accepted=accepted)]


def read_env_file(path: str) -> dict[str, str]:
    """The variables in an env file; a `$` in a value is a `$`. Raises SettingsError."""
    accepted = "accepted: a readable UTF-8 file of NAME=value lines"
    try:
        text = Path(path).read_text("utf-8-sig")
    except OSError as error:
        raise SettingsError(
            [f"The env file {path!r} cannot be read ({error.strerror}); {accepted}"]
        ) from error
    except ValueError:
        raise SettingsError([f"The env file {path!r} is not text; {accepted}"]) from None
    # dotenv_values() skips a line that it cannot parse: a TOKEN lost that way would leave the agent open.
    lines = list(parse_stream(io.StringIO(text)))
    bad = [_line_number(line) for line in lines if line.error or "\0" in line.original.string]
    if bad:
        where = f"line{'s' * (len(bad) > 1)} {', '.join(bad)}"
        raise SettingsError([f"The env file {path!r} cannot be understood at {where}; {accepted}"])
    return {line.key: line.value or "" for line in lines if line.key is not None}


def _line_number(binding: Binding) -> str:
    """The line number as an editor counts: dotenv treats the empty lines before a statement as part of it."""
    text = binding.original.string
    return str(binding.original.line + text[: len(text) - len(text.lstrip())].count("\n"))


def raise_file_limit() -> int:
    """Raises the soft limit of open files to the hard one and returns it: every stream is an open file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else sys.maxsize
