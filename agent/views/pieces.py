"""JSON in pieces: a long answer is joined from parts that are each made once.

The bytes equal those that pydantic makes of the whole object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from pydantic import BaseModel

Piece = TypeVar("Piece")


def to_json(model: BaseModel) -> bytes:
    """The JSON of the fields that were set."""
    return model.model_dump_json(exclude_unset=True).encode()


def filled(shell: BaseModel, **lists: Iterable[bytes]) -> Iterator[bytes]:
    """The JSON of `shell`, with these items in its lists of these names, which are empty in `shell`.

    The names are in the order of its fields. An item is made only when it is needed.
    """
    rest = to_json(shell)
    for name, items in lists.items():
        # A quotation mark inside a text is escaped, so nothing else can match this.
        before, _, rest = rest.partition(f'"{name}":[]'.encode())
        yield before + f'"{name}":['.encode()
        comma = b""
        for item in items:
            yield comma + item
            comma = b","
        yield b"]"
    yield rest


class MadeOnce(Generic[Piece]):
    """Remembers what was made for each key."""

    def __init__(self) -> None:
        self._made: dict[Hashable, list[Piece]] = {}

    def get(self, key: Hashable, make: Callable[[], Iterable[Piece]]) -> Iterator[Piece]:
        """The pieces for this key; a piece that was not made before is made when it is needed."""
        made = self._made.get(key)
        if made is not None:
            yield from made
            return
        new = []
        for piece in make():
            new.append(piece)
            yield piece
        self._made[key] = new
