"""Injected faults: calls that hang or fail, for the whole library or for one GPU."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING
from weakref import WeakSet

from agent.simulation.codes import NvmlFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Container

POLL_SECONDS = 0.05  # a scenario may end a hang while no other call is made

# These functions return many entries, each with its own return code: by field id, by GPM metric.
FIELD_VALUES = "nvmlDeviceGetFieldValues"
GPM_METRICS = "nvmlGpmMetricsGet"


class Faults:
    """Calls of an NVML function, by symbol, can be made to hang or to fail.

    `symbols`: the existing functions. ValueError for a fault of any other, which would have no effect.
    """

    def __init__(self, symbols: Container[str]) -> None:
        self._symbols = symbols
        self._changed = threading.Condition()
        self._hung: set[str | None] = set()  # None: every symbol
        # Symbol, and entry of those that answer many questions -> return code, times left.
        self._failing: dict[tuple[str, int | None], tuple[int, int | None]] = {}
        self._blocked = 0
        self._held_up: WeakSet[threading.Thread] = WeakSet()

    @property
    def blocked_calls(self) -> int:
        """Calls that hang at this moment."""
        return self._blocked

    def wait_until_blocked(self, calls: int = 1, timeout: float = 5.0) -> bool:
        """Wait until that many calls hang; False when they do not within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._blocked >= calls, timeout)

    def hang(self, symbol: str | None = None) -> None:
        """Calls of `symbol`, or all calls, do not return until released. Other threads are not affected."""
        if symbol is not None:
            self._check_symbol(symbol)
        with self._changed:
            self._hung.add(symbol)

    def release(self, symbol: str | None = None) -> None:
        """End the hang of `symbol`, or every hang; hung calls continue normally."""
        with self._changed:
            if symbol is None:
                self._hung.clear()
            else:
                self._hung.discard(symbol)
            self._changed.notify_all()

    def join_held_up(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for threads that were in a hung call to end.

        Such a thread makes calls until its reading is done, and would call the next library.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            threads = self._held_up - {threading.current_thread(), threading.main_thread()}
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def fail(
        self, symbol: str, error_code: int, times: int | None = None, *, entry: int | None = None
    ) -> None:
        """Let `symbol` return `error_code` (NVML_ERROR_...), for the next `times` calls or until healed.

        `entry`: the call succeeds, and this field id of nvmlDeviceGetFieldValues, or this metric of
        nvmlGpmMetricsGet, has the code. ValueError for an entry of any other function.
        """
        self._check_symbol(symbol)
        if entry is not None and symbol not in {FIELD_VALUES, GPM_METRICS}:
            raise ValueError(f"{symbol} has no entries; {FIELD_VALUES} and {GPM_METRICS} have.")
        with self._changed:
            self._failing[symbol, entry] = (int(error_code), times)

    def heal(self, symbol: str | None = None) -> None:
        """Let `symbol` with all its entries, or every failing function, succeed again."""
        with self._changed:
            for key in [key for key in self._failing if symbol in {None, key[0]}]:
                del self._failing[key]

    def block_while_hung(self, symbol: str, tick: Callable[[], None]) -> None:
        """Return at once unless `symbol` hangs; `tick` advances the scenario meanwhile."""
        if not self._hung or not self._hangs(symbol):
            return
        with self._changed:
            self._blocked += 1
            self._held_up.add(threading.current_thread())
            self._changed.notify_all()
        try:
            while True:
                with self._changed:
                    if not self._hangs(symbol):
                        return
                    self._changed.wait(POLL_SECONDS)
                tick()  # outside the lock: a scenario's step may want to release this very hang
        finally:
            with self._changed:
                self._blocked -= 1

    @property
    def fails(self) -> bool:
        """Whether any call does."""
        return bool(self._failing)

    def raise_if_failing(self, symbol: str, entry: int | None = None) -> None:
        """Raise the failure that `fail` requested, and count it."""
        key = symbol, entry
        if key not in self._failing:
            return
        with self._changed:
            code, times = self._failing.get(key, (0, 0))
            if times is not None:
                if times <= 1:
                    self._failing.pop(key, None)
                else:
                    self._failing[key] = (code, times - 1)
        if code:
            raise NvmlFailure(code)

    def _hangs(self, symbol: str) -> bool:
        return None in self._hung or symbol in self._hung

    def _check_symbol(self, symbol: str) -> None:
        """ValueError if it is not a simulated function."""
        if symbol not in self._symbols:
            raise ValueError(f"{symbol!r} is not a simulated NVML function.")
