"""The candidates for `/free` from a Snapshot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.derive.candidates import KEPT_OUT, MAY_BE_KEPT_OUT, Candidate, candidates
from agent.derive.free import Wish, choose, why_not
from agent.readings import (
    NVSWITCH,
    ComputeMode,
    GpuIdentity,
    GpuProcess,
    GpuSample,
    GpuState,
    HostProcess,
    LedgerReading,
    MigInstance,
    NvLink,
    ProcessesReading,
    ProcessType,
    Reason,
    Snapshot,
    Unknown,
    XidCount,
)
from tests.support.readings import reading

GIB = 1024**3
COMPUTE = GpuProcess(100, ProcessType.COMPUTE)
GRAPHICS = GpuProcess(200, ProcessType.GRAPHICS)
BOTH = GpuProcess(300, ProcessType.BOTH)
OWNERS = {100: "ann", 200: "gdm", 300: "bob"}


def sample(index: int = 0, **values: Any) -> GpuSample:
    known: dict[str, Any] = {
        "identity": GpuIdentity(f"GPU-{index}", "NVIDIA H100", f"00000000:0{index}:00.0"),
        "memory_total_bytes": 80 * GIB,
        "memory_free_bytes": 70 * GIB,
        "utilization_gpu_percent": 7,
        "thermal_gpu_celsius": 30,
        "processes": (),
    }
    return GpuSample(index, GpuState.OK, reading(**known | values))


def snapshot(*gpus: GpuSample, owners: dict[int, str] | None = None, **values: Any) -> Snapshot:
    described = {pid: HostProcess(pid, name) for pid, name in (OWNERS if owners is None else owners).items()}
    return Snapshot(0, 0, gpus=gpus, processes=ProcessesReading(described), **values)


def seen(gpu: GpuSample, **values: Any) -> Candidate:
    return candidates(snapshot(gpu, **values))[0]


def test_a_candidate_has_the_values_of_the_snapshot() -> None:
    assert seen(sample(3)) == Candidate(
        index=3,
        uuid="GPU-3",
        name="NVIDIA H100",
        obstacle=None,
        memory_total_bytes=80 * GIB,
        memory_free_bytes=70 * GIB,
        temperature_celsius=30,
        peak_utilization_percent=7,
        compute_processes=0,
        users=frozenset(),
    )


@pytest.mark.parametrize(
    ("named", "obstacle"),
    [
        pytest.param(("3",), KEPT_OUT, id="its index"),
        pytest.param(("GPU-9", "GPU-3"), KEPT_OUT, id="its UUID"),
        pytest.param(("0", "33", "GPU-33"), None, id="others"),
    ],
)
def test_a_gpu_named_by_the_operator_is_kept_out(named: tuple[str, ...], obstacle: str | None) -> None:
    assert seen(sample(3), not_offered=named).obstacle == obstacle


def test_kept_out_is_the_reason_even_for_a_lost_gpu() -> None:
    lost = GpuSample(0, GpuState.LOST, error="The GPU is lost")
    assert seen(lost, not_offered=("0",)).obstacle == KEPT_OUT


def test_instances_of_a_gpu_that_is_kept_out_are_kept_out_too() -> None:
    instance = MigInstance(0, name="NVIDIA H100 MIG 1g.10gb", uuid="MIG-0", processes=())
    (gpu,) = candidates(
        snapshot(sample(0, mig_enabled=True, mig_instances=(instance,)), not_offered=("GPU-0",))
    )
    assert [one.obstacle for one in (gpu, *gpu.instances)] == [KEPT_OUT, KEPT_OUT]


@pytest.mark.parametrize(
    ("named", "obstacle"),
    [(("GPU-0",), MAY_BE_KEPT_OUT), (("7",), None)],
    ids=["by UUID", "by index"],
)
def test_an_instance_of_a_gpu_with_an_unknown_uuid_may_be_kept_out(
    named: tuple[str, ...], obstacle: str | None
) -> None:
    instance = MigInstance(0, name="NVIDIA H100 MIG 1g.10gb", uuid="MIG-0", processes=())
    partitioned = sample(0, identity_uuid=None, mig_enabled=True, mig_instances=(instance,))
    (gpu,) = candidates(snapshot(partitioned, not_offered=named))
    assert [one.obstacle for one in (gpu, *gpu.instances)] == ["its UUID is unknown", obstacle]


def asleep(before: GpuSample | None = None, **values: Any) -> GpuSample:
    """A GPU that is asleep, and was so `before`."""
    known = reading(identity_uuid="GPU-0") if before is None else reading(identity=before.identity)
    return GpuSample(0, GpuState.ASLEEP, lasting=known, before=before, **values)


FATAL_XID = {79: XidCount(1, 0.0)}
NOT_HEALTHY = "it is not healthy: XID 79 (GPU has fallen off the bus)"

WITHOUT_READING = {
    state: GpuSample(0, state, lasting=reading(identity_uuid="GPU-0"))
    for state in (GpuState.STARTING, GpuState.STALE, GpuState.STUCK, GpuState.LOST)
}


@pytest.mark.parametrize(
    ("sample", "obstacle"),
    [
        *[(gpu, f"it cannot be read: {state}") for state, gpu in WITHOUT_READING.items()],
        (replace(sample(), state=GpuState.STALE), None),
        (asleep(), None),
        (asleep(xids=FATAL_XID), NOT_HEALTHY),
        (asleep(sample()), None),
        (asleep(sample(), xids=FATAL_XID), f"{NOT_HEALTHY}, when last read"),
        (asleep(WITHOUT_READING[GpuState.LOST]), "it cannot be read: lost, when last read"),
        (
            asleep(sample(modes_compute_mode=ComputeMode.PROHIBITED)),
            "its compute mode is prohibited, when last read",
        ),
        (GpuSample(0, GpuState.ASLEEP, lasting=reading()), "its UUID is unknown"),
        (sample(identity_uuid=None), "its UUID is unknown"),
        (sample(mig_enabled=True), "MIG is enabled: programs use one of its instances"),
        (sample(modes_compute_mode=ComputeMode.PROHIBITED), "its compute mode is prohibited"),
        (sample(modes_compute_mode=ComputeMode.EXCLUSIVE_PROCESS), None),
        (sample(modes_compute_mode=ComputeMode.DEFAULT), None),
        (sample(modes_compute_mode=99), None),
        (sample(processes=None), "its processes are unknown"),
        (sample(process_list_is_partial=True), "its processes are unknown"),
        (sample(fabric_state=3, fabric_status=0), None),
        (
            sample(fabric_state=3, fabric_status=15),
            (
                "it is not healthy: The registration with the NVLink fabric failed with code 15:"
                " CUDA does not start"
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_gpu_with_an_obstacle_is_not_offered(sample: GpuSample, obstacle: str | None) -> None:
    assert seen(sample).obstacle == obstacle
    assert choose([seen(sample)], Wish(max_utilization_percent=100)).satisfied is (obstacle is None)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("mig.enabled", "MIG mode"),
        ("modes.compute_mode", "compute mode"),
        ("fabric.state", "state in the NVLink fabric"),
    ],
)
def test_a_value_that_the_driver_failed_to_report_is_an_obstacle(field: str, name: str) -> None:
    """So is one that the agent may not read; an unsupported value is no obstacle."""
    failed = Unknown(Reason.FAILED, "f", "NVML_ERROR_UNKNOWN", "Unknown Error", 0.0, reported_before=True)
    forbidden = replace(failed, reason=Reason.NO_PERMISSION, words="Insufficient Permissions")
    missing = replace(failed, reason=Reason.NOT_SUPPORTED)

    assert seen(sample(unknown={field: failed})).obstacle == f"its {name} is unknown: Unknown Error"
    assert (
        seen(sample(unknown={field: forbidden})).obstacle
        == f"its {name} is unknown: Insufficient Permissions"
    )
    assert seen(sample(unknown={field: missing})).obstacle is None


@pytest.mark.parametrize(
    ("mode", "processes", "is_held"),
    [
        (ComputeMode.EXCLUSIVE_PROCESS, (COMPUTE,), True),
        (ComputeMode.EXCLUSIVE_THREAD, (BOTH,), True),
        (ComputeMode.EXCLUSIVE_PROCESS, (GRAPHICS,), False),
        (ComputeMode.EXCLUSIVE_PROCESS, (COMPUTE, replace(BOTH, mps=True)), False),
        (ComputeMode.DEFAULT, (COMPUTE,), False),
    ],
    ids=["process", "thread", "graphics", "MPS", "default"],
)
def test_an_exclusive_gpu_with_a_compute_process_is_not_offered(
    mode: ComputeMode, processes: tuple[GpuProcess, ...], is_held: bool
) -> None:
    candidate = seen(sample(modes_compute_mode=mode, processes=processes))
    why = "its compute mode is exclusive, and a process holds it" if is_held else None

    assert why_not(candidate, Wish(max_utilization_percent=100)) == why


@pytest.mark.parametrize(
    ("ledger", "obstacle"),
    [
        (LedgerReading(), "its registration with the NVLink fabric is in progress"),
        (
            None,
            "it is not healthy: The registration with the NVLink fabric is in progress: CUDA does not start",
        ),
    ],
    ids=["for a short time", "for an unknown time"],
)
def test_a_gpu_whose_fabric_is_not_ready_is_not_offered(ledger: LedgerReading | None, obstacle: str) -> None:
    assert seen(sample(fabric_state=2), ledger=ledger).obstacle == obstacle


@pytest.mark.parametrize(
    ("processes", "number", "users"),
    [
        ((), 0, set()),
        ((COMPUTE,), 1, {"ann"}),
        ((GRAPHICS,), 0, {"gdm"}),
        ((COMPUTE, GRAPHICS, BOTH), 2, {"ann", "gdm", "bob"}),
        ((GpuProcess(999, ProcessType.COMPUTE),), 1, {None}),
    ],
)
def test_compute_processes_and_their_users_are_counted(
    processes: tuple[GpuProcess, ...], number: int, users: set[str | None]
) -> None:
    candidate = seen(sample(processes=processes))

    assert candidate.compute_processes == number
    assert set(candidate.users) == users


def test_without_described_processes_every_user_is_unknown() -> None:
    snap = replace(snapshot(sample(processes=(COMPUTE, GRAPHICS))), processes=None)

    assert candidates(snap)[0].users == {None}


@pytest.mark.parametrize(
    ("peaks", "peak"),
    [
        pytest.param({"GPU-0": 93}, 93, id="the maximum of the last minute"),
        pytest.param({"GPU-0": None}, None, id="unknown"),
        pytest.param({"GPU-1": 93}, 7, id="a GPU that is not in the ledger yet"),
        pytest.param(None, 7, id="no ledger"),
    ],
)
def test_the_peak_utilization_is_that_of_the_ledger_or_else_of_the_sample(
    peaks: dict[str, int | None] | None, peak: int | None
) -> None:
    ledger = None if peaks is None else LedgerReading(peak_utilization_percent=peaks)

    assert seen(sample(), ledger=ledger).peak_utilization_percent == peak


@pytest.mark.parametrize(
    ("values", "ledger", "works"),
    [
        pytest.param({"utilization_gpu_percent": 44}, None, True, id="the newest sample alone"),
        pytest.param({"utilization_gpu_percent": 10}, None, False, id="at the threshold"),
        pytest.param({"utilization_gpu_percent": None}, None, False, id="utilization is unknown"),
        pytest.param(
            {"utilization_gpu_percent": 44, "processes": (GRAPHICS,)}, None, False, id="a process is listed"
        ),
        pytest.param({"utilization_gpu_percent": 0}, {"GPU-0": 11}, True, id="it worked in the last minute"),
        pytest.param(
            {"utilization_gpu_percent": 44}, {"GPU-0": 10}, False, id="the newest sample does not count"
        ),
        pytest.param({"utilization_gpu_percent": 44}, {"GPU-1": 0}, True, id="too few samples"),
    ],
)
def test_a_gpu_that_works_without_a_listed_process_is_recognized(
    values: dict[str, Any], ledger: dict[str, int] | None, works: bool
) -> None:
    remembered = None if ledger is None else LedgerReading(unlisted_peak_utilization_percent=ledger)

    assert seen(sample(**values), ledger=remembered).works_unlisted is works


def test_a_gpu_with_ghost_utilization_does_not_count_as_working() -> None:
    ledger = LedgerReading(unlisted_peak_utilization_percent={"GPU-0": 97}, ghost_utilization={"GPU-0": True})
    candidate = seen(sample(utilization_gpu_percent=97), ledger=ledger)

    assert (candidate.works_unlisted, candidate.has_ghost_utilization, candidate.obstacle) == (
        False,
        True,
        None,
    )


def peers(*bus_ids: str) -> dict[str, tuple[NvLink, ...]]:
    return {
        "nvlink_links": tuple(NvLink(link, is_active=True, peer=peer) for link, peer in enumerate(bus_ids))
    }


ZERO, ONE = "00000000:00:00.0", "00000000:01:00.0"


@pytest.mark.parametrize(
    ("gpus", "neighbours"),
    [
        pytest.param([sample(0), sample(1)], [set(), set()], id="no links"),
        pytest.param([sample(0, **peers(ONE)), sample(1, **peers(ZERO))], [{1}, {0}], id="a bridge"),
        pytest.param([sample(0, **peers(ONE)), sample(1)], [{1}, {0}], id="reported by one of the two"),
        pytest.param([sample(0, **peers("00000000:09:00.0"))], [set()], id="to an unknown GPU"),
        pytest.param(
            [sample(0, **peers(NVSWITCH)), sample(1, **peers(NVSWITCH)), sample(2)],
            [{1}, {0}, set()],
            id="a switch",
        ),
        pytest.param(
            [sample(0, **peers(NVSWITCH)), WITHOUT_READING[GpuState.LOST]], [set(), set()], id="lost"
        ),
        pytest.param([sample(0, **peers()), sample(1, **peers())], [set(), set()], id="links that are down"),
    ],
)
def test_gpus_linked_by_nvlink_are_neighbours(gpus: list[GpuSample], neighbours: list[set[int]]) -> None:
    assert [gpu.nvlink_neighbours for gpu in candidates(snapshot(*gpus))] == neighbours
