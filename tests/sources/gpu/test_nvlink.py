"""Remote ends of NVLinks: switches, other GPUs, or none."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pynvml
import pytest

from agent.readings import NVSWITCH, NvLink, Reason
from agent.simulation import FieldId, NvmlReturn, Simulation, wire
from agent.simulation.call_faults import FIELD_VALUES
from agent.sources.gpu import GpuSource
from agent.sources.gpu.nvlink_counters import NvLinkCounters
from agent.sources.gpu.paces import FIXED_PACE, NVLINK_FACTS_PACE, SLOW_PACE
from agent.sources.gpu.unknown import Refusal
from agent.sources.return_codes import reason_of
from tests.sources.one_gpu import OneGpu, one_gpu

if TYPE_CHECKING:
    from agent.readings import GpuReading

BUS_IDS = ["00000000:01:00.0", "00000000:02:00.0", "00000000:03:00.0"]
SWITCH_BUS_IDS = frozenset({f"00000001:0{number}:00.0" for number in range(4)})
TYPE = "nvmlDeviceGetNvLinkRemoteDeviceType"
STATE = "nvmlDeviceGetNvLinkState"
ERRORS = "nvmlDeviceGetNvLinkErrorCounter"
ERROR_FIELDS = (FieldId.NVLINK_REPLAYS, FieldId.NVLINK_RECOVERIES_BEFORE_5)
BY_FIELD = {  # and the function that stands in
    FieldId.NVLINK_STATE: STATE,
    FieldId.NVLINK_VERSION: "nvmlDeviceGetNvLinkVersion",
    **dict.fromkeys(ERROR_FIELDS, ERRORS),
}


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
def test_without_the_type_of_the_other_end_its_bus_id_is_reported(code: NvmlReturn) -> None:
    """Which is no GPU's, if it is a switch."""
    with one_gpu() as one:
        one.simulation.fail(TYPE, code)

        assert one.read().nvlink.peers == SWITCH_BUS_IDS


def test_a_driver_that_knows_no_types_tells_the_bus_id() -> None:
    with one_gpu() as one:
        one.simulation.set_driver_generation("r418")

        assert one.read().nvlink.peers == SWITCH_BUS_IDS


def test_where_nothing_is_reported_of_the_other_end_the_link_leads_nowhere() -> None:
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
        one.simulation.fail(FIELD_VALUES, NvmlReturn.UNKNOWN, entry=FieldId.NVLINK_STATE)
        one.read()
        one.simulation.heal()

        assert one.read(after=SLOW_PACE - 1).nvlink.peers is None
        assert one.read(after=1).nvlink.peers == frozenset({NVSWITCH})


def test_a_link_that_comes_up_has_a_peer_and_its_errors_at_once() -> None:
    with one_gpu() as one:
        one.gpu.nvlinks_down = {3}
        before = one.read().nvlink.links
        one.gpu.nvlinks_down = set()
        one.gpu.error_counters.nvlink_errors = {(3, 2): 6}
        after = one.read(after=SLOW_PACE).nvlink.links

    assert before is not None
    assert after is not None
    assert (before[3].is_active, before[3].peer) == (False, None)
    assert (after[3].is_active, after[3].peer) == (True, NVSWITCH)
    assert (before[3].crc_flit_errors, after[3].crc_flit_errors) == (0, 6)


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
        speed_megabytes_per_second=26_562,
        tx_kib_per_second=1000.0,
        rx_kib_per_second=2000.0,
        replay_errors=4,
        recovery_errors=5,
        crc_flit_errors=6,
        crc_data_errors=7,
    )


@pytest.mark.parametrize(
    ("symbol", "lost"),
    [
        ("nvmlDeviceGetNvLinkVersion", {"version"}),
        (
            "nvmlDeviceGetNvLinkErrorCounter",
            {"replay_errors", "recovery_errors", "crc_flit_errors", "crc_data_errors"},
        ),
    ],
)
def test_a_missing_function_costs_its_own_fields_of_a_link_only(symbol: str, lost: set[str]) -> None:
    """Of a GPU whose links no field values tell."""
    with one_gpu("a100") as one:
        before = (one.read().nvlink.links or ())[0]
        one.source.release()
        one.simulation.remove_function(symbol)
        after = (one.read().nvlink.links or ())[0]

    assert None not in {getattr(before, name) for name in lost}
    names = (field.name for field in fields(NvLink))
    assert {name for name in names if getattr(after, name) != getattr(before, name)} == lost
    assert {getattr(after, name) for name in lost} == {None}


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


def calls_of_links(one: OneGpu, seconds: int) -> dict[str, int]:
    """NVML functions of links, called in that many seconds after the first sample."""
    one.read()
    before = one.simulation.calls.copy()
    for _ in range(seconds):
        one.read(after=1)
    calls = one.simulation.calls - before
    return {symbol: number for symbol, number in calls.items() if "NvLink" in symbol}


def test_what_five_minutes_of_links_cost() -> None:
    """Two counters of CRC errors, which no field value tells apart, and what is at the other end."""
    with one_gpu() as one:
        assert calls_of_links(one, 300) == {
            "nvmlDeviceGetNvLinkErrorCounter": 2 * 18,
            "nvmlDeviceGetNvLinkRemoteDeviceType": 18,
        }


def test_links_of_an_older_gpu_are_asked_for_one_by_one() -> None:
    with one_gpu("a100") as one:
        assert calls_of_links(one, 300) == {
            "nvmlDeviceGetNvLinkState": 12 * 60,  # their number is told
            "nvmlDeviceGetNvLinkErrorCounter": 12 * (2 * 5 + 2),
            "nvmlDeviceGetNvLinkVersion": 12,
            "nvmlDeviceGetNvLinkRemoteDeviceType": 12,
        }


@pytest.mark.parametrize("field", BY_FIELD)
@pytest.mark.parametrize("links", [4, 12, 18])
def test_field_values_and_functions_tell_the_same(links: int, field: FieldId) -> None:
    """Each field stands for itself: where one is not told, its function is asked."""
    with one_gpu() as one:
        one.gpu.nvlinks = one.gpu.nvlinks[:links]
        one.gpu.error_counters.nvlink_errors = {
            (link, counter): 10 * link + counter for link in range(links) for counter in range(4)
        }
        by_field = one.read().nvlink
        one.source.release()
        one.gpu.unsupport(field)
        by_function = one.read()

    assert by_function.nvlink == by_field
    assert "nvlink.links" not in by_function.unknown
    assert one.simulation.calls[BY_FIELD[field]] >= links


@pytest.mark.parametrize("field", BY_FIELD)
@pytest.mark.parametrize("code", [NvmlReturn.UNKNOWN, NvmlReturn.NO_PERMISSION])
def test_a_field_that_fails_is_unknown_for_its_own_reason(code: NvmlReturn, field: FieldId) -> None:
    """And no function stands in: its counter counts from elsewhere, and nothing tells what is forbidden."""
    with one_gpu() as one:
        one.read()
        one.source.release()
        one.gpu.fail(FIELD_VALUES, code, entry=field)
        before = one.simulation.calls.copy()

        why = one.read().unknown["nvlink.links"]

        assert (why.reason, why.function) == (reason_of(code), FIELD_VALUES)
        assert BY_FIELD[field] not in one.simulation.calls - before or field in ERROR_FIELDS


def test_a_link_that_sleeps_is_up_and_one_without_traffic_is_not() -> None:
    with one_gpu() as one:
        told: dict[int, int] = {}
        pynvml.nvmlLib = OtherFields(one.simulation, told)
        states = []
        for told[FieldId.NVLINK_STATE] in (0, 1, 2, 3):
            states.append((one.read(after=SLOW_PACE).nvlink.links or ())[0].is_active)

    assert states == [False, True, True, False]


def test_states_are_asked_as_fields_again_after_five_minutes() -> None:
    """In MIG mode the links of some GPUs are off, and neither tells of them."""
    with one_gpu() as one:
        one.gpu.unsupport(FieldId.NVLINK_STATE)
        one.read()
        one.gpu.support(FieldId.NVLINK_STATE)
        before = one.simulation.calls[STATE]
        for after in (FIXED_PACE, SLOW_PACE):
            one.read(after=after)

        assert one.simulation.calls[STATE] == before


# Only links that exist


@pytest.mark.parametrize("links", [4, 12])
def test_links_beyond_those_that_the_gpu_has_are_not_listed(links: int) -> None:
    """A driver tells of as many as the largest GPU of a generation has, the others as down."""
    with one_gpu() as one:
        one.gpu.nvlinks, one.gpu.nvlinks_listed = one.gpu.nvlinks[:links], 18
        one.gpu.nvlinks_down = {1}

        listed = one.read().nvlink.links

    assert [link.is_active for link in listed or ()] == [link != 1 for link in range(links)]


def test_a_gpu_with_no_link_has_none_whatever_the_driver_lists() -> None:
    with one_gpu() as one:
        one.gpu.nvlinks, one.gpu.nvlinks_listed = [], 18

        reading = one.read()

    assert reading.nvlink.links is None
    assert reading.unknown["nvlink.links"].reason is Reason.NOT_SUPPORTED


def test_links_that_were_up_are_listed_though_their_number_is_0_now() -> None:
    """What has failed is not gone."""
    with one_gpu() as one:
        one.read()
        one.gpu.nvlinks, one.gpu.nvlinks_listed = [], 18

        reading = one.read(after=NVLINK_FACTS_PACE)

    assert [link.is_active for link in reading.nvlink.links or ()] == [False] * 18
    assert reading.nvlink.most_active == 18


def test_a_number_that_is_0_hides_no_link_that_is_up() -> None:
    with one_gpu() as one:
        one.gpu.nvlinks_down = {1}
        pynvml.nvmlLib = OtherFields(one.simulation, {FieldId.NVLINK_COUNT: 0})

        assert len(one.read().nvlink.links or ()) == 18


def test_bytes_are_counted_where_no_link_tells_kib() -> None:
    nobody: Any = None  # there is nothing to ask
    counters, absent = NvLinkCounters(nobody), Refusal("f", pynvml.NVML_ERROR_NOT_SUPPORTED)
    sent, received = counters.fields
    told: dict[Any, Any] = {(sent, 0): 1, (received, 0): 2, (sent, 1): absent, (received, 1): 4}

    counters.rates(0.0, 2, told, of_packets=True)

    assert counters.fields == (sent, received), "one does"


def test_a_gpu_with_one_link_of_nvlink_5_counts_packets() -> None:
    with one_gpu() as one:
        one.gpu.nvlinks, one.gpu.nvlink_packets = one.gpu.nvlinks[:1], True

        assert [link.counts_packets for link in one.read().nvlink.links or ()] == [True]


@pytest.mark.parametrize("code", [NvmlReturn.NOT_SUPPORTED, NvmlReturn.UNKNOWN])
def test_where_the_number_is_not_reported_the_driver_says_where_the_links_end(code: NvmlReturn) -> None:
    with one_gpu() as one:
        one.gpu.fail(FIELD_VALUES, code, entry=FieldId.NVLINK_COUNT)
        one.gpu.nvlinks = one.gpu.nvlinks[:12]

        assert len(one.read().nvlink.links or ()) == 12


# Speed


def test_a_link_that_is_down_has_no_speed() -> None:
    with one_gpu() as one:
        one.gpu.nvlinks_down = {0}

        first, second, *_ = one.read().nvlink.links or ()

    assert (first.speed_megabytes_per_second, second.speed_megabytes_per_second) == (None, 26_562)


def test_an_older_driver_reports_one_speed_of_all_links() -> None:
    with one_gpu() as one:
        one.gpu.unsupport(FieldId.NVLINK_SPEED)

        assert {link.speed_megabytes_per_second for link in one.read().nvlink.links or ()} == {26_562}


def test_without_a_speed_it_is_unknown_for_a_reason() -> None:
    with one_gpu() as one:
        one.gpu.unsupport(FieldId.NVLINK_SPEED, FieldId.NVLINK_SPEED_COMMON)

        reading = one.read()

    assert {link.speed_megabytes_per_second for link in reading.nvlink.links or ()} == {None}
    assert reading.unknown["nvlink.links"].reason is Reason.NOT_SUPPORTED


def test_a_link_carries_no_more_than_its_speed() -> None:
    """26,562 MB/s are 25,939,453 KiB/s; a counter that leaps is no throughput."""
    with one_gpu() as one:
        one.gpu.fix(nvlink_tx=30_000_000, nvlink_rx=25_000_000)
        one.read()
        reading = one.read(after=SLOW_PACE)

    assert rates_of_links(reading) == [(None, 25_000_000.0)] * 18
    assert reading.unknown["nvlink.links"].words == "30,000,000 KiB/s (tx_kib_per_second)"


# NVLink 5


def test_links_of_nvlink_5_count_bytes_and_errors_by_other_fields() -> None:
    errors = dict(zip(OF_PACKETS, range(11, 22), strict=True))
    with one_gpu() as one:
        one.gpu.nvlink_packets = True
        one.gpu.fix(nvlink_tx=1000, nvlink_rx=2000)
        one.gpu.error_counters.nvlink_packet_errors = {(3, field): errors[field] for field in errors}
        one.read()
        reading = one.read(after=SLOW_PACE)

    assert (reading.nvlink.links or ())[3] == NvLink(
        link=3,
        is_active=True,
        version=4,
        peer=NVSWITCH,
        speed_megabytes_per_second=26_562,
        tx_kib_per_second=1000.0,
        rx_kib_per_second=2000.0,
        counts_packets=True,
        **{name: errors[field] for field, name in OF_PACKETS.items()},
    )
    why = reading.unknown["nvlink.links"]
    assert (why.reason, why.function) == (Reason.NOT_SUPPORTED, "nvmlDeviceGetNvLinkErrorCounter")


def test_a_failure_of_one_counter_of_nvlink_5_costs_that_counter_alone() -> None:
    with one_gpu() as one:
        one.gpu.nvlink_packets = True
        one.gpu.fail(FIELD_VALUES, NvmlReturn.UNKNOWN, entry=FieldId.NVLINK_SYMBOL_ERRORS)
        reading = one.read()

    first, *_ = reading.nvlink.links or ()
    assert (first.symbol_errors, first.effective_errors) == (None, 0)
    assert reading.unknown["nvlink.links"].reason is Reason.FAILED


def test_the_older_counter_does_not_stand_in_for_one_that_failed_in_passing() -> None:
    """It counts from elsewhere: back again, the newer one would seem to have grown."""
    with one_gpu() as one:
        one.gpu.nvlink_packets = True
        pynvml.nvmlLib = OlderCounters(one.simulation)
        one.gpu.error_counters.nvlink_packet_errors = {(0, FieldId.NVLINK_RECOVERIES): 5}
        told = [one.read()]
        one.gpu.fail(FIELD_VALUES, NvmlReturn.UNKNOWN, entry=FieldId.NVLINK_RECOVERIES)
        told.append(one.read(after=NVLINK_FACTS_PACE))
        one.gpu.fail(FIELD_VALUES, NvmlReturn.NOT_SUPPORTED, entry=FieldId.NVLINK_RECOVERIES)
        told.append(one.read(after=NVLINK_FACTS_PACE))

    assert [(reading.nvlink.links or ())[0].recovery_errors for reading in told] == [5, None, 0]


class OlderCounters:
    """The simulated library, but links have the counters from before NVLink 5 as well: each 0."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def __getattr__(self, symbol: str) -> Any:
        return (
            (lambda *_: 0) if symbol == "nvmlDeviceGetNvLinkErrorCounter" else getattr(self._library, symbol)
        )


def test_links_before_nvlink_5_are_asked_for_its_counters_once() -> None:
    with one_gpu() as one:
        library = OtherFields(one.simulation, {})
        pynvml.nvmlLib = library
        one.read()
        asked = library.asked[FieldId.NVLINK_SYMBOL_ERRORS]
        one.read(after=NVLINK_FACTS_PACE)

    assert (asked, library.asked[FieldId.NVLINK_SYMBOL_ERRORS]) == (1, 1)
    assert library.asked[FieldId.NVLINK_SENT_BYTES] == 0


OF_PACKETS = {
    FieldId.NVLINK_RECOVERIES: "recovery_errors",
    FieldId.NVLINK_MALFORMED_PACKETS: "malformed_packet_errors",
    FieldId.NVLINK_BUFFER_OVERRUNS: "buffer_overrun_errors",
    FieldId.NVLINK_RECEIVE_ERRORS: "receive_errors",
    FieldId.NVLINK_RECEIVE_REMOTE_ERRORS: "receive_remote_errors",
    FieldId.NVLINK_RECEIVE_GENERAL_ERRORS: "receive_general_errors",
    FieldId.NVLINK_LOCAL_INTEGRITY_ERRORS: "local_link_integrity_errors",
    FieldId.NVLINK_TRANSMIT_DISCARDS: "transmit_discards",
    FieldId.NVLINK_FAILED_RECOVERIES: "failed_recoveries",
    FieldId.NVLINK_EFFECTIVE_ERRORS: "effective_errors",
    FieldId.NVLINK_SYMBOL_ERRORS: "symbol_errors",
}


class OtherFields:
    """The simulated library, but these field values have other numbers; counts how often each is asked."""

    def __init__(self, library: Any, told: dict[int, int]) -> None:
        self._library = library
        self._told = told
        self.asked: Counter[int] = Counter()

    def __getattr__(self, symbol: str) -> Any:
        return self._tell if symbol == FIELD_VALUES else getattr(self._library, symbol)

    def _tell(self, handle: Any, count: Any, entries: Any) -> Any:
        code = getattr(self._library, FIELD_VALUES)(handle, count, entries)
        for entry in (wire.target(entries)[place] for place in range(wire.number(count))):
            self.asked[entry.fieldId] += 1
            entry.value.uiVal = self._told.get(entry.fieldId, entry.value.uiVal)
        return code
