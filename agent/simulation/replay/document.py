"""Reads a document of `nvidia-smi -q -x` from a file that nobody vouches for."""

from __future__ import annotations

import os
import stat
from xml.etree import ElementTree

from agent.simulation.replay.words import Section
from agent.simulation.simulation import MAX_GPUS

MAX_BYTES = 8 * 1024**2  # eight GPUs with all their supported clocks take 1 MiB
_ROOT = "nvidia_smi_log"
_BEGINNINGS = ("<?xml", "<!DOCTYPE", f"<{_ROOT}")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # PowerShell writes it


class DocumentError(ValueError):
    """The file holds no document that can be replayed; the message says why, after "which"."""


def read_document(path: str) -> Section:
    """The document in this file, which must be one that can be read again. Raises DocumentError."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            is_regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            data = file.read(MAX_BYTES + 1) if is_regular else b""
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        why = getattr(error, "strerror", None) or str(error)
        raise DocumentError(f"cannot be read ({why})") from error
    if not is_regular:
        raise DocumentError("is not a regular file, as a pipe is none")
    if len(data) > MAX_BYTES:
        raise DocumentError(f"holds more than {MAX_BYTES // 1024**2} MiB")
    return parse_document(data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig", "replace"))


def _without_waiting(path: str, flags: int) -> int:
    """A pipe would wait for somebody who writes."""
    return os.open(path, flags | os.O_NONBLOCK)


def parse_document(text: str) -> Section:
    """The document in this text, with a warning of the driver before or after it. Raises DocumentError."""
    if "<!ENTITY" in text:  # a few of them, each of many others, would fill the memory
        raise DocumentError("declares an XML entity, which nvidia-smi never does")
    if f"<{_ROOT}" not in text:
        form = "the text form of nvidia-smi -q" if "NVSMI LOG" in text else f"no <{_ROOT}>"
        raise DocumentError(f"holds {form}, and not what nvidia-smi -q -x prints")
    end = f"</{_ROOT}>"
    start = min(place for mark in _BEGINNINGS if (place := text.find(mark)) >= 0)
    length = text.rfind(end) + len(end)
    if length < len(end):
        raise DocumentError("is cut off: its last tag is missing")
    try:
        # `text` has no entities, and is small
        root = ElementTree.fromstring(text[start:length])  # noqa: S314
    except (ElementTree.ParseError, ValueError) as error:
        raise DocumentError(f"is damaged ({error})") from error
    gpus = len(root.findall("gpu"))
    if root.tag != _ROOT or not 1 <= gpus <= MAX_GPUS:
        raise DocumentError(f"has {gpus} GPUs; 1 to {MAX_GPUS} can be replayed")
    return Section(root)
