"""What NVLinks lead to: switches, other GPUs, or nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.readings import NVSWITCH, NvLink
from agent.simulation import NvmlReturn, Simulation
from agent.sources.gpu import GpuSource
from agent.sources.gpu.paces import SLOW_PACE
from tests.sources.one_gpu import one_gpu

if TYPE_CHECKING:
    from agent.readings import GpuReading

BUS_IDS = ["00000000:01:00.0", "00000000:02:00.0", "00000000:03:00.0"]
SWITCH_BUS_IDS = frozenset({f"00000001:0{number}:00.0" for number in range(4)})
TYPE = "nvmlDeviceGetNvLinkRemoteDeviceType"
STATE = "nvmlDeviceGetNvLinkState"


@pytest.mark.parametrize(
    ("model", "peers"),
    [("h100", {NVSWITCH}), ("a100", {NVSWITCH}), ("rtx4090", None), ("gb10", None), ("k80", None)],
)
def test_each_model_has_the_links_of_the_real_one(model: str, peers: set[str] | None) -> None:
    with one_gpu(model) as one:
        assert one.read().nvlink.peers == peers


def test_a_bridge_leads_to_the_other_gpu() -> None:
    with Simulation(3, models=["rtx4090"]) as simulation:
        simulation.gpus[0].bridge(simulation.gpus[2])
        readings = [GpuSource(index).read() for index in range(3)]

    assert [reading.identity.pci_bus_id for reading in readings] == BUS_IDS
    assert [reading.nvlink.peers for reading in readings] == [{BUS_IDS[2]}, None, {BUS_IDS[0]}]


@pytest.mark.parametrize("code", [NvmlReturn.NOT_SUPPORTED, NvmlReturn.NO_PERMISSION, NvmlReturn.UNKNOWN])
def test_without_the_type_of_the_other_end_its_bus_id_is_told(code: NvmlReturn) -> None:
    """Which is no GPU's, if it is a switch."""
    with one_gpu() as one:
        one.simulation.fail(TYPE, code)

        assert one.read().nvlink.peers == SWITCH_BUS_IDS


def test_a_driver_that_knows_no_types_tells_the_bus_id() -> None:
    with one_gpu() as one:
        one.simulation.set_driver_generation("r418")

        assert one.read().nvlink.peers == SWITCH_BUS_IDS


def test_where_nothing_is_told_of_the_other_end_the_link_leads_nowhere() -> None:
    with one_gpu() as one:
        one.simulation.fail(TYPE, NvmlReturn.NOT_SUPPORTED)
        one.simulation.fail("nvmlDeviceGetNvLinkRemotePciInfo_v2", NvmlReturn.NOT_SUPPORTED)

        assert one.read().nvlink.peers == frozenset()


def test_a_link_that_is_down_leads_nowhere() -> None:
    with Simulation(3, models=["rtx4090"]) as simulation:
        first, second, third = simulation.gpus
        first.bridge(second)
        first.nvlinks = [second, third]
        first.nvlinks_down = {0}

        assert GpuSource(0).read().nvlink.peers == frozenset({BUS_IDS[2]})


def test_links_are_looked_at_again() -> None:
    """The fabric manager may have started after us."""
    with one_gpu() as one:
        one.simulation.fail(STATE, NvmlReturn.UNKNOWN)
        one.read()
        one.simulation.heal()

        assert one.read(after=SLOW_PACE - 1).nvlink.peers is None
        assert one.read(after=1).nvlink.peers == frozenset({NVSWITCH})


def test_a_link_that_comes_up_has_a_peer_at_once() -> None:
    with one_gpu() as one:
        one.gpu.nvlinks_down = {3}
        before = one.read().nvlink.links
        one.gpu.nvlinks_down = set()
        after = one.read(after=SLOW_PACE).nvlink.links

    assert before is not None
    assert after is not None
    assert (before[3].is_active, before[3].peer) == (False, None)
    assert (after[3].is_active, after[3].peer) == (True, NVSWITCH)


@pytest.mark.parametrize("links", [4, 17, 1])
def test_another_number_of_links_makes_no_rate_at_first(links: int) -> None:
    """As after a driver that restarts, or a link that is not told any more: whose count would be whose?"""
    with one_gpu() as one:
        one.gpu.fix(nvlink_tx=1000, nvlink_rx=2000)
        one.read()
        assert rates_of_links(one.read(after=SLOW_PACE)) == [(1000.0, 2000.0)] * 18

        one.gpu.nvlinks = one.gpu.nvlinks[:links]
        assert rates_of_links(one.read(after=SLOW_PACE)) == [(None, None)] * links
        assert rates_of_links(one.read(after=SLOW_PACE)) == [(1000.0, 2000.0)] * links


def rates_of_links(reading: GpuReading) -> list[tuple[float | None, float | None]]:
    """What each link sends and receives, KiB/s."""
    return [(link.tx_kib_per_second, link.rx_kib_per_second) for link in reading.nvlink.links or ()]


def test_each_link_tells_what_it_carries_and_what_went_wrong() -> None:
    with one_gpu() as one:
        one.gpu.fix(nvlink_tx=1000, nvlink_rx=2000)
        one.gpu.error_counters.nvlink_errors = {(3, 0): 4, (3, 1): 5, (3, 2): 6, (3, 3): 7}
        first = one.read()
        second = one.read(after=SLOW_PACE)

    assert first.nvlink.links is not None
    assert second.nvlink.links is not None
    assert len(second.nvlink.links) == 18
    assert first.nvlink.links[0].tx_kib_per_second is None, "one count makes no rate"
    assert second.nvlink.links[3] == NvLink(
        link=3,
        is_active=True,
        version=4,
        peer=NVSWITCH,
        tx_kib_per_second=1000.0,
        rx_kib_per_second=2000.0,
        replay_errors=4,
        recovery_errors=5,
        crc_flit_errors=6,
        crc_data_errors=7,
    )


@pytest.mark.parametrize(
    ("symbol", "field"),
    [("nvmlDeviceGetNvLinkVersion", "version"), ("nvmlDeviceGetNvLinkErrorCounter", "replay_errors")],
)
def test_a_missing_function_costs_its_own_fields_of_a_link_only(symbol: str, field: str) -> None:
    with one_gpu() as one:
        one.simulation.remove_function(symbol)
        links = one.read().nvlink.links

    assert links is not None
    assert getattr(links[0], field) is None
    assert (links[0].is_active, links[0].peer) == (True, NVSWITCH)


def test_the_most_links_that_were_ever_active_are_remembered() -> None:
    with one_gpu() as one:
        one.read()
        one.gpu.nvlinks_down = {0, 1}

        reading = one.read(after=SLOW_PACE)

        assert reading.nvlink.links is not None
        assert sum(link.is_active for link in reading.nvlink.links) == 16
        one.source.release()
        after_contact = one.read()

    assert reading.nvlink.most_active == after_contact.nvlink.most_active == 18


def test_what_a_minute_of_links_costs() -> None:
    with one_gpu() as one:
        for _ in range(60):
            one.read(after=1)

    calls = {symbol: calls for symbol, calls in one.simulation.calls.items() if "NvLink" in symbol}
    assert calls == {
        "nvmlDeviceGetNvLinkState": 12 * (18 + 1),  # there is none beyond the last
        "nvmlDeviceGetNvLinkVersion": 18,
        "nvmlDeviceGetNvLinkRemoteDeviceType": 18,
        "nvmlDeviceGetNvLinkErrorCounter": 18 * 4,
    }
