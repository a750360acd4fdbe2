"""XID errors wait in the driver; each is returned once, and none is lost between two waits."""

from __future__ import annotations

from typing import Any

import pynvml
import pytest

from agent.readings import Reason, SourceError
from agent.simulation import NvmlReturn, Simulation
from agent.sources.gpu.xid import XidEventSource
from agent.sources.nvml import DriverSource

WAIT = "nvmlEventSetWait_v2"


def uuids(simulation: Simulation) -> list[str | None]:
    return [gpu.values.uuid for gpu in simulation.gpus]


def test_events_of_all_gpus_come_in_their_order() -> None:
    with Simulation(3) as simulation:
        source = XidEventSource()
        source.listen(3)
        for index, code in [(2, 31), (0, 48), (2, 31), (1, 79)]:
            simulation.gpus[index].raise_xid(code)
        first, second, third = uuids(simulation)

        assert source.uuids == {first, second, third}
        assert [source.wait() for _ in range(5)] == [
            (third, 31),
            (first, 48),
            (third, 31),
            (second, 79),
            None,
        ]


def test_events_from_before_listening_are_not_reported() -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].raise_xid(31)
        source = XidEventSource()
        source.listen(1)

        assert source.wait() is None


@pytest.mark.parametrize("fault", ["lose", "deny"])
def test_a_gpu_that_cannot_be_listened_to_joins_later(fault: str) -> None:
    with Simulation(2) as simulation:
        getattr(simulation.gpus[1], fault)()
        source = XidEventSource()
        source.listen(2)
        assert source.uuids == {uuids(simulation)[0]}
        simulation.gpus[1].restore()
        simulation.gpus[1].permit()

        source.listen(2)

        assert source.uuids == set(uuids(simulation))
        assert simulation.calls["nvmlDeviceRegisterEvents"] == 2, "nobody is registered twice"


def test_the_reason_why_a_gpu_is_not_listened_to_is_known_until_it_joins() -> None:
    with Simulation(2) as simulation:
        simulation.gpus[1].fail("nvmlDeviceRegisterEvents", NvmlReturn.NO_PERMISSION)
        source = XidEventSource(since_boot=lambda: 5.0)
        first, second = uuids(simulation)
        source.listen(2)

        assert source.why_not(first) is None
        why = source.why_not(second)
        assert why is not None
        assert (why.reason, why.function) == (Reason.NO_PERMISSION, "nvmlDeviceRegisterEvents")
        assert (why.since, why.reported_before) == (5.0, False)
        simulation.gpus[1].heal()
        source.listen(2)
        assert source.why_not(second) is None


class Waits:
    """The simulated library, but no event ever comes; records how long each call waits."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self.milliseconds: list[int] = []

    def __getattr__(self, symbol: str) -> Any:
        return self._wait if symbol == WAIT else getattr(self._library, symbol)

    def _wait(self, _events: Any, _event: Any, milliseconds: Any) -> int:
        self.milliseconds.append(milliseconds.value)
        return int(NvmlReturn.TIMEOUT)


def test_an_event_is_waited_for_less_than_half_a_second_at_a_time() -> None:
    """The agent waits this long when it stops."""
    with Simulation(1) as simulation:
        source = XidEventSource()
        source.listen(1)
        pynvml.nvmlLib = waits = Waits(simulation)

        assert source.wait() is None
        assert waits.milliseconds == [400]


def test_queued_events_are_reported_before_the_loss_of_their_gpu() -> None:
    with Simulation(2) as simulation:
        source = XidEventSource()
        source.listen(2)
        simulation.gpus[1].raise_xid(79)
        simulation.gpus[1].lose()

        assert source.wait() == (uuids(simulation)[1], 79)
        with pytest.raises(SourceError, match="The driver does not report XID errors"):
            source.wait()


def test_after_a_driver_reload_the_source_can_listen_again() -> None:
    with Simulation(1) as simulation:
        driver = DriverSource()
        driver.read()
        source = XidEventSource()
        source.listen(1)
        simulation.reload_driver()
        with pytest.raises(SourceError):
            source.wait()
        source.close()
        driver.read()

        source.listen(1)
        simulation.gpus[0].raise_xid(13)

        assert source.wait() == (uuids(simulation)[0], 13)


@pytest.mark.parametrize("symbol", ["nvmlEventSetCreate", "nvmlDeviceRegisterEvents"])
def test_a_driver_without_events_is_not_listened_to(symbol: str) -> None:
    with Simulation(1) as simulation:
        simulation.fail(symbol, NvmlReturn.NOT_SUPPORTED)
        source = XidEventSource()

        source.listen(1)

        assert source.uuids == frozenset()


def test_closing_the_source_leaves_no_event_set_and_no_listener() -> None:
    with Simulation(1) as simulation:
        source = XidEventSource()
        source.listen(1)
        source.close()
        source.close()

        assert simulation.event_sets.by_pointer == {}
        assert simulation.gpus[0].xid_listeners == []
