"""Counts GPU use by day for `/usage`, from every Snapshot in turn.

Nothing is estimated. Time counts where the same user, or the same GPU, was reported at both of its ends, and
these are not too far apart; it counts for the day of its middle, by the host's local date.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from agent.derive.usage import counted, parts_of
from agent.readings import GpuDay, GpuState, UsageDays, UsageSums, UserDay, local_day

if TYPE_CHECKING:
    import datetime as dt

    from agent.derive.usage import Parts
    from agent.readings import GpuReading, Snapshot

_Key = TypeVar("_Key")
_Sum = TypeVar("_Sum")

# The number of users is unbounded where containers have uids of their own. Above this number in one day, use
# counts for unknown owners.
MAX_USERS_A_DAY = 1000
# Today, and the day that ended after it was last written.
_DAYS = 2


@dataclass(slots=True)
class _Gpu:
    """The last report of one GPU."""

    at: float  # seconds of the monotonic clock
    parts: Parts | None
    energy_joules: float | None


class UsageMeter:
    """Counts by day; `zone` is the time zone of the dates, None: the host's.

    Uses the clock of the Snapshots.
    """

    def __init__(self, max_gap: float, zone: dt.tzinfo | None = None) -> None:
        self._max_gap = max_gap  # seconds; what is reported further apart says nothing of the time between
        self._zone = zone
        self._gpus: dict[str, _Gpu] = {}  # by UUID
        self._users: dict[str, dict[int | None, UsageSums]] = {}  # by day and uid
        self._days: dict[str, dict[str, GpuDay]] = {}  # by day and UUID

    def update(self, snapshot: Snapshot) -> None:
        """Add the time since the previous Snapshot."""
        owners = _owners(snapshot)
        before, self._gpus = self._gpus, {}
        for gpu in snapshot.gpus:
            uuid = gpu.identity.uuid
            # Values that are repeated because the driver is late are not current.
            if uuid is None or gpu.reading is None or gpu.state is not GpuState.OK:
                continue
            now = _Gpu(
                snapshot.taken_monotonic,
                parts_of(gpu.reading, owners.get(uuid, {})),
                gpu.reading.power.energy_joules,
            )
            self._gpus[uuid] = now
            if uuid in before:
                middle = snapshot.taken_at - (now.at - before[uuid].at) / 2
                self._count(local_day(middle, self._zone), gpu.reading, before[uuid], now)
        for uuid in before.keys() - self._gpus.keys():
            if snapshot.taken_monotonic - before[uuid].at <= self._max_gap:
                self._gpus[uuid] = before[uuid]  # it may be back in time

    def days(self) -> UsageDays:
        """The counts of today and of the day before."""
        return UsageDays(
            tuple(
                UserDay(day, uid, sums) for day, users in self._users.items() for uid, sums in users.items()
            ),
            tuple(one for gpus in self._days.values() for one in gpus.values()),
        )

    def _count(self, day: str, reading: GpuReading, before: _Gpu, now: _Gpu) -> None:
        seconds = now.at - before.at
        if not 0 < seconds <= self._max_gap:
            return
        uuid = reading.identity.uuid or ""
        gpus = _counts_of_day(self._days, day)
        gpu_day = gpus.get(uuid) or GpuDay(day, uuid, None, 0.0, None, UsageSums())
        gpu_day = gpu_day._replace(
            name=reading.identity.name or gpu_day.name,
            energy_joules=_add_energy(gpu_day.energy_joules, before.energy_joules, now.energy_joules),
        )
        if before.parts is not None and now.parts is not None:
            if before.parts.is_whole and now.parts.is_whole:
                gpu_day = gpu_day._replace(watched_seconds=gpu_day.watched_seconds + seconds)
            # One that was taken meanwhile counts for nobody, nor as held.
            everyone = now.parts.all if before.parts.all.share else now.parts.nobody
            gpu_day = gpu_day._replace(sums=counted(gpu_day.sums, everyone, seconds))
            users = _counts_of_day(self._users, day)
            for uid in before.parts.by_owner.keys() & now.parts.by_owner.keys():
                owner = uid if uid in users or len(users) < MAX_USERS_A_DAY else None
                users[owner] = counted(users.get(owner, UsageSums()), now.parts.by_owner[uid], seconds)
        gpus[uuid] = gpu_day


def _owners(snapshot: Snapshot) -> dict[str, dict[int, int | None]]:
    """The uid of each process, by UUID of its GPU and by pid."""
    owners: dict[str, dict[int, int | None]] = {}
    for (uuid, pid), use in (snapshot.ledger.processes if snapshot.ledger else {}).items():
        owners.setdefault(uuid, {})[pid] = use.uid
    return owners


def _counts_of_day(days: dict[str, dict[_Key, _Sum]], day: str) -> dict[_Key, _Sum]:
    """The counts of this day; the day that was counted longest ago is dropped for a new one."""
    days[day] = found = days.pop(day, {})
    for other in list(days)[:-_DAYS]:
        del days[other]
    return found


def _add_energy(sum_so_far: float | None, before: float | None, now: float | None) -> float | None:
    """The increase of an energy counter; it restarts with the driver.

    A value that has not changed may be an old one, and is not counted.
    """
    if before is None or now is None or now <= before:
        return sum_so_far
    return (sum_so_far or 0.0) + now - before
