"""A partitioned GPU looks real to nvitop: it has instances, and fewer values of the whole GPU."""

from __future__ import annotations

import os

import pynvml
import pytest
from nvitop import NA, Device

from agent.simulation import SimulatedProcess, Simulation


def test_instances_have_names_uuids_and_memory_of_their_own() -> None:
    with Simulation(1, models=["a100"]) as simulation:
        simulation.gpus[0].enable_mig("3g.40gb", "1g.10gb")
        whole = Device(0)
        large, small = whole.mig_devices()

        assert whole.mig_mode() == "Enabled"
        assert (large.name(), small.name()) == (
            "NVIDIA A100-SXM4-80GB MIG 3g.40gb",
            "NVIDIA A100-SXM4-80GB MIG 1g.10gb",
        )
        assert large.uuid() != small.uuid()
        assert large.uuid().startswith("MIG-")
        assert large.memory_total() > 3 * small.memory_total()
        assert (large.gpu_instance_id(), large.compute_instance_id()) == (1, 0)
        assert small.memory_used() + small.memory_free() == small.memory_total()
        assert Device(0).memory_used() >= large.memory_used() + small.memory_used()


def test_an_instance_is_found_by_its_uuid() -> None:
    with Simulation(2) as simulation:
        simulation.gpus[1].enable_mig()
        instance = Device(1).mig_devices()[1]

        assert Device(uuid=instance.uuid()).index == (1, 1)


def test_processes_belong_to_their_instance() -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].enable_mig("1g.10gb", "1g.10gb")
        simulation.gpus[0].processes = [SimulatedProcess(os.getpid(), "C", 2**30, mig_index=1)]
        first, second = Device(0).mig_devices()

        assert first.processes() == {}
        assert list(second.processes()) == [os.getpid()]
        (process,) = Device(0).processes().values()
        assert process.gpu_instance_id() == 2


def test_utilization_of_a_partitioned_gpu_is_not_supported() -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].enable_mig()

        assert Device(0).gpu_utilization() is NA
        with pytest.raises(pynvml.NVMLError_NotSupported):
            pynvml.nvmlDeviceGetProcessUtilization(Device(0).handle, 0)
        assert Device(0).temperature() > 0


def test_there_is_no_instance_after_the_last() -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].enable_mig("1g.10gb")
        handle = Device(0).handle

        assert pynvml.nvmlDeviceGetMaxMigDeviceCount(handle) == 7
        with pytest.raises(pynvml.NVMLError_NotFound):
            pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, 1)


def test_mig_can_be_disabled_again() -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].enable_mig()
        instance = Device(0).mig_devices()[0]
        simulation.gpus[0].disable_mig()

        assert Device(0).mig_devices() == []
        assert Device(0).gpu_utilization() > 0
        with pytest.raises(pynvml.NVMLError_InvalidArgument):
            pynvml.nvmlDeviceGetMemoryInfo(instance.handle)


@pytest.mark.parametrize(
    ("model", "profiles", "sentence"),
    [
        ("rtx4090", (), "NVIDIA GeForce RTX 4090 has no MIG."),
        ("a100", ("1g",), "'1g' is not a MIG profile; one looks like '1g.10gb'."),
        (
            "a100",
            ("7g.80gb", "1g.10gb"),
            "MIG profiles 7g.80gb, 1g.10gb do not fit one NVIDIA A100-SXM4-80GB.",
        ),
    ],
    ids=["no MIG", "no profile", "too many"],
)
def test_a_wrong_partition_is_refused_in_one_sentence(
    model: str, profiles: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(ValueError, match=r"\.") as refusal:
        Simulation(1, models=[model]).gpus[0].enable_mig(*profiles)

    assert str(refusal.value) == sentence
