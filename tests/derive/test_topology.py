"""The matrix of connections, in the words of nvidia-smi."""

from __future__ import annotations

from typing import Any

import pynvml
import pytest

from agent.derive.topology import topology_matrix
from agent.readings import (
    NVSWITCH,
    GpuSample,
    GpuState,
    NvLink,
    Snapshot,
    Topology,
)
from tests.support.readings import reading


def gpu(index: int, *peers: str, state: GpuState = GpuState.OK) -> GpuSample:
    links = tuple(NvLink(number, is_active=True, peer=peer) for number, peer in enumerate(peers))
    return GpuSample(index, state, reading(identity_pci_bus_id=f"bus {index}", nvlink_links=links or None))


def matrix(*gpus: GpuSample, **values: Any) -> list[list[str | None]]:
    return list(topology_matrix(Snapshot(0, 0, gpus=gpus, **values)))


LEVELS = Topology(((None, 10, 40), (10, None, 50), (40, 50, None)))


def test_pcie_levels_show_where_there_is_no_nvlink() -> None:
    gpus = [gpu(0, "bus 1", "bus 1"), gpu(1, "bus 0", "bus 0"), gpu(2)]

    assert matrix(*gpus, topology=LEVELS) == [["X", "NV2", "NODE"], ["NV2", "X", "SYS"], ["NODE", "SYS", "X"]]


def test_a_switch_connects_all_gpus_behind_it() -> None:
    gpus = [gpu(0, *[NVSWITCH] * 18), gpu(1, *[NVSWITCH] * 17), gpu(2)]

    assert matrix(*gpus) == [["X", "NV18", None], ["NV17", "X", None], [None, None, "X"]]


def test_a_link_with_an_unknown_end_connects_no_gpus() -> None:
    links = (NvLink(0, is_active=True, peer=None),)
    gpus = [
        GpuSample(index, GpuState.OK, reading(identity_pci_bus_id=None, nvlink_links=links))
        for index in (0, 1)
    ]

    assert matrix(*gpus) == [["X", None], [None, "X"]]


def test_gpus_outside_the_matrix_have_unknown_levels() -> None:
    assert matrix(gpu(0), gpu(1), gpu(2), gpu(3), topology=LEVELS)[3] == [None, None, None, "X"]


def test_an_unknown_level_of_nvml_is_unknown() -> None:
    assert matrix(gpu(0), gpu(1), topology=Topology(((None, 15), (15, None)))) == [["X", None], [None, "X"]]


# What each level means: nvml.h, and the legend of `nvidia-smi topo --matrix`.
@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("INTERNAL", "PSB"),
        ("SINGLE", "PIX"),
        ("MULTIPLE", "PXB"),
        ("HOSTBRIDGE", "PHB"),
        ("NODE", "NODE"),
        ("SYSTEM", "SYS"),
    ],
)
def test_each_level_of_nvml_has_the_word_of_nvidia_smi(name: str, word: str) -> None:
    level: int = getattr(pynvml, f"NVML_TOPOLOGY_{name}")

    assert matrix(gpu(0), gpu(1), topology=Topology(((None, level), (level, None))))[0] == ["X", word]
