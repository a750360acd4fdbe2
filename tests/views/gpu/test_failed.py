"""What the driver failed to tell, beside the values of the plain answer: only if there is something."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from agent.derive.activity import Thresholds
from agent.derive.health import examine
from agent.readings import Reason, Unknown
from agent.views.gpu.device import Gpu, gpu_view
from agent.views.gpu.failed import PLAIN_FIELDS
from tests.support.readings import leaves
from tests.views.samples import HEALTHY, PROCESSES, READING, snapshot

UNKNOWN = Unknown(
    Reason.FAILED, "nvmlFunction", "NVML_ERROR_UNKNOWN", "Unknown Error", since=0.0, told_before=False
)


def shown(unknown: dict[str, Unknown]) -> Any:
    """The JSON of a GPU of which these fields are unknown."""
    gpu = replace(HEALTHY, reading=replace(READING, unknown=unknown))
    view = gpu_view(gpu, PROCESSES.gpu_processes, Thresholds(), examine(snapshot(gpu))[0])
    return json.loads(view.model_dump_json(exclude_unset=True))


def test_a_failure_is_told_by_the_name_of_its_value() -> None:
    timeout = replace(UNKNOWN, words="Timeout")

    assert shown({"power.usage_watts": UNKNOWN, "thermal.gpu_celsius": timeout})["failed"] == {
        "power.usage_watts": "Unknown Error",
        "temperature_celsius": "Timeout",
    }


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.FAILED])
def test_any_other_reason_changes_nothing_in_the_answer(reason: Reason) -> None:
    assert shown({"power.usage_watts": replace(UNKNOWN, reason=reason)}) == shown({})
    assert "failed" not in shown({})


def test_of_what_only_detail_shows_nothing_is_said() -> None:
    assert "failed" not in shown({"power.instant_watts": UNKNOWN})


def test_both_names_of_each_value_are_right() -> None:
    plain = shown({})

    for field, wire in PLAIN_FIELDS.items():
        value = plain
        for name in wire.split("."):
            value = value[name]
        assert field in {*leaves(READING), "processes"}
    assert set(Gpu.model_fields) >= {wire.split(".")[0] for wire in PLAIN_FIELDS.values()}
