"""`unknown` and `failed` of detail=1 stay within their size, however many reasons there are."""

from __future__ import annotations

import json
import random

import pytest

from agent.readings import GpuReading, Reason, Unknown
from agent.views.gpu.feeds import FEEDS
from agent.views.gpu.unknown import first_failed
from tests.support.readings import leaves, reading, with_values
from tests.views.gpu.test_unknown import BUDGET, gpu_object, sample_of, size


@pytest.mark.parametrize("number_known", [0, 12], ids=["no value is known", "some values are known"])
@pytest.mark.parametrize("seed", range(5))
def test_many_unknown_values_are_shortened_and_the_gravest_reasons_are_first(
    seed: int, number_known: int
) -> None:
    chance = random.Random(seed)  # noqa: S311  (the same each time)
    fields = sorted({field for fields in FEEDS.values() for field in fields})
    reasons = {field: chance.choice([*Reason]) for field in fields}
    unknown = {
        field: Unknown(
            reason, "nvmlDeviceGetFieldValues", "NVML_ERROR_X", "Any words", 0.0, reported_before=False
        )
        for field, reason in reasons.items()
    }
    values = {
        field.replace(".", "_", 1): 1
        for field in chance.sample(sorted(leaves(GpuReading(0.0)).keys() & unknown.keys()), number_known)
        if field.endswith(("_mhz", "_watts", "_celsius", "_volatile", "_percent"))
    }

    gpu = gpu_object(sample_of(with_values(reading(unknown=unknown), **values)))

    shown = gpu["detail"]["unknown"]
    assert size(gpu) <= BUDGET
    assert "failed" in shown
    assert "impossible" in shown


@pytest.mark.parametrize("beyond", [0, 1])
def test_error_texts_of_nvml_are_reported_up_to_the_exact_budget_of_bytes(beyond: int) -> None:
    unknown = {"failed": ["a", "b"]}
    failed = {"a": "A GPU", "b": ""}
    empty = len(json.dumps({"unknown": unknown, "failed": failed}, separators=(",", ":")))
    failed["b"] = "x" * (BUDGET - empty + beyond)

    assert first_failed(failed, unknown) == (failed if not beyond else {"a": "A GPU"})
