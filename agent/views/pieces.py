"""JSON in pieces: what is long is put together of parts that are each made once.

The bytes are those that pydantic makes of the whole object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from pydantic import BaseModel

Piece = TypeVar("Piece")


def to_json(model: BaseModel) -> bytes:
    """What was set of the model."""
    return model.model_dump_json(exclude_unset=True).encode()


def filled(shell: BaseModel, **lists: Iterable[bytes]) -> Iterator[bytes]:
    """The JSON of `shell`, whose lists of these names are empty, with these items in them.

    The names come in the order of its fields. An item is made when it is asked for.
    """
    rest = to_json(shell)
    for name, items in lists.items():
        # A quotation mark inside a text is escaped, so that nothing else can look like this.
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

    def of(self, key: Hashable, make: Callable[[], Iterable[Piece]]) -> Iterator[Piece]:
        """The pieces for this key; unless they were made before, each is made when it is asked for."""
        made = self._made.get(key)
        if made is not None:
            yield from made
            return
        new = []
        for piece in make():
            new.append(piece)
            yield piece
        self._made[key] = new
