"""The name and the command line of a process as safe text of bounded length."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.sources.procfs import Content

MAX_COMMAND = 4096  # characters; every answer repeats a command for each GPU
COMM_BYTES = 15  # all that the kernel keeps of a process's name
MAX_FILE_NAME = 255  # bytes; limits.h: NAME_MAX
ELLIPSIS = "…"
# Names and arguments are any bytes: none may end a line, move a terminal's cursor, turn the direction of
# writing or fail to encode. Controls; marks, embeddings and isolates of direction; line ends; halves of
# surrogate pairs. A zero-width joiner is harmless, and emoji need it.
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# What may stand between the program and its arguments in a title.
_TITLE_END = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    r"""The text without surrounding blanks, each harmful character as an escape, as in `\n` or `\u202e`."""
    return _HARMFUL.sub(lambda found: found[0].encode("unicode_escape").decode(), text.strip(" "))


def parse_cmdline(cmdline: Content) -> list[str]:
    """The arguments in /proc/PID/cmdline; where the file was cut, the last ends in an ellipsis.

    Each argument ends with a zero byte. A text without one is a title that the process wrote over them: one
    word. Kernel threads and zombies have no arguments.
    """
    data = cmdline.data
    if cmdline.is_cut:
        *words, last = data.rstrip(b"\0").split(b"\0")  # a title is padded with zero bytes, up to the cut too
        return [*map(_decode, words), _decode(last, is_cut=True) + ELLIPSIS]
    if not data.endswith(b"\0"):
        return [_decode(data.replace(b"\0", b" "))] if data else []
    return [_decode(word) for word in data[:-1].split(b"\0")]


def full_name(comm: bytes, arguments: Sequence[str] | None, *, hide_arguments: bool) -> str | None:
    """The kernel's name of a process, completed from the name of its program if the kernel has cut it."""
    name = _decode(comm, is_cut=len(comm) >= COMM_BYTES)
    if len(comm) >= COMM_BYTES and arguments:
        program = _program(arguments).rpartition("/")[2]
        is_title = hide_arguments and " " in program  # arguments and all
        if program.startswith(name) and len(program.encode()) <= MAX_FILE_NAME and not is_title:
            name = program
    return clean(name) or None


def command_text(arguments: Sequence[str] | None, name: str | None, *, hide_arguments: bool) -> str | None:
    """The command line as `ps` prints it, cut if too long; [name] if empty, None if not readable."""
    if arguments is None:
        return None
    text = _program(arguments) if hide_arguments else " ".join(arguments)
    command = clean(text) or (f"[{name}]" if name else None)
    return None if command is None else cut(command)


def cut(command: str) -> str:
    """With an ellipsis where it is longer than MAX_COMMAND."""
    return command if len(command) <= MAX_COMMAND else command[: MAX_COMMAND - 1] + ELLIPSIS


def _program(arguments: Sequence[str]) -> str:
    words = [word for word in arguments if word]
    if len(words) == 1:  # a title has the arguments in the same word
        (title,) = words
        return _TITLE_END.split(title.strip())[0]
    return words[0] if words else ""


def _decode(data: bytes, *, is_cut: bool = False) -> str:
    """Decode UTF-8, without a character that was cut."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(data, final=not is_cut)
