"""MIG instances as candidates for `/free`, instead of their GPU if requested."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.derive.candidates import candidates
from agent.derive.free import Wish, choose, could_ever
from agent.readings import (
    ComputeMode,
    GpuIdentity,
    GpuProcess,
    GpuSample,
    GpuState,
    HostProcess,
    LedgerReading,
    MigInstance,
    ProcessesReading,
    ProcessType,
    Reason,
    Snapshot,
    Unknown,
)
from tests.support.readings import reading

GIB = 1024**3
FAILED = Unknown(Reason.FAILED, "nvmlDeviceGetMemoryInfo", "NVML_ERROR_UNKNOWN", "Unknown Error", 0.0, True)
BUSY = (GpuProcess(100, ProcessType.COMPUTE, GIB),)
ANY = Wish(count=9, mig=True)


def instance(mig_index: int, profile: str = "1g.10gb", **values: Any) -> MigInstance:
    known: dict[str, Any] = {
        "uuid": f"MIG-{mig_index}",
        "name": f"NVIDIA H100 MIG {profile}",
        "memory_total_bytes": 10 * GIB,
        "memory_used_bytes": 0,
        "memory_free_bytes": 10 * GIB,
        "processes": (),
    }
    return MigInstance(mig_index, **known | values)


def gpu(index: int, *instances: MigInstance, **values: Any) -> GpuSample:
    """A GPU, in MIG mode if it has instances."""
    listed = [process for one in instances for process in one.processes or ()]
    known: dict[str, Any] = {
        "identity": GpuIdentity(f"GPU-{index}", "NVIDIA H100", f"00000000:0{index}:00.0"),
        "memory_total_bytes": 80 * GIB,
        "memory_free_bytes": 80 * GIB,
        "thermal_gpu_celsius": 30,
        "utilization_gpu_percent": None if instances else 0,
        "processes": tuple(listed),
        "mig_enabled": bool(instances),
        "mig_instances": instances,
    }
    return GpuSample(index, GpuState.OK, reading(**known | values))


def offer(wish: Wish, *gpus: GpuSample) -> tuple[list[str], dict[tuple[int, int | None], str]]:
    """The UUIDs that are offered, and why the others are not."""
    described = ProcessesReading({100: HostProcess(100, "ann", uid=1001)})
    snapshot = Snapshot(0, 0, gpus=gpus, processes=described, ledger=LedgerReading())
    found = choose(candidates(snapshot), wish)
    return [*found.uuids], {(one.index, one.mig_index): why for one, why in found.unsuitable}


def test_instances_are_offered_instead_of_their_gpu_on_request() -> None:
    """They come before whole GPUs, the one with the most free memory first."""
    host = gpu(0), gpu(1, instance(0), instance(3, "2g.20gb", memory_free_bytes=20 * GIB))

    assert offer(ANY, *host) == (["MIG-3", "MIG-0", "GPU-0"], {})
    assert offer(Wish(count=9), *host) == (
        ["GPU-0"],
        {(1, None): "MIG is enabled: programs use one of its instances"},
    )


PARTITIONED = gpu(0, instance(0))


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        (gpu(0, instance(0, processes=BUSY)), "a compute process runs on it"),
        (gpu(0, instance(0, processes=None)), "its processes are unknown"),
        (gpu(0, instance(0, uuid=None)), "its UUID is unknown"),
        (gpu(0, instance(0, memory_used_bytes=9 * GIB)), "in use by a process that is not listed"),
        (gpu(0, instance(0), modes_compute_mode=ComputeMode.PROHIBITED), "its compute mode is prohibited"),
        (
            gpu(0, instance(0, memory_used_bytes=None), unknown={"mig.instances": FAILED}),
            "its memory in use is unknown: Unknown Error",
        ),
        (
            gpu(0, instance(0), unknown={"modes.compute_mode": FAILED}),
            "its compute mode is unknown: Unknown Error",
        ),
        (gpu(0, instance(0), fabric_state=2), "its registration with the NVLink fabric is in progress"),
        (gpu(0, instance(0), recovery_action=1), "it is not healthy: The driver asks for a recovery"),
        (gpu(0, instance(0), unknown={"mig.instances": FAILED}), None),
        (gpu(0, instance(0), identity_uuid=None), None),
        (gpu(0, instance(0), memory_free_bytes=None, process_list_is_partial=True), None),
    ],
)
def test_an_instance_with_an_obstacle_of_its_own_or_of_its_gpu_is_not_offered(
    sample: GpuSample, why: str | None
) -> None:
    """Unknown values of the GPU or of another instance are no obstacle."""
    assert offer(ANY, sample) == ((["MIG-0"], {}) if why is None else ([], {(0, 0): why}))


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        (gpu(0, mig_enabled=True), "MIG is enabled, and it has no instance"),
        (gpu(0, mig_enabled=True, mig_instances=None), "MIG is enabled, and its instances are unknown"),
        (replace(PARTITIONED, reading=None, state=GpuState.STUCK), "it cannot be read: stuck"),
    ],
)
def test_a_gpu_without_instances_is_passed_over_itself(sample: GpuSample, why: str) -> None:
    assert offer(ANY, sample) == ([], {(0, None): why})


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (Wish(mig=True, min_free_memory_bytes=11 * GIB), "it has less free memory than min_free_memory"),
        (Wish(mig=True, min_free_memory_bytes=10 * GIB), None),
        (Wish(mig=True, max_utilization_percent=100), "its utilization is unknown"),
        (Wish(mig=True, exclude_users=frozenset({"bob"})), None),
    ],
)
def test_limits_of_a_request_apply_to_the_instance(wish: Wish, why: str | None) -> None:
    assert offer(wish, PARTITIONED) == ((["MIG-0"], {}) if why is None else ([], {(0, 0): why}))


def test_only_the_instance_of_an_excluded_user_is_not_offered() -> None:
    host = gpu(0, instance(0, processes=BUSY), instance(1))
    for user in ("ann", "1001"):
        uuids, why = offer(Wish(mig=True, exclude_users=frozenset({user})), host)
        assert (uuids, why) == (["MIG-1"], {(0, 0): "a user of exclude_users has a process on it"})


def test_shared_memory_is_accounted_for_by_the_processes_of_all_instances_that_share_it() -> None:
    """Both report the used memory of their common part of the GPU, and each its own processes."""
    both = {"memory_used_bytes": 5 * GIB, "memory_free_bytes": 5 * GIB, "gpu_instance_id": 3}
    holder = (GpuProcess(100, ProcessType.COMPUTE, 5 * GIB),)
    shared = gpu(0, instance(0, "1c.2g.10gb", processes=holder, **both), instance(1, "1c.2g.10gb", **both))

    assert offer(ANY, shared) == (["MIG-1"], {(0, 0): "a compute process runs on it"})


def test_processes_on_another_part_of_the_gpu_do_not_account_for_shared_memory() -> None:
    both = {"memory_used_bytes": 5 * GIB, "memory_free_bytes": 5 * GIB, "gpu_instance_id": 3}
    shared = instance(0, "1c.2g.10gb", **both), instance(1, "1c.2g.10gb", **both)
    other = instance(
        2, "2g.10gb", gpu_instance_id=4, processes=(GpuProcess(100, ProcessType.COMPUTE, 6 * GIB),)
    )

    _, why = offer(ANY, gpu(0, *shared, other))

    unlisted = "in use by a process that is not listed"
    assert (why[0, 0], why[0, 1]) == (unlisted, unlisted)


def test_an_instance_that_shares_memory_with_unknown_processes_is_not_offered() -> None:
    both = {"memory_used_bytes": 5 * GIB, "memory_free_bytes": 5 * GIB, "gpu_instance_id": 3}
    host = gpu(0, instance(0, "1c.2g.10gb", **both), instance(1, "1c.2g.10gb", processes=None, **both))

    uuids, why = offer(ANY, host)

    assert uuids == []
    assert why[0, 0] == "the processes of an instance that shares its memory are unknown"


def test_a_host_could_satisfy_as_many_requests_as_it_has_instances() -> None:
    gpus = candidates(Snapshot(0, 0, gpus=(gpu(0, instance(0), instance(1)),)))

    assert could_ever(gpus, Wish(count=2, mig=True, min_free_memory_bytes=10 * GIB))
    assert not could_ever(gpus, Wish(count=3, mig=True))
    assert not could_ever(gpus, Wish(count=1))


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "1g.5gb"),
        ("NVIDIA H100 80GB HBM3 MIG 1c.3g.40gb", "1c.3g.40gb"),
        ("NVIDIA A100-SXM4-80GB MIG 1g.10gb+me", "1g.10gb+me"),
        ("NVIDIA B200 MIG 7g.180gb", "7g.180gb"),
        ("NVIDIA A100-SXM4-40GB", None),
        ("MIG 1g.5gb NVIDIA", None),
        ("", None),
        (None, None),
    ],
)
def test_the_profile_of_an_instance_is_the_end_of_its_name(name: str | None, profile: str | None) -> None:
    assert MigInstance(0, name=name).profile == profile
