"""The state that a previous run of the agent kept in STATE_DIR; empty without it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent.readings.gpu.xid import Blamed, XidSource


class KeptMoment(NamedTuple):
    """Values of GPUs and host at one moment, in the fields of History; None: unknown then."""

    since_boot: float  # seconds; negative before the present boot
    gpus: Mapping[str, tuple[float | None, ...]]  # by UUID
    host: tuple[float | None, ...]


class KeptXid(NamedTuple):
    """One XID of one GPU, in the present boot."""

    times: int
    last_since_boot: float  # seconds
    source: XidSource
    blamed: Blamed | None = None
    was_reset: bool = False


class KeptProcess(NamedTuple):
    """One process on one GPU, in the present boot."""

    start_ticks: int  # since boot: with the pid it names the process
    first_seen: float  # seconds since boot, as the two below
    observed_at: float  # the last time; after a longer pause it may have worked meanwhile
    idle_since: float | None  # None: it worked when it was last observed, or it is unknown


class KeptCard(NamedTuple):
    """The highest values of one GPU in its slot."""

    nvlinks: int = 0  # active at once
    lanes: int | None = None  # of PCIe, under load


@dataclass(frozen=True, slots=True)
class Restored:
    """The whole restored state."""

    history: Sequence[KeptMoment] = ()  # of the last hour, the oldest first
    xids: Mapping[str, Mapping[int, KeptXid]] = field(default_factory=dict)  # by GPU UUID and code
    processes: Mapping[tuple[str, int], KeptProcess] = field(default_factory=dict)  # by GPU UUID and pid
    gpu_count: int = 0  # the most GPUs that were counted at once
    cards: Mapping[tuple[str, str], KeptCard] = field(default_factory=dict)  # by GPU UUID and PCI bus id
    user_names: Mapping[int, str] = field(default_factory=dict)  # by user number
