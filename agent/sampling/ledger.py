"""Values across Snapshots: idle times, and GPU-seconds by process and by user.

Nothing is estimated: time between Snapshots too far apart, or without a report of the driver, is not counted
as GPU-seconds, and idle time begins anew after it.
A process that is gone is dropped with the first Snapshot without it; only the users' totals stay.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.readings import HostProcess, LedgerReading, ProcessUse, UserUse
from agent.sampling.condition import ConditionTimer
from agent.sampling.idleness import gpu_is_idle, process_is_idle
from agent.sampling.lately import LatelyWatch
from agent.sampling.peak import Peak
from agent.sampling.unlisted import Unlisted

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from agent.readings import GpuProcess, GpuReading, Lately, Snapshot
    from agent.readings.restored import KeptProcess

# The number of users is unbounded where containers have uids of their own.
MAX_USERS = 1000

_UNKNOWN = HostProcess(0)


@dataclass(slots=True)
class _Process:
    """One process on one GPU."""

    first_seen: float  # seconds since boot
    idleness: ConditionTimer
    was_on_full_list: bool = False  # one that is not partial
    start_ticks: int | None = None
    uid: int | None = None
    held: float = 0.0
    used: float | None = None

    def is_other_than(self, host: HostProcess) -> bool:
        """Whether the pid was reused; a start that is unknown now does not count."""
        return self.start_ticks != host.start_ticks and None not in (self.start_ticks, host.start_ticks)

    def count(self, now: GpuProcess, seconds: float, snapshot: Snapshot, *, read_at: float) -> ProcessUse:
        """Another `seconds` have passed, at the end of which it does what `now` says.

        `read_at`, in seconds since boot: a reading may be in several Snapshots.
        """
        sm, is_idle = now.sm_utilization_percent, process_is_idle(now)
        self.held += seconds
        if sm is not None:
            self.used = (self.used or 0.0) + sm / 100 * seconds
        self.idleness.add(is_idle is True, read_at)  # what is unknown here may be work
        since = self.idleness.since
        idle = 0.0 if since is None else max(0.0, snapshot.taken_since_boot - since)
        return ProcessUse(
            snapshot.booted_at + self.first_seen,
            self.held,
            self.used,
            None if is_idle is None else idle,
            self.uid,
        )


@dataclass(slots=True)
class _Gpu:
    """One GPU: the processes on it by pid, and their users by number."""

    lately: LatelyWatch
    idleness: ConditionTimer
    max_gap: float
    # Processes of the previous run, by pid, until they are found.
    kept: dict[int, KeptProcess] = field(default_factory=dict)
    processes: dict[int, _Process] = field(default_factory=dict)
    # Known SM utilization of theirs; under None, of all whose name is unknown.
    users: dict[int | None, list[int]] = field(default_factory=dict)
    peak: Peak = field(default_factory=Peak)
    unlisted: Unlisted = field(default_factory=Unlisted)

    def update(
        self,
        reading: GpuReading,
        snapshot: Snapshot,
        named: Container[int | None],
        seconds: float,
    ) -> dict[int, ProcessUse]:
        """Take the present list of processes; `named` are the users with known names."""
        listed = reading.processes or ()
        before, self.processes, self.users = self.processes, {}, {}
        uses = {}
        for pid, now in {one.pid: one for one in listed}.items():  # one may be on several MIG instances
            host = snapshot.host_processes.get(pid, _UNKNOWN)
            process = before.get(pid)
            is_new = process is None or process.is_other_than(host)
            if process is None or is_new:
                process = self._begin(pid, host, snapshot.taken_since_boot)
            process.was_on_full_list |= reading.knows_all_processes
            # kept in case the host does not report it in time
            if host.start_ticks is not None:
                process.start_ticks = host.start_ticks
            if host.uid is not None:
                process.uid = host.uid
            uses[pid] = process.count(
                now, 0.0 if is_new else seconds, snapshot, read_at=reading.sampled_since_boot
            )
            self.processes[pid] = process
            for user in {process.uid, process.uid if process.uid in named else None}:
                utilization = self.users.setdefault(user, [])
                if now.sm_utilization_percent is not None:
                    utilization.append(now.sm_utilization_percent)
        if not reading.knows_all_processes:
            # A process that is not reported is not gone. Those never on a complete list would grow without
            # limit.
            unlisted = before.keys() - self.processes.keys()
            self.processes |= {pid: before[pid] for pid in unlisted if before[pid].was_on_full_list}
        return uses

    def _begin(self, pid: int, host: HostProcess, now: float) -> _Process:
        """A process that is seen for the first time; one of the previous run continues its idle time."""
        kept = self.kept.pop(pid, None)
        if kept is not None:
            idleness = ConditionTimer(self.max_gap, since=kept.idle_since, until=kept.observed_at)
            process = _Process(kept.first_seen, idleness, start_ticks=kept.start_ticks)
            if not process.is_other_than(host):
                return process
        return _Process(now, ConditionTimer(self.max_gap))


@dataclass(slots=True)
class _User:
    """A user's totals over all GPUs, and the last known name."""

    name: str | None = None
    held: float = 0.0
    used: float | None = None
    told: float = 0.0  # of `held`, what `used` covers

    def count(self, utilization: list[int], seconds: float) -> None:
        """Another `seconds` with processes of this SM utilization on one GPU."""
        self.held += seconds
        if utilization:
            self.used = (self.used or 0.0) + min(100, sum(utilization)) / 100 * seconds
            self.told += seconds


def max_gap(sample_interval: float, history_interval: float) -> float:
    """Seconds: the time between Snapshots that are further apart is unknown."""
    return 3 * max(sample_interval, history_interval)


class Ledger:
    """Fed with every Snapshot in turn; its clock is theirs."""

    def __init__(
        self,
        *,
        sample_interval: float,
        history_interval: float,
        kept: Mapping[tuple[str, int], KeptProcess] | None = None,
    ) -> None:
        """`kept`: processes by GPU UUID and pid, as an agent before this one knew them."""
        self._max_gap = max_gap(sample_interval, history_interval)
        self._updated_at: float | None = None  # seconds of the monotonic clock
        self._began: float | None = None  # seconds since boot
        self._kept: dict[str, dict[int, KeptProcess]] = {}  # by UUID of a GPU that was not there yet, and pid
        for (uuid, pid), process in (kept or {}).items():
            self._kept.setdefault(uuid, {})[pid] = process
        self._gpus: dict[str, _Gpu] = {}  # by UUID
        # By number, so that a name that comes late or changes splits nobody. None: all that was held while
        # the owner's name was unknown; as a counter must, it keeps that when the name has come.
        self._users: dict[int | None, _User] = {}

    def update(self, snapshot: Snapshot) -> LedgerReading:
        """Add the time since the previous Snapshot, and return the totals."""
        self._began = snapshot.taken_since_boot if self._began is None else self._began
        seconds = self._seconds_until(snapshot.taken_monotonic)
        hosts = snapshot.host_processes
        names: dict[int | None, str | None] = {
            host.uid: host.username for host in hosts.values() if host.uid is not None and host.username
        }
        named = names.keys() | {uid for uid, user in self._users.items() if user.name}
        before = self._gpus
        # Processes are kept while the driver does not answer, or the UUID of a GPU is unknown.
        all_are_known = snapshot.driver is not None and all(gpu.identity.uuid for gpu in snapshot.gpus)
        self._gpus = {} if all_are_known else dict(before)
        processes: dict[tuple[str, int], ProcessUse] = {}
        peaks: dict[str, int | None] = {}
        unlisted_peaks: dict[str, int] = {}
        ghosts: dict[str, bool] = {}
        idle_since: dict[str, float] = {}
        lately: dict[str, Lately] = {}
        for sample in snapshot.gpus:
            uuid, reading = sample.identity.uuid, sample.reading
            if uuid is None:
                continue
            gpu = self._gpus[uuid] = before.get(uuid) or self._begin(uuid)
            read_at = reading.sampled_since_boot if reading else snapshot.taken_since_boot
            gpu.idleness.add(gpu_is_idle(sample), read_at)
            if reading is not None:
                gpu.peak.add(read_at, reading.utilization.gpu_percent)
                if gpu.idleness.since is not None:  # of a GPU that is asleep nothing is shown
                    idle_since[uuid] = snapshot.booted_at + gpu.idleness.since
                gpu.unlisted.add(reading)
                lately[uuid] = gpu.lately.add(reading)
                ghosts |= {uuid: True} if gpu.unlisted.is_ghost else {}
            peaks[uuid] = gpu.peak.highest(snapshot.taken_since_boot)
            if (unlisted_peak := gpu.unlisted.peak(snapshot.taken_since_boot)) is not None:
                unlisted_peaks[uuid] = unlisted_peak
            if reading is None or reading.processes is None:
                continue  # what is not reported is not gone
            were_there = gpu.users.keys()
            for pid, use in gpu.update(reading, snapshot, named, seconds).items():
                processes[uuid, pid] = use
            for uid, utilization in gpu.users.items():
                user = self._users.setdefault(uid, _User())
                user.name = names.get(uid, user.name)
                user.count(utilization, seconds if uid in were_there else 0.0)
        self._forget_users()
        began_at = snapshot.booted_at + self._began
        return LedgerReading(
            processes, self._uses(), peaks, unlisted_peaks, ghosts, idle_since, lately, began_at
        )

    def _begin(self, uuid: str) -> _Gpu:
        gap = self._max_gap
        return _Gpu(LatelyWatch(gap), ConditionTimer(gap), gap, self._kept.pop(uuid, {}))

    def _uses(self) -> dict[str | None, UserUse]:
        """The totals by name; users with the same name are added up."""
        uses: dict[str | None, UserUse] = {}
        for uid, user in self._users.items():
            if uid is None or user.name:
                other = uses.get(user.name, UserUse(0.0))
                used = [one for one in (other.gpu_seconds_used, user.used) if one is not None]
                uses[user.name] = UserUse(
                    other.gpu_seconds_held + user.held,
                    sum(used) if used else None,
                    other.gpu_seconds_told + user.told,
                    other.uids if uid is None else (*other.uids, uid),
                )
        return uses

    def _seconds_until(self, now: float) -> float:
        """The seconds to count since the previous Snapshot."""
        before, self._updated_at = self._updated_at, now
        return now - before if before is not None and 0 < now - before <= self._max_gap else 0.0

    def _forget_users(self) -> None:
        """Above MAX_USERS, drop the smallest totals of users who hold nothing now."""
        if len(self._users) <= MAX_USERS:
            return
        holders = {None, *(uid for gpu in self._gpus.values() for uid in gpu.users)}
        gone = sorted(self._users.keys() - holders, key=lambda uid: self._users[uid].held)
        for uid in gone[: len(self._users) - MAX_USERS]:
            del self._users[uid]
