"""The verdict: a table for each rule with the values at its threshold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.derive.findings import HealthVerdict
from agent.derive.health import Health
from agent.derive.health.nvlink import LINKS_OF_MODEL, SPEED_OF_MODEL
from agent.readings import (
    NVSWITCH,
    Fan,
    GpuSample,
    GpuState,
    LinkSample,
    MemoryErrors,
    NvLink,
    Reason,
    RecoveryAction,
    RemapBanks,
    Unknown,
    XidCount,
)
from tests.derive.health.sampled_gpus import HEALTHY_READING, NOW, findings, gpu, health
from tests.support.readings import reading

HOT_CELSIUS = 75
APPLICATION_XID_SECONDS = 600.0
HARDWARE_XID_SECONDS = 86_400.0


def test_a_gpu_without_a_finding_is_healthy() -> None:
    assert health(gpu()) == Health(HealthVerdict.HEALTHY)


def test_a_gpu_without_values_is_healthy() -> None:
    assert health(GpuSample(0, GpuState.OK, reading())) == Health(HealthVerdict.HEALTHY)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (GpuState.STARTING, (None, [])),
        (GpuState.STALE, (HealthVerdict.WARNING, ["silent"])),
        (GpuState.STUCK, (HealthVerdict.CRITICAL, ["stuck"])),
        (GpuState.LOST, (HealthVerdict.CRITICAL, ["lost"])),
    ],
)
def test_a_gpu_that_cannot_be_read_has_the_verdict_of_its_state(
    state: GpuState, expected: tuple[HealthVerdict | None, list[str]]
) -> None:
    unreadable = GpuSample(0, state, None, HEALTHY_READING.lasting(), NOW, 9000, "It is so", todo="do so")
    found = health(unreadable)

    assert (found.verdict, [finding.name for finding in found.findings]) == expected
    assert all(reason == "It is so; do so" for reason in found.reasons)
    assert all(reason != "It is so; do so" for reason in health(replace(unreadable, todo=None)).reasons)


@pytest.mark.parametrize("state", [GpuState.ASLEEP, GpuState.STALE])
@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (gpu(), []),
        (gpu(memory_errors=MemoryErrors(remapping_pending=True)), []),
        (gpu(memory_errors=MemoryErrors(uncorrected_volatile=2)), ["ecc_uncorrected"]),
        (GpuSample(0, GpuState.LOST, error="It is so"), ["lost"]),
        (gpu(clocks_event_reasons=0x60), []),
        (
            gpu(clocks_event_reasons=0x60, memory_errors=MemoryErrors(uncorrected_volatile=2)),
            ["ecc_uncorrected"],
        ),
    ],
    ids=["healthy", "warning", "critical", "lost", "hot", "hot and critical"],
)
def test_a_gpu_that_falls_asleep_stays_critical_until_it_is_read_again(
    state: GpuState, before: GpuSample, expected: list[str]
) -> None:
    found = health(GpuSample(0, state, lasting=reading(identity_uuid="GPU-0"), before=before))

    if expected:
        assert found.verdict is HealthVerdict.CRITICAL
        assert [finding.name for finding in found.findings] == expected
    else:
        asleep = Health(None) if state is GpuState.ASLEEP else health(GpuSample(0, state))
        assert found == asleep, "neither healthy nor a warning, which may have ended"


def test_a_stale_reading_is_judged_like_any_other() -> None:
    late = replace(gpu(clocks_event_reasons=0x80), state=GpuState.STALE)

    assert findings(late) == [("power_brake", HealthVerdict.WARNING)]


W, C = HealthVerdict.WARNING, HealthVerdict.CRITICAL
GOOD = LinkSample(generation=5, width=16, performance_state=0, gpu_percent=90)
NARROW, SLOW = replace(GOOD, width=8), replace(GOOD, generation=4)


def twice(**values: int | None) -> dict[str, Any]:
    """A slow link that was read twice in a row, with these values changed."""
    return {"pcie_samples": (replace(SLOW, **values), replace(SLOW, **values))}


def fans(*each: Fan, celsius: int = HOT_CELSIUS, then: int | None = None) -> dict[str, Any]:
    """Fans, the temperature of the GPU now, and `then`, when the fans were read."""
    return {"fans_each": each, "fans_gpu_celsius": then, "thermal_gpu_celsius": celsius}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"memory_errors": MemoryErrors(uncorrected_volatile=1)}, [("ecc_uncorrected", C)]),
        ({"memory_errors": MemoryErrors(dram_uncorrected_volatile=1)}, [("ecc_uncorrected", C)]),
        (
            {"memory_errors": MemoryErrors(uncorrected_volatile=0, sram_uncorrected_volatile=1)},
            [("ecc_uncorrected", C)],
        ),
        ({"memory_errors": MemoryErrors(corrected_volatile=9, uncorrected_aggregate=9)}, []),
        ({"memory_errors": MemoryErrors(dram_uncorrected_aggregate=9, dram_corrected_volatile=9)}, []),
        ({"memory_errors": MemoryErrors(remapping_pending=True)}, [("remapping_pending", W)]),
        ({"memory_errors": MemoryErrors(remapping_failed=True)}, [("remapping_failed", C)]),
        ({"memory_errors": MemoryErrors(retirement_pending=True)}, [("retirement_pending", W)]),
        ({"memory_errors": MemoryErrors(remap_banks=RemapBanks(0, 0, 0, 9, 0))}, []),
        (
            {"memory_errors": MemoryErrors(remap_banks=RemapBanks(0, 0, 0, 0, 1))},
            [("remap_banks_exhausted", W)],
        ),
        ({"memory_errors_sram_threshold_exceeded": True}, [("sram_threshold_exceeded", C)]),
        ({"memory_errors_sram_threshold_exceeded": False}, []),
        ({"memory_errors_unrepairable_memory": True}, [("unrepairable_memory", C)]),
        ({"memory_errors_unrepairable_memory": False}, []),
        ({"recovery_channel_repair_pending": True}, [("channel_repair_pending", W)]),
        ({"recovery_tpc_repair_pending": True}, [("tpc_repair_pending", W)]),
        ({"recovery_channel_repair_pending": False, "recovery_tpc_repair_pending": False}, []),
        ({"inforom_is_valid": False}, [("inforom_corrupt", W)]),
        ({"inforom_is_valid": True}, []),
        ({"clocks_event_reasons": 0x20}, [("thermal_slowdown_sw", W)]),
        ({"clocks_event_reasons": 0x60}, [("thermal_slowdown_hw", C)]),
        ({"clocks_event_reasons": 0x80}, [("power_brake", W)]),
        ({"clocks_event_reasons": 0x17F & ~0x60}, []),
        ({"pcie_samples": (NARROW, NARROW)}, [("pcie_degraded", W)]),
        ({"pcie_samples": (SLOW, NARROW)}, [("pcie_degraded", W)]),
        *(({"pcie_samples": once}, []) for once in [(SLOW,), (SLOW, GOOD), (GOOD, SLOW), (GOOD, GOOD)]),
        *((twice(performance_state=state), [("pcie_degraded", W)]) for state in (0, 1, 2)),
        *((twice(performance_state=state), []) for state in (3, 8, None)),
        (twice(gpu_percent=50), [("pcie_degraded", W)]),
        (twice(gpu_percent=49), []),
        (twice(gpu_percent=None), []),
        (twice(generation=None), []),
        (twice() | {"pcie_max_generation": None}, []),
        # the present state does not count, only the samples
        (twice() | {"modes_performance_state": 8, "utilization_gpu_percent": 0}, [("pcie_degraded", W)]),
        ({"pcie_generation": 1, "pcie_width": 1}, []),
        # the number of possible lanes
        ({"pcie_samples": (NARROW, NARROW), "pcie_port_width": 8}, []),
        ({"pcie_samples": (NARROW, NARROW), "pcie_port_width": None}, []),
        (
            {"pcie_samples": (NARROW, NARROW), "pcie_port_width": None, "pcie_widest_under_load": 16},
            [("pcie_degraded", W)],
        ),
        ({"fans_speed_percent": 0, "thermal_gpu_celsius": HOT_CELSIUS}, [("fan_stopped", C)]),
        ({"fans_speed_percent": 0, "thermal_gpu_celsius": HOT_CELSIUS - 1}, []),
        ({"fans_speed_percent": 0, "thermal_gpu_celsius": None}, []),
        (
            {"fans_speed_percent": 80, "fans_speed_rpm": 0, "thermal_gpu_celsius": HOT_CELSIUS},
            [("fan_stopped", C)],
        ),
        ({"fans_speed_percent": 0, "fans_speed_rpm": 900, "thermal_gpu_celsius": HOT_CELSIUS}, []),
        ({"fans_speed_percent": None, "thermal_gpu_celsius": 99}, []),
        (fans(Fan(50, 900), Fan(50, 0)), [("fan_stopped", C)]),
        (fans(Fan(50, 900), Fan(0, None)), [("fan_stopped", C)]),
        (fans(Fan(50, 900), Fan(0, 800), Fan(None, None)), []),
        (fans(Fan(None, None), Fan(None, None)), []),
        (fans(Fan(None, None), Fan(None, None)) | {"fans_speed_percent": 0}, [("fan_stopped", C)]),
        (fans(Fan(50, 900), Fan(50, 0), celsius=HOT_CELSIUS - 1), []),
        (fans(Fan(0, 0), Fan(0, 0), then=HOT_CELSIUS), [("fan_stopped", C)]),
        (fans(Fan(0, 0), Fan(0, 0), then=HOT_CELSIUS - 1), []),
        ({"recovery_action": RecoveryAction.NONE}, []),
        *(
            ({"recovery_action": action}, [("recovery_action", C)])
            for action in [*RecoveryAction, 99]
            if action
        ),
        ({"recovery_requires_reset": True}, [("reset_required", C)]),
        # Two findings for the same reset would count it twice.
        (
            {"recovery_requires_reset": True, "recovery_action": RecoveryAction.GPU_RESET},
            [("recovery_action", C)],
        ),
        (
            {"recovery_requires_reset": True, "recovery_action": RecoveryAction.NODE_REBOOT},
            [("reset_required", C), ("recovery_action", C)],
        ),
    ],
    ids=str,
)
def test_each_rule_finds_its_fault_and_only_beyond_its_threshold(
    values: dict[str, Any], expected: list[tuple[str, HealthVerdict]]
) -> None:
    assert findings(gpu(**values)) == expected


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"fans_speed_percent": 0, "thermal_gpu_celsius": 80}, "The fan stands still at 80 degrees Celsius"),
        (fans(Fan(50, 0), celsius=80), "The fan stands still at 80 degrees Celsius"),
        (fans(Fan(50, 0), Fan(50, 900)), "1 of its 2 fans stands still at 75 degrees Celsius"),
        (fans(Fan(50, 0), Fan(0, None)), "2 of its 2 fans stand still at 75 degrees Celsius"),
        (
            {"pcie_samples": (SLOW, replace(SLOW, width=8))},
            "PCIe generation 4 x8 under load, instead of 5 x16",
        ),
        (twice(width=None), "PCIe generation 4 under load, instead of 5"),
        (
            twice() | {"pcie_max_width": None, "pcie_port_width": None},
            "PCIe generation 4 under load, instead of 5",
        ),
        (twice(generation=None, width=8), "PCIe x8 under load, instead of x16"),
        (twice(width=8) | {"pcie_max_generation": None}, "PCIe x8 under load, instead of x16"),
    ],
)
def test_the_sentence_names_the_present_value_and_the_expected_one(values: dict[str, Any], what: str) -> None:
    assert [finding.what for finding in health(gpu(**values)).findings] == [what]


def links(active: int, most: int, peer: str | None = NVSWITCH) -> dict[str, Any]:
    """Six NVLinks, of which the first are active and lead to `peer`; `most` were active at once before."""
    return {
        "nvlink_links": tuple(NvLink(link, is_active=link < active, peer=peer) for link in range(6)),
        "nvlink_most_active": most,
    }


def unreported(reason: Reason, error: str = "NVML_SUCCESS") -> dict[str, Any]:
    """NVLinks that the driver does not report, or of which it reports that there are none."""
    why = Unknown(reason, "f", error, "w", 0.0, reported_before=False)
    return {"nvlink_links": None, "unknown": {"nvlink.links": why}}


CARD = "00000000:01:00.0"  # the other end of a bridge


@pytest.mark.parametrize(
    ("own", "others", "down"),
    [
        pytest.param(links(6, 6), [links(6, 6)], 0, id="all are up"),
        pytest.param(links(4, 4), [links(4, 4)], 0, id="two links are unused"),
        pytest.param(links(5, 6), [], 1, id="one was up before"),
        pytest.param(links(5, 5), [links(6, 6)], 1, id="one is up on its neighbour"),
        pytest.param(links(5, 5, CARD), [links(6, 6, CARD)], 0, id="one is up on its neighbour's bridge"),
        pytest.param(links(5, 5), [links(6, 6, None)], 0, id="the neighbour's other ends are unknown"),
        pytest.param(links(5, 6, CARD), [links(6, 6, CARD)], 1, id="one of a bridge was up before"),
        pytest.param(links(5, 6), [links(0, 6)], 1, id="one was up before, the neighbour has none up"),
        pytest.param(links(5, 5), [links(0, 6), links(5, 5)], 0, id="one neighbour has none up"),
        pytest.param(links(5, 6) | {"mig_enabled": True}, [links(6, 6)], 0, id="MIG does not need them"),
        pytest.param(links(6, 6) | {"identity_name": "NVIDIA H200"}, [], 12, id="fewer than the model has"),
        pytest.param(
            links(6, 6, CARD) | {"identity_name": "NVIDIA H200"}, [], 0, id="fewer, without a switch"
        ),
        pytest.param({"nvlink_links": None}, [links(6, 6)], 0, id="unknown"),
        pytest.param(
            unreported(Reason.FAILED, "NVML_ERROR_UNKNOWN"), [links(6, 6)], 0, id="the driver failed"
        ),
        pytest.param(
            unreported(Reason.NOT_SUPPORTED, "NVML_ERROR_NOT_SUPPORTED"), [links(6, 6)], 0, id="refused"
        ),
        pytest.param(unreported(Reason.NOT_SUPPORTED), [links(6, 6, CARD)], 0, id="a card without a bridge"),
    ],
)
def test_nvlinks_that_are_down_are_counted(
    own: dict[str, Any], others: list[dict[str, Any]], down: int
) -> None:
    gpus = [gpu(**own), *(gpu(index, **other) for index, other in enumerate(others, 1))]

    found = health(*gpus)
    expected = down + sum(link.is_active for link in own["nvlink_links"] or ())

    assert [finding.what for finding in found.findings] == (
        [f"{down} of its {expected} NVLinks down"] if down else []
    )


# The data sheets give GB/s of all links of a GPU in both directions. One link carries 25 GB/s in one
# direction on A100 and H100, and 50 GB/s on Blackwell. The driver reports a sixteenth more.
@pytest.mark.parametrize(
    ("model", "total", "link"),
    [
        ("NVIDIA A100-SXM4-40GB", 600, 25),
        ("NVIDIA A100-SXM4-80GB", 600, 25),
        ("NVIDIA H100 80GB HBM3", 900, 25),
        ("NVIDIA H200", 900, 25),
        ("NVIDIA B200", 1800, 50),
        ("NVIDIA GB200", 1800, 50),
        ("NVIDIA GB300", 1800, 50),
    ],
)
def test_the_links_of_a_model_carry_what_its_data_sheet_promises(model: str, total: int, link: int) -> None:
    assert LINKS_OF_MODEL[model] * link * 2 == total
    assert SPEED_OF_MODEL.get(model, link * 1000 * 17 // 16) == link * 1000 * 17 // 16


def test_every_model_has_a_data_sheet() -> None:
    assert len(LINKS_OF_MODEL) == 7
    assert SPEED_OF_MODEL.keys() <= LINKS_OF_MODEL.keys()


@pytest.mark.parametrize(
    ("model", "speeds", "others", "what"),
    [
        ("NVIDIA X", (50, 50), (50, 50), None),
        ("NVIDIA X", (50, 45), (50, 50), None),
        ("NVIDIA X", (50, 44), (50, 50), "1 of its NVLinks at 44 MB/s instead of 50"),
        ("NVIDIA X", (25, 25), (50, 50), "2 of its NVLinks at 25 MB/s instead of 50"),
        ("NVIDIA X", (25, 25), (25, 25), None),
        ("NVIDIA X", (None, 50), (50, None), None),
        ("NVIDIA GB200", (26_562,), (26_562,), "1 of its NVLinks at 26562 MB/s instead of 53125"),
    ],
)
def test_slow_links_to_nvswitches_are_counted(
    model: str, speeds: tuple[int | None, ...], others: tuple[int | None, ...], what: str | None
) -> None:
    def to_switches(index: int, speeds: tuple[int | None, ...], peer: str = NVSWITCH) -> GpuSample:
        links = tuple(
            NvLink(link, is_active=True, peer=peer, speed_megabytes_per_second=speed)
            for link, speed in enumerate(speeds)
        )
        return gpu(index, identity_name=model, nvlink_links=links, nvlink_most_active=18)

    found = health(to_switches(0, speeds), to_switches(1, others)).findings
    assert [one.what for one in found if one.name == "nvlink_slow"] == ([what] if what else [])
    bridged = health(to_switches(0, speeds, CARD), to_switches(1, others)).findings
    assert "nvlink_slow" not in [one.name for one in bridged]


def test_a_gpu_without_links_has_all_links_of_its_neighbours_down() -> None:
    """A driver reports no links also for a GPU whose links were never up."""
    found = health(gpu(**unreported(Reason.NOT_SUPPORTED)), gpu(1, **links(6, 6)))

    assert [finding.what for finding in found.findings] == ["6 of its 6 NVLinks down"]


def test_the_links_of_another_model_do_not_count() -> None:
    other = gpu(1, **links(6, 6), identity_name="NVIDIA H100 NVL")

    assert findings(gpu(**links(4, 4)), other) == []


@pytest.mark.parametrize(
    ("code", "age", "expected"),
    [
        (31, 0, [("xid_31", W)]),
        (31, APPLICATION_XID_SECONDS, [("xid_31", W)]),
        (31, APPLICATION_XID_SECONDS + 1, []),
        (119, HARDWARE_XID_SECONDS, [("xid_119", C)]),
        (119, HARDWARE_XID_SECONDS + 1, []),
        (79, 0, [("xid_79", C)]),
        (63, 0, []),
        (9999, 0, [("xid_9999", W)]),
        (43, 0, [("xid_43", W)]),
        (167, HARDWARE_XID_SECONDS, [("xid_167", W)]),
        (172, 0, [("xid_172", C)]),
    ],
)
def test_the_verdict_on_an_xid_is_that_of_the_catalogue_and_ends_in_time(
    code: int, age: float, expected: list[tuple[str, HealthVerdict]]
) -> None:
    faulty = replace(gpu(), xids={code: XidCount(1, NOW - age)})

    assert findings(faulty) == expected


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((7, 5), [("xid_44", C)]), (None, [("xid_44", C)]), ((8, 0), []), ((12, 0), [])],
)
def test_an_xid_is_judged_by_the_generation_of_the_gpu(
    capability: tuple[int, int] | None, expected: list[tuple[str, HealthVerdict]]
) -> None:
    faulty = replace(gpu(identity_compute_capability=capability), xids={44: XidCount(1, NOW)})

    assert findings(faulty) == expected


@pytest.mark.parametrize(
    ("action", "verdict"), [(None, C), (RecoveryAction.NONE, W), (RecoveryAction.DRAIN_AND_RESET, C)]
)
def test_an_nvlink_5_xid_is_as_grave_as_the_recovery_action_of_the_driver(
    action: RecoveryAction | None, verdict: HealthVerdict
) -> None:
    faulty = replace(gpu(recovery_action=action), xids={145: XidCount(1, NOW)})

    assert ("xid_145", verdict) in findings(faulty)


@pytest.mark.parametrize(
    ("code", "todo"),
    [
        (48, "stop what runs on it and reset it"),
        (54, "power cables"),
        (78, "vGPU"),
        (79, "reboot"),
        (142, "vendor"),
        (151, "restart the virtual machine"),
    ],
)
def test_the_advice_about_an_xid_is_that_of_nvidia(code: int, todo: str) -> None:
    faulty = replace(gpu(), xids={code: XidCount(1, NOW)})

    assert todo in health(faulty).findings[0].todo


def test_a_harmless_xid_does_not_hide_a_grave_one_before_it() -> None:
    faulty = replace(gpu(), xids={95: XidCount(1, NOW - 60), 31: XidCount(7, NOW)})

    assert findings(faulty) == [("xid_95", C), ("xid_31", W)]
    assert health(faulty).reasons == [
        "XID 95 (Uncontained memory error); stop what runs on it and reset it",
        "XID 31 (GPU memory page fault), 7 times; most likely a fault of the program",
    ]


def test_a_lost_gpu_still_reports_its_xid() -> None:
    lost = GpuSample(
        0, GpuState.LOST, None, HEALTHY_READING.lasting(), NOW, 0, "Gone", xids={79: XidCount(1, NOW)}
    )

    assert findings(lost) == [("lost", C), ("xid_79", C)]


def test_the_worst_finding_comes_first() -> None:
    faulty = gpu(clocks_event_reasons=0x80, memory_errors=MemoryErrors(remapping_failed=True))

    assert findings(faulty) == [("remapping_failed", C), ("power_brake", W)]
    assert health(faulty).verdict is C
