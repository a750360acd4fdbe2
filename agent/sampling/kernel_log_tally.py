"""Counts events of the kernel log for each GPU and NVSwitch; every table is bounded.

Lines name a GPU by its place on the PCI bus. Before a GPU's first XID the driver writes its UUID, so a card
keeps its own XIDs even if it is moved or replaced.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from agent.readings import Blamed, NvSwitch, SxidCount
from agent.readings.kernel_lines import FallenLine, ResetLine, SxidLine, UuidLine, XidLine

if TYPE_CHECKING:
    from agent.readings.kernel_lines import Line

# An upper bound, so that nothing grows without limit, whatever is in the log.
MAX_GPUS, MAX_SWITCHES, MAX_CODES = 256, 64, 256
# For one fault the driver writes several lines at once, and not every line names the program.
SAME_FAULT_SECONDS = 1.0
# After the line that a device did not come back, the "reset done" of the same reset. Without one, the device
# did not come back from a suspension.
SAME_RESET_SECONDS = 10.0
GPU_HAS_FALLEN = 79


class LoggedXid(NamedTuple):
    """One XID on one GPU. Times are seconds since boot."""

    times: int
    last_at: float
    blamed: Blamed | None = None
    was_reset: bool = False

    def plus(self, other: LoggedXid) -> LoggedXid:
        """The sum of both."""
        last = max(self, other, key=lambda one: one.last_at)
        return last._replace(times=self.times + other.times)


@dataclass(slots=True)
class _Card:
    """One GPU at one place. Times are seconds since boot."""

    bus: str
    uuid: str | None
    xids: dict[int, LoggedXid] = field(default_factory=dict)
    has_fallen: bool = False
    reset_at: float | None = None


class Tally:
    """Takes the lines in their order."""

    def __init__(self) -> None:
        self._cards: dict[tuple[str, str | None], _Card] = {}
        self._uuids: dict[str, str] = {}  # UUID of the GPU by place
        self._switches: dict[tuple[int, str], dict[int, SxidCount]] = {}
        self._failed_at: dict[str, float] = {}  # by place, when a device did not come back

    def take(self, at: float, line: Line) -> None:
        """One line, written `at` seconds since boot."""
        match line:
            case XidLine():
                self._xid(at, line)
            case UuidLine(bus, uuid):
                if bus in self._uuids or len(self._uuids) < MAX_GPUS:
                    self._uuids[bus] = uuid
            case FallenLine(bus):
                if card := self._card(bus):
                    card.has_fallen = True
            case ResetLine():
                self._end_of_reset(at, line)
            case SxidLine():
                self._sxid(at, line)

    def copy(self) -> Tally:
        """One of its own."""
        return deepcopy(self)

    def xids(self, uuid: str | None, bus: str | None) -> dict[int, LoggedXid]:
        """The XIDs of one GPU by code; `bus`: its place, as in 0000:3b:00. UUID or place may be unknown."""
        found: dict[int, LoggedXid] = {}
        for card in self._cards_of(uuid, bus):
            for code, seen in card.xids.items():
                found[code] = found[code].plus(seen) if code in found else seen
        return found

    def reset_at(self, uuid: str | None, bus: str | None) -> float | None:
        """When the GPU was reset last, in seconds since boot; None: the log reports no reset."""
        return max(
            (card.reset_at for card in self._cards_of(uuid, bus) if card.reset_at is not None), default=None
        )

    def fallen(self) -> list[str]:
        """The places of GPUs that fell off the bus and were not reset since."""
        return sorted({card.bus for card in self._cards.values() if card.has_fallen})

    def switches(self, booted_at: float) -> tuple[NvSwitch, ...]:
        """The switches that reported SXIDs. `booted_at` converts times since boot to times of day."""
        return tuple(
            NvSwitch(
                number,
                bus,
                {code: one._replace(last_at=booted_at + one.last_at) for code, one in sorted(sxids.items())},
            )
            for (number, bus), sxids in sorted(self._switches.items())
        )

    def _cards_of(self, uuid: str | None, bus: str | None) -> list[_Card]:
        return [
            card
            for card in self._cards.values()
            if (card.uuid == uuid if card.uuid and uuid else card.bus == bus and self._is_there(card))
        ]

    def _is_there(self, card: _Card) -> bool:
        """Whether it is the card that is at its place now, as far as the log shows."""
        return card.uuid is None or self._uuids.get(card.bus) == card.uuid

    def _card(self, bus: str) -> _Card | None:
        key = (bus, self._uuids.get(bus))
        card = self._cards.get(key)
        if card is None and len(self._cards) < MAX_GPUS:
            card = self._cards[key] = _Card(*key)
        return card

    def _xid(self, at: float, line: XidLine) -> None:
        card = self._card(line.bus)
        if card is None or (line.code not in card.xids and len(card.xids) >= MAX_CODES):
            return
        before = card.xids.get(line.code)
        blamed = Blamed(line.pid, line.name) if line.pid or line.name else None
        if blamed is None and before is not None and at - before.last_at <= SAME_FAULT_SECONDS:
            blamed = before.blamed
        card.xids[line.code] = LoggedXid(before.times + 1 if before else 1, at, blamed)
        if line.code == GPU_HAS_FALLEN:
            card.has_fallen = True
        if line.recovered:
            self._reset(at, line.bus)

    def _end_of_reset(self, at: float, line: ResetLine) -> None:
        """The kernel says "reset done" in any case, and before that whether the device did not come back."""
        if line.failed:
            if line.bus in self._failed_at or len(self._failed_at) < MAX_GPUS:
                self._failed_at[line.bus] = at
        elif at - self._failed_at.pop(line.bus, float("-inf")) > SAME_RESET_SECONDS:
            self._reset(at, line.bus)

    def _reset(self, at: float, bus: str) -> None:
        """Mark the events of the card or switch at this place as ended by a reset."""
        for card in self._cards.values():
            if card.bus == bus and self._is_there(card):
                card.has_fallen, card.reset_at = False, at
                card.xids = {code: seen._replace(was_reset=True) for code, seen in card.xids.items()}
        for (_, place), sxids in self._switches.items():
            if place == bus:
                sxids.update({code: seen._replace(was_reset=True) for code, seen in sxids.items()})

    def _sxid(self, at: float, line: SxidLine) -> None:
        key = (line.switch, line.bus)
        if key not in self._switches and len(self._switches) >= MAX_SWITCHES:
            return
        sxids = self._switches.setdefault(key, {})
        before = sxids.get(line.code)
        if before is not None or len(sxids) < MAX_CODES:
            was_fatal = before is not None and before.fatal and not before.was_reset
            times = before.times + 1 if before else 1
            sxids[line.code] = SxidCount(times, at, was_fatal or line.fatal, line.link)
