"""Reads a document of `nvidia-smi -q -x` from a file that nobody vouches for."""

from __future__ import annotations

from xml.etree import ElementTree

from agent.simulation.replay.words import Section
from agent.sources.procfs import read_beginning

MAX_BYTES = 8 * 1024**2  # eight GPUs with all their supported clocks take 1 MiB
MAX_GPUS = 128
_ROOT = "nvidia_smi_log"
_BEGINNINGS = ("<?xml", "<!DOCTYPE", f"<{_ROOT}")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # PowerShell writes it


class DocumentError(ValueError):
    """The file holds no document that can be replayed; the message says why, after "which"."""


def read_document(path: str) -> Section:
    """The document in this file. Raises DocumentError."""
    try:
        content = read_beginning(path, MAX_BYTES)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        why = getattr(error, "strerror", None) or str(error)
        raise DocumentError(f"cannot be read ({why})") from error
    data = content.data
    if content.is_cut:
        raise DocumentError(f"holds more than {MAX_BYTES // 1024**2} MiB")
    return parse_document(data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig", "replace"))


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
        raise DocumentError(f"tells of {gpus} GPUs; 1 to {MAX_GPUS} can be replayed")
    return Section(root)
