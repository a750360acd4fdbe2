"""Conditions of one GPU over the last minutes, which one reading cannot show.

Nothing is estimated: time without a reading is not counted, and too long a pause ends a condition.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from agent.derive.health.fabric import pending_words
from agent.readings import Lately
from agent.sampling.condition import ConditionTimer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.readings import GpuReading, NvLink, Throttling

SLOWED_WINDOW = 300.0  # seconds
RECOVERY_WINDOW = 3600.0
KEPT_VALUES = 60  # of a counter, in its window
MIN_MAX_GAP = 60.0  # seconds between two readings above which the time between is unknown


class Increase:
    """The increase of a counter in the last `window` seconds.

    `of_seconds`: it counts seconds, so it grows by at most one a second. So a value from before the window
    gives a lower bound.
    """

    def __init__(self, window: float, *, of_seconds: bool = False) -> None:
        self._window = window
        self._keep_before = 1 if of_seconds else 0
        self._values: deque[tuple[float, float]] = deque()  # when, and what; the newest last

    def add(self, value: float | None, at: float, *, is_new: bool = True) -> float:
        """Add this value; None: not reported. A counter that decreased has restarted.

        One that is not new was read before `at`, so the increase up to then is a lower bound.
        """
        values = self._values
        if value is not None and is_new:
            if values and value < values[-1][1]:
                values.clear()
            if not values or at - values[-1][0] >= self._window / KEPT_VALUES:
                values.append((at, value))
        while len(values) > self._keep_before and values[self._keep_before][0] < at - self._window:
            values.popleft()
        if value is None or not values:
            return 0.0
        since, first = values[0]
        return max(0.0, value - first - max(0.0, at - since - self._window))

    def __len__(self) -> int:
        return len(self._values)


class LatelyWatch:
    """Fed with every reading of one GPU. `max_gap`: see Lasting."""

    def __init__(self, max_gap: float) -> None:
        max_gap = max(max_gap, MIN_MAX_GAP)
        self._low_margin = ConditionTimer(max_gap)
        self._fabric_pending = ConditionTimer(max_gap)
        self._heat = [Increase(SLOWED_WINDOW, of_seconds=True) for _ in range(3)]
        self._brake = Increase(SLOWED_WINDOW, of_seconds=True)
        self._recoveries: dict[int, Increase] = {}  # by link
        # As they were last read: between, a reading has the same objects.
        self._throttling: Throttling | None = None
        self._links: tuple[NvLink, ...] | None = None
        self._recovered = 0

    def add(self, reading: GpuReading) -> Lately:
        """The conditions, with this reading."""
        at, slowed = reading.sampled_since_boot, reading.throttling
        is_new, self._throttling = slowed is not self._throttling, slowed
        by_heat = (slowed.software_thermal_seconds, slowed.hardware_thermal_seconds, slowed.thermal_seconds)
        return Lately(
            low_margin_seconds=self._low_margin.add(_has_low_margin(reading), at),
            # The kinds of heat may overlap in time: the longest is the lower bound.
            slowed_by_heat_seconds=max(_grown(self._heat, by_heat, at, is_new=is_new)),
            slowed_by_brake_seconds=self._brake.add(slowed.power_brake_seconds, at, is_new=is_new),
            fabric_pending_seconds=self._fabric_pending.add(_is_pending(reading), at),
            nvlink_recoveries=self._follow_links(reading.nvlink.links, at),
        )

    def _follow_links(self, links: tuple[NvLink, ...] | None, at: float) -> int:
        """Recoveries of all links."""
        if links is not self._links:
            self._links = links
            self._recovered = int(
                sum(
                    self._recoveries.setdefault(link.link, Increase(RECOVERY_WINDOW)).add(
                        link.recovery_errors, at
                    )
                    for link in links or ()
                )
            )
        return self._recovered


def _grown(
    counters: Iterable[Increase], values: Iterable[float | None], at: float, *, is_new: bool
) -> list[float]:
    return [counter.add(value, at, is_new=is_new) for counter, value in zip(counters, values, strict=True)]


def _has_low_margin(reading: GpuReading) -> bool | None:
    margin, limit = reading.thermal.margin_celsius, reading.thermal.slowdown_margin_celsius
    return None if margin is None or limit is None else margin <= limit


def _is_pending(reading: GpuReading) -> bool | None:
    return None if reading.fabric.state is None else pending_words(reading.fabric) is not None
