"""The MIG instances of a GPU in `/gpu`: only in MIG mode, and null for unknown values."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from agent.derive.activity import Thresholds
from agent.readings import GpuProcess, MigInstance, ProcessType, Reason, Unknown
from agent.views.gpu import GpuJson
from tests.support.readings import with_values
from tests.views.samples import DRIVER, HEALTHY, MIB, READING, STARTING, snapshot

WHY = Unknown(Reason.FAILED, "nvmlDeviceGetMigMode", "NVML_ERROR_UNKNOWN", "Unknown Error", 0.0, True)
FULL = MigInstance(
    2,
    "MIG-2",
    "NVIDIA A100-SXM4-80GB MIG 2g.20gb",
    20 * MIB,
    5 * MIB,
    15 * MIB,
    (GpuProcess(7, ProcessType.COMPUTE), GpuProcess(8, ProcessType.COMPUTE)),
)
NOTHING = dict.fromkeys(["profile", "uuid", "total_mb", "used_mb", "processes"])


def shown(**values: Any) -> Any:
    """The JSON of a GPU with these values."""
    gpu = replace(HEALTHY, reading=with_values(READING, **values))
    return json.loads(b"".join(GpuJson(snapshot(gpu), Thresholds())(DRIVER, [gpu], detail=False)))["gpus"][0]


def test_each_mig_instance_is_an_object_of_the_list() -> None:
    assert shown(mig_enabled=True, mig_instances=(FULL, MigInstance(4), MigInstance(5, processes=())))[
        "mig"
    ] == [
        {
            "index": 2,
            "profile": "2g.20gb",
            "uuid": "MIG-2",
            "total_mb": 20.0,
            "used_mb": 5.0,
            "processes": 2,
        },
        {"index": 4, **NOTHING},
        {"index": 5, **NOTHING, "processes": 0},
    ]


def test_no_mig_instances_are_an_empty_list_and_unknown_ones_null() -> None:
    assert shown(mig_enabled=True, mig_instances=())["mig"] == []
    unreported = shown(mig_enabled=True, mig_instances=None, unknown={"mig.instances": WHY})
    assert (unreported["mig"], unreported["failed"]) == (None, {"mig": "Unknown Error"})


@pytest.mark.parametrize("enabled", [False, None])
def test_without_mig_mode_there_is_no_field_mig(enabled: bool | None) -> None:
    assert "mig" not in shown(mig_enabled=enabled)


def test_a_gpu_that_cannot_be_read_has_no_field_mig() -> None:
    seen = snapshot(STARTING)
    assert (
        "mig"
        not in json.loads(b"".join(GpuJson(seen, Thresholds())(DRIVER, [STARTING], detail=False)))["gpus"][0]
    )
