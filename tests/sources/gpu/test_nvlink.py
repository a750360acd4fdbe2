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
    """The bus ID of a switch belongs to no GPU."""
    with one_gpu() as one:
        one.simulation.fail(TYPE, code)

        assert one.read().nvlink.peers == SWITCH_BUS_IDS


def test_a_driver_without_link_types_reports_the_bus_id() -> None:
    with one_gpu() as one:
        one.simulation.set_driver_generation("r418")

        assert one.read().nvlink.peers == SWITCH_BUS_IDS


def test_a_link_with_an_unknown_other_end_leads_nowhere() -> None:
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


def test_failed_links_are_read_again() -> None:
    """The fabric manager may start after the agent."""
    with one_gpu() as one:
        one.simulation.fail(FIELD_VALUES, NvmlReturn.UNKNOWN, entry=FieldId.NVLINK_STATE)
        one.read()
        one.simulation.heal()

        assert one.read(after=SLOW_PACE - 1).nvlink.peers is None
        assert one.read(after=1).nvlink.peers == frozenset({NVSWITCH})


def test_a_link_that_comes_up_has_its_peer_and_errors_at_once() -> None:
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
def test_a_changed_number_of_links_makes_no_rate_at_first(links: int) -> None:
    """After a restart of the driver, or without a link, a count may belong to another link than before."""
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


def test_each_link_reports_its_traffic_and_its_errors() -> None:
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
def test_a_missing_function_hides_only_its_own_fields_of_a_link(symbol: str, lost: set[str]) -> None:
    """On a GPU whose links are not reported by field values."""
    with one_gpu("a100") as one:
        before = (one.read().nvlink.links or ())[0]
        one.source.release()
        one.simulation.remove_function(symbol)
        after = (one.read().nvlink.links or ())[0]

    assert None not in {getattr(before, name) for name in lost}
    names = (field.name for field in fields(NvLink))
    assert {name for name in names if getattr(after, name) != getattr(before, name)} == lost
    assert {getattr(after, name) for name in lost} == {None}


def test_the_greatest_number_of_active_links_is_remembered() -> None:
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
    """Calls of NVML functions for links in this many seconds after the first sample."""
    one.read()
    before = one.simulation.calls.copy()
    for _ in range(seconds):
        one.read(after=1)
    calls = one.simulation.calls - before
    return {symbol: number for symbol, number in calls.items() if "NvLink" in symbol}


def test_five_minutes_of_links_take_the_expected_nvml_calls() -> None:
    """Field values report all but the two counters of CRC errors and the type of the other end."""
    with one_gpu() as one:
        assert calls_of_links(one, 300) == {
            "nvmlDeviceGetNvLinkErrorCounter": 2 * 18,
            "nvmlDeviceGetNvLinkRemoteDeviceType": 18,
        }


def test_links_of_an_older_gpu_are_read_one_by_one() -> None:
    with one_gpu("a100") as one:
        assert calls_of_links(one, 300) == {
            "nvmlDeviceGetNvLinkState": 12 * 60,  # their number is reported
            "nvmlDeviceGetNvLinkErrorCounter": 12 * (2 * 5 + 2),
            "nvmlDeviceGetNvLinkVersion": 12,
            "nvmlDeviceGetNvLinkRemoteDeviceType": 12,
        }


@pytest.mark.parametrize("field", BY_FIELD)
@pytest.mark.parametrize("links", [4, 12, 18])
def test_field_values_and_functions_report_the_same_links(links: int, field: FieldId) -> None:
    """Where a field is not reported, its own function is called."""
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
def test_a_failed_link_field_is_unknown_for_its_own_reason(code: NvmlReturn, field: FieldId) -> None:
    """No function stands in: its counter has another start, or the value is forbidden by any name."""
    with one_gpu() as one:
        one.read()
        one.source.release()
        one.gpu.fail(FIELD_VALUES, code, entry=field)
        before = one.simulation.calls.copy()

        why = one.read().unknown["nvlink.links"]

        assert (why.reason, why.function) == (reason_of(code), FIELD_VALUES)
        assert BY_FIELD[field] not in one.simulation.calls - before or field in ERROR_FIELDS


def test_a_sleeping_link_is_active_and_a_link_without_traffic_is_not() -> None:
    with one_gpu() as one:
        reported: dict[int, int] = {}
        pynvml.nvmlLib = OtherFields(one.simulation, reported)
        states = []
        for reported[FieldId.NVLINK_STATE] in (0, 1, 2, 3):
            states.append((one.read(after=SLOW_PACE).nvlink.links or ())[0].is_active)

    assert states == [False, True, True, False]


def test_link_states_are_read_as_fields_again_after_five_minutes() -> None:
    """In MIG mode the links of some GPUs are off, and neither the field nor the function reports them."""
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
    """A driver lists as many links as the largest GPU of a generation has, the missing ones as down."""
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


def test_links_that_were_up_are_listed_when_their_number_becomes_0() -> None:
    """A failed link is not a missing link."""
    with one_gpu() as one:
        one.read()
        one.gpu.nvlinks, one.gpu.nvlinks_listed = [], 18

        reading = one.read(after=NVLINK_FACTS_PACE)

    assert [link.is_active for link in reading.nvlink.links or ()] == [False] * 18
    assert reading.nvlink.most_active == 18


def test_a_link_count_of_0_hides_no_link_that_is_up() -> None:
    with one_gpu() as one:
        one.gpu.nvlinks_down = {1}
        pynvml.nvmlLib = OtherFields(one.simulation, {FieldId.NVLINK_COUNT: 0})

        assert len(one.read().nvlink.links or ()) == 18


def test_bytes_are_counted_only_where_no_link_reports_kib() -> None:
    nobody: Any = None  # no call is made
    counters, absent = NvLinkCounters(nobody), Refusal("f", pynvml.NVML_ERROR_NOT_SUPPORTED)
    sent, received = counters.fields
    reported: dict[Any, Any] = {(sent, 0): 1, (received, 0): 2, (sent, 1): absent, (received, 1): 4}

    counters.rates(0.0, 2, reported, of_packets=True)

    assert counters.fields == (sent, received), "one link does"


def test_a_gpu_with_one_link_of_nvlink_5_counts_packets() -> None:
    with one_gpu() as one:
        one.gpu.nvlinks, one.gpu.nvlink_packets = one.gpu.nvlinks[:1], True

        assert [link.counts_packets for link in one.read().nvlink.links or ()] == [True]


@pytest.mark.parametrize("code", [NvmlReturn.NOT_SUPPORTED, NvmlReturn.UNKNOWN])
def test_without_a_link_count_the_links_end_where_the_driver_says(code: NvmlReturn) -> None:
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


def test_an_older_driver_reports_one_speed_for_all_links() -> None:
    with one_gpu() as one:
        one.gpu.unsupport(FieldId.NVLINK_SPEED)

        assert {link.speed_megabytes_per_second for link in one.read().nvlink.links or ()} == {26_562}


def test_an_unreported_link_speed_is_unknown_with_its_reason() -> None:
    with one_gpu() as one:
        one.gpu.unsupport(FieldId.NVLINK_SPEED, FieldId.NVLINK_SPEED_COMMON)

        reading = one.read()

    assert {link.speed_megabytes_per_second for link in reading.nvlink.links or ()} == {None}
    assert reading.unknown["nvlink.links"].reason is Reason.NOT_SUPPORTED


def test_a_link_rate_above_the_speed_of_the_link_is_unknown() -> None:
    """26,562 MB/s are 25,939,453 KiB/s; a counter that jumps is no throughput."""
    with one_gpu() as one:
        one.gpu.fix(nvlink_tx=30_000_000, nvlink_rx=25_000_000)
        one.read()
        reading = one.read(after=SLOW_PACE)

    assert rates_of_links(reading) == [(None, 25_000_000.0)] * 18
    assert reading.unknown["nvlink.links"].words == "30,000,000 KiB/s (tx_kib_per_second)"


# NVLink 5


def test_links_of_nvlink_5_read_bytes_and_errors_from_other_fields() -> None:
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


def test_a_failed_counter_of_nvlink_5_hides_only_itself() -> None:
    with one_gpu() as one:
        one.gpu.nvlink_packets = True
        one.gpu.fail(FIELD_VALUES, NvmlReturn.UNKNOWN, entry=FieldId.NVLINK_SYMBOL_ERRORS)
        reading = one.read()

    first, *_ = reading.nvlink.links or ()
    assert (first.symbol_errors, first.effective_errors) == (None, 0)
    assert reading.unknown["nvlink.links"].reason is Reason.FAILED


def test_the_older_counter_does_not_stand_in_for_a_newer_one_that_fails_for_a_while() -> None:
    """Its count has another start: once it is back, the newer counter would seem to have grown."""
    with one_gpu() as one:
        one.gpu.nvlink_packets = True
        pynvml.nvmlLib = OlderCounters(one.simulation)
        one.gpu.error_counters.nvlink_packet_errors = {(0, FieldId.NVLINK_RECOVERIES): 5}
        reported = [one.read()]
        one.gpu.fail(FIELD_VALUES, NvmlReturn.UNKNOWN, entry=FieldId.NVLINK_RECOVERIES)
        reported.append(one.read(after=NVLINK_FACTS_PACE))
        one.gpu.fail(FIELD_VALUES, NvmlReturn.NOT_SUPPORTED, entry=FieldId.NVLINK_RECOVERIES)
        reported.append(one.read(after=NVLINK_FACTS_PACE))

    assert [(reading.nvlink.links or ())[0].recovery_errors for reading in reported] == [5, None, 0]


class OlderCounters:
    """The simulated library, but links have the counters from before NVLink 5 as well: each 0."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def __getattr__(self, symbol: str) -> Any:
        return (
            (lambda *_: 0) if symbol == "nvmlDeviceGetNvLinkErrorCounter" else getattr(self._library, symbol)
        )


def test_older_links_are_asked_only_once_for_the_counters_of_nvlink_5() -> None:
    with one_gpu() as one:
        library = OtherFields(one.simulation, {})
        pynvml.nvmlLib = library
        one.read()
        requested = library.requested[FieldId.NVLINK_SYMBOL_ERRORS]
        one.read(after=NVLINK_FACTS_PACE)

    assert (requested, library.requested[FieldId.NVLINK_SYMBOL_ERRORS]) == (1, 1)
    assert library.requested[FieldId.NVLINK_SENT_BYTES] == 0


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
    """The simulated library, but with other numbers in these field values; counts how often each is read."""

    def __init__(self, library: Any, reported: dict[int, int]) -> None:
        self._library = library
        self._reported = reported
        self.requested: Counter[int] = Counter()

    def __getattr__(self, symbol: str) -> Any:
        return self._report if symbol == FIELD_VALUES else getattr(self._library, symbol)

    def _report(self, handle: Any, count: Any, entries: Any) -> Any:
        code = getattr(self._library, FIELD_VALUES)(handle, count, entries)
        for entry in (wire.target(entries)[place] for place in range(wire.number(count))):
            self.requested[entry.fieldId] += 1
            entry.value.uiVal = self._reported.get(entry.fieldId, entry.value.uiVal)
        return code
