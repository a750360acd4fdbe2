"""A GPU is active if any of five criteria holds, else idle; each criterion is reported in words."""

from __future__ import annotations

from typing import Any

import pytest

from agent.derive.activity import Activity, ActivityJudgement, Criterion, Thresholds, judge_activity
from tests.support.readings import reading

QUIET = {  # a GPU that is idle by every criterion, each exactly at its threshold
    "utilization_gpu_percent": 4,
    "power_usage_watts": 10.0,
    "memory_total_bytes": 1000,
    "memory_used_bytes": 49,
    "clocks_max_graphics_mhz": 2520,
    "clocks_graphics_mhz": 756,
    "thermal_gpu_celsius": 40,
}


def test_a_quiet_gpu_is_idle_by_every_criterion() -> None:
    assert judge_activity(reading(**QUIET), Thresholds()) == ActivityJudgement(
        Activity.IDLE,
        gpu_utilization=Criterion(False, "4.0% < 5.0%"),
        power=Criterion(False, "10.0W <= 10.0W"),
        memory_utilization=Criterion(False, "4.9% < 5.0%"),
        clock=Criterion(False, "756MHz <= 756MHz"),
        temperature=Criterion(False, "40.0°C <= 40.0°C"),
    )


@pytest.mark.parametrize(
    ("criterion", "value", "expected"),
    [
        pytest.param("gpu_utilization", {"utilization_gpu_percent": 0}, "0.0% < 5.0%", id="GPU at 0"),
        pytest.param("gpu_utilization", {"utilization_gpu_percent": 4}, "4.0% < 5.0%", id="GPU below"),
        pytest.param("gpu_utilization", {"utilization_gpu_percent": 5}, "5.0% >= 5.0%", id="GPU at"),
        pytest.param("gpu_utilization", {"utilization_gpu_percent": 45}, "45.0% >= 5.0%", id="GPU above"),
        pytest.param("power", {"power_usage_watts": 9.9}, "9.9W <= 10.0W", id="power below"),
        pytest.param("power", {"power_usage_watts": 10.0}, "10.0W <= 10.0W", id="power at"),
        pytest.param("power", {"power_usage_watts": 10.1}, "10.1W > 10.0W", id="power above"),
        pytest.param("power", {"power_usage_watts": 185.25}, "185.3W > 10.0W", id="power rounds half up"),
        pytest.param("memory_utilization", {"memory_used_bytes": 49}, "4.9% < 5.0%", id="memory below"),
        pytest.param("memory_utilization", {"memory_used_bytes": 50}, "5.0% >= 5.0%", id="memory at"),
        pytest.param("memory_utilization", {"memory_used_bytes": 51}, "5.1% >= 5.0%", id="memory above"),
        pytest.param(
            "memory_utilization",
            {"memory_used_bytes": 825, "memory_total_bytes": 10_000},
            "8.3% >= 5.0%",
            id="memory rounds half up, as its field does",
        ),
        pytest.param("clock", {"clocks_graphics_mhz": 755}, "755MHz <= 756MHz", id="clock below"),
        pytest.param("clock", {"clocks_graphics_mhz": 756}, "756MHz <= 756MHz", id="clock at"),
        pytest.param("clock", {"clocks_graphics_mhz": 757}, "757MHz > 756MHz", id="clock above"),
        pytest.param(
            "clock",
            {"clocks_graphics_mhz": 932, "clocks_max_graphics_mhz": 3105},
            "932MHz > 931MHz",
            id="clock above 931.5",
        ),
        pytest.param(
            "clock",
            {"clocks_graphics_mhz": 931, "clocks_max_graphics_mhz": 3105},
            "931MHz <= 931MHz",
            id="clock below 931.5",
        ),
        pytest.param("temperature", {"thermal_gpu_celsius": 39}, "39.0°C <= 40.0°C", id="temperature below"),
        pytest.param("temperature", {"thermal_gpu_celsius": 40}, "40.0°C <= 40.0°C", id="temperature at"),
        pytest.param("temperature", {"thermal_gpu_celsius": 41}, "41.0°C > 40.0°C", id="temperature above"),
    ],
)
def test_each_criterion_alone_makes_a_gpu_active(
    criterion: str, value: dict[str, Any], expected: str
) -> None:
    holds = "<" not in expected
    judgement = judge_activity(reading(**QUIET | value), Thresholds())

    assert getattr(judgement, criterion) == Criterion(holds, expected)
    assert judgement.activity is (Activity.ACTIVE if holds else Activity.IDLE)


@pytest.mark.parametrize(
    ("thresholds", "expected"),
    [
        pytest.param({"gpu_percent": 4}, "4.0% >= 4.0%", id="GPU"),
        pytest.param({"power_watts": 9.5}, "10.0W > 9.5W", id="power"),
        pytest.param({"memory_percent": 4.9}, "4.9% >= 4.9%", id="memory"),
        pytest.param({"clock_percent": 29}, "756MHz > 730MHz", id="clock"),
        pytest.param({"temperature_celsius": 39.5}, "40.0°C > 39.5°C", id="temperature"),
    ],
)
def test_the_thresholds_are_settings(thresholds: dict[str, float], expected: str) -> None:
    judgement = judge_activity(reading(**QUIET), Thresholds(**thresholds))

    criteria = [
        judgement.gpu_utilization,
        judgement.power,
        judgement.memory_utilization,
        judgement.clock,
        judgement.temperature,
    ]
    assert [criterion.words for criterion in criteria if criterion.holds] == [expected]
    assert judgement.activity is Activity.ACTIVE


def test_a_gpu_that_was_not_read_is_unavailable() -> None:
    assert judge_activity(None, Thresholds()) == ActivityJudgement(Activity.UNAVAILABLE)


def test_a_gpu_without_known_values_is_unavailable() -> None:
    assert judge_activity(reading(), Thresholds()) == ActivityJudgement(Activity.UNAVAILABLE)


@pytest.mark.parametrize(
    ("unknown", "criterion"),
    [
        ("utilization_gpu_percent", "gpu_utilization"),
        ("power_usage_watts", "power"),
        ("memory_used_bytes", "memory_utilization"),
        ("memory_total_bytes", "memory_utilization"),
        ("clocks_graphics_mhz", "clock"),
        ("clocks_max_graphics_mhz", "clock"),
        ("thermal_gpu_celsius", "temperature"),
    ],
)
def test_an_unknown_value_leaves_its_criterion_unknown_and_the_others_decide(
    unknown: str, criterion: str
) -> None:
    judgement = judge_activity(reading(**QUIET | {unknown: None}), Thresholds())

    assert getattr(judgement, criterion) == Criterion(None, None)
    assert judgement.activity is Activity.IDLE


@pytest.mark.parametrize(
    "zero",
    [{"clocks_max_graphics_mhz": 0}, {"memory_total_bytes": 0}],
    ids=["maximum clock", "total memory"],
)
def test_a_share_of_zero_is_unknown(zero: dict[str, int]) -> None:
    assert judge_activity(reading(**QUIET | zero), Thresholds()).activity is Activity.IDLE


def test_one_known_criterion_is_enough() -> None:
    assert judge_activity(reading(power_usage_watts=10.1), Thresholds()).activity is Activity.ACTIVE
    assert judge_activity(reading(power_usage_watts=9.9), Thresholds()).activity is Activity.IDLE
