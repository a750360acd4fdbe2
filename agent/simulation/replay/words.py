"""Values of tags of nvidia-smi: a value, or NVML's return code that explains why there is none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.simulation.codes import NvmlReturn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from xml.etree.ElementTree import Element

# NVML's words for a return code (nvmlErrorString), and nvidia-smi's own; in lower case, without brackets.
_REFUSALS: Mapping[str, NvmlReturn] = {
    "": NvmlReturn.NOT_SUPPORTED,
    "n/a": NvmlReturn.NOT_SUPPORTED,
    "not supported": NvmlReturn.NOT_SUPPORTED,
    "not available": NvmlReturn.NOT_SUPPORTED,
    "not available in wddm driver model": NvmlReturn.NOT_SUPPORTED,
    "requested functionality has been deprecated": NvmlReturn.DEPRECATED,
    "deprecated": NvmlReturn.DEPRECATED,
    "insufficient permissions": NvmlReturn.NO_PERMISSION,
    "no permission": NvmlReturn.NO_PERMISSION,
    "not found": NvmlReturn.NOT_FOUND,
    "no data": NvmlReturn.NO_DATA,
    "function not found": NvmlReturn.FUNCTION_NOT_FOUND,
    "invalid argument": NvmlReturn.INVALID_ARGUMENT,
    "timeout": NvmlReturn.TIMEOUT,
    "in use by another client": NvmlReturn.IN_USE,
    "insufficient resources": NvmlReturn.INSUFFICIENT_RESOURCES,
    "corrupted inforom": NvmlReturn.CORRUPTED_INFOROM,
    "gpu is lost": NvmlReturn.GPU_IS_LOST,
    "gpu requires reset": NvmlReturn.RESET_REQUIRED,
    "requires reset": NvmlReturn.RESET_REQUIRED,
    "unknown error": NvmlReturn.UNKNOWN,
    "err!": NvmlReturn.UNKNOWN,
}
_REMARK = " ["  # "610.57.04 [Deprecated; ...]" is a version, and a remark on it; a name may hold brackets
_NUMBER = re.compile(r"(-?\d{1,18}(?:\.\d{1,9})?)(?: ?[A-Za-z%/()]*)")
_MOST = 2**32 - 1  # that NVML's numbers hold, but for bytes and counts
MISSING = NvmlReturn.FUNCTION_NOT_FOUND  # of a tag that the document does not have


class Section:
    """An element of the document.

    Each method takes paths below it; the first with a value is used. If none has a value, the result is the
    code of the first existing one, else MISSING.
    """

    def __init__(self, element: Element) -> None:
        self._element = element

    def sections(self, path: str) -> Iterator[Section]:
        """The elements at this path."""
        return map(Section, self._element.findall(path))

    def attribute(self, name: str) -> str | NvmlReturn:
        """An attribute of the element itself."""
        return _understood(self._element.get(name))

    def has(self, *paths: str) -> bool:
        """Whether one of them exists, whatever its text."""
        return any(self._text(path) is not None for path in paths)

    def is_blank(self, path: str) -> bool:
        """Whether it is there, and holds no text of its own."""
        return self._text(path) == ""

    def text(self, *paths: str) -> str | NvmlReturn:
        """As it stands."""
        found = MISSING
        for path in paths:
            known = _understood(self._text(path))
            if not isinstance(known, NvmlReturn):
                return known
            if found is MISSING:
                found = known
        return found

    def version(self, *paths: str) -> str | NvmlReturn:
        """Without a remark in brackets behind it."""
        text = self.text(*paths)
        return text if isinstance(text, NvmlReturn) else text.partition(_REMARK)[0]

    def number(self, *paths: str, scale: int = 1, least: int = 0, most: int = _MOST) -> int | NvmlReturn:
        """In front of its unit, times `scale`; UNKNOWN for none, and what is not in that range."""
        text = self.version(*paths)
        if isinstance(text, NvmlReturn):
            return text
        match = _NUMBER.fullmatch(text)
        number = None if match is None else round(float(match[1]) * scale)
        return number if number is not None and least <= number <= most else NvmlReturn.UNKNOWN

    def bytes(self, *paths: str) -> int | NvmlReturn:
        """Told in MiB."""
        return self.number(*paths, scale=1024**2, most=2**63 - 1)

    def margin(self, *paths: str) -> int | NvmlReturn:
        """Degrees Celsius, which may be less than 0."""
        return self.number(*paths, least=-(2**31), most=2**31 - 1)

    def nanoseconds(self, *paths: str) -> int | NvmlReturn:
        """Told in microseconds."""
        return self.number(*paths, scale=1000, most=2**63 - 1)

    def milliwatts(self, *paths: str) -> int | NvmlReturn:
        """Told in W."""
        return self.number(*paths, scale=1000)

    def sum(self, *paths: str) -> int | NvmlReturn:
        """Of those that this GPU has; the code of the first that it has and that failed."""
        numbers = [self.number(path) for path in paths]
        for number in numbers:
            if isinstance(number, NvmlReturn) and not is_absent(number):
                return number
        known = [number for number in numbers if not isinstance(number, NvmlReturn)]
        return sum(known) if known else _first_code(numbers)

    def choice(self, meanings: Mapping[str, int], *paths: str) -> int | NvmlReturn:
        """The meaning of a word, in upper or lower case; UNKNOWN for another word."""
        text = self.version(*paths)
        if isinstance(text, NvmlReturn):
            return text
        return meanings.get(text.lower().replace("_", " "), NvmlReturn.UNKNOWN)

    def bits(self, *paths_of: tuple[int, tuple[str, ...]], active_or_not: bool = False) -> int | NvmlReturn:
        """All bits whose paths say "Active", or also "Not Active"; a mask has no bit for "not reported"."""
        answers = [(bit, self.choice(_ACTIVE, *paths)) for bit, paths in paths_of]
        known = [(bit, answer) for bit, answer in answers if not isinstance(answer, NvmlReturn)]
        if not known:
            return _first_code(answer for _, answer in answers)
        return sum(bit for bit, is_active in known if is_active or active_or_not)

    def _text(self, path: str) -> str | None:
        """None: there is no such tag. A word instead of a whole section stands for all in it."""
        element = self._element
        for name in path.split("/"):
            child = element.find(name)
            if child is None:
                word = (element.text or "").strip()
                return word if word and not len(element) and element is not self._element else None
            element = child
        return (element.text or "").strip()


_ACTIVE = {"active": 1, "not active": 0}


def _understood(text: str | None) -> str | NvmlReturn:
    if text is None:
        return MISSING
    refusal = _REFUSALS.get(text.strip("[] ").lower())
    if refusal is None and text.startswith("[") and text.endswith("]"):
        return NvmlReturn.UNKNOWN  # words of a driver that is newer than this
    return text if refusal is None else refusal


def is_absent(answer: object) -> bool:
    """Whether the GPU, or its driver, has no such value; any other code says that asking failed."""
    return answer is NvmlReturn.NOT_SUPPORTED or answer is MISSING


def together(*parts: int) -> tuple[int, ...] | NvmlReturn:
    """The values of one function; it fails only if all are missing."""
    is_known = any(not isinstance(part, NvmlReturn) for part in parts)
    return parts if is_known else _first_code(parts)


def _first_code(answers: Iterable[int]) -> NvmlReturn:
    codes = [answer for answer in answers if isinstance(answer, NvmlReturn)]
    return next((code for code in codes if code is not MISSING), MISSING)
