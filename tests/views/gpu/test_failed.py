"""`failed` of `/gpu` without detail: only if a value failed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from agent.derive.activity import Thresholds
from agent.derive.health import examine
from agent.readings import Reason, Unknown
from agent.views.gpu.device import gpu_view
from tests.support.readings import with_values
from tests.views.samples import HEALTHY, PROCESSES, READING, snapshot

FAILED = Unknown(
    Reason.FAILED, "nvmlFunction", "NVML_ERROR_UNKNOWN", "Unknown Error", since=0.0, reported_before=False
)


def shown(unknown: dict[str, Unknown]) -> Any:
    """The JSON of a GPU with these unknown fields."""
    values: dict[str, Any] = {field.replace(".", "_"): None for field in unknown}
    gpu = replace(HEALTHY, reading=replace(with_values(READING, **values), unknown=unknown))
    view = gpu_view(gpu, PROCESSES.gpu_processes, Thresholds(), examine(snapshot(gpu))[0])
    return json.loads(view.model_dump_json(exclude_unset=True))


def test_failed_has_each_value_that_a_failure_leaves_unknown() -> None:
    timeout = replace(FAILED, words="Timeout")

    assert shown({"power.usage_watts": FAILED, "thermal.gpu_celsius": timeout})["failed"] == {
        "temperature_celsius": "Timeout",
        "power.usage_watts": "Unknown Error",
        "power.budget_watts": "Unknown Error",
        "power.efficiency_percent": "Unknown Error",
    }


def test_an_object_with_only_failed_values_is_named_as_a_whole() -> None:
    unknown = {f"power.{field}": FAILED for field in ("usage_watts", "limit_watts")}

    assert shown(unknown)["failed"] == {"power": "Unknown Error"}


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.FAILED])
def test_the_answer_has_no_failed_object_if_no_value_failed(reason: Reason) -> None:
    assert "failed" not in shown({"power.usage_watts": replace(FAILED, reason=reason)})
    assert "failed" not in shown({})


def test_a_value_that_only_detail_shows_is_not_in_failed() -> None:
    assert "failed" not in shown({"power.instant_watts": FAILED})
