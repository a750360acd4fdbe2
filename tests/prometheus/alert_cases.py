"""For every alert: its series, as they are when it has to fire and when it must not.

From these, promtool gets for each alert: a fault that stays, no fault, a fault that comes and goes, missing
scrapes, and an agent that restarts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

STEP = 15  # seconds between two scrapes
SCRAPES = 100  # 25 minutes
HOST = 'job="gpu",instance="gpu01"'
GPU = f'{HOST},gpu="3",uuid="GPU-3"'
ABSENT = "_"

Values = list[str]


class Case(NamedTuple):
    """`bad` and `good` are values of the series; `beside` are series that are the same in all cases."""

    alert: str
    series: str
    bad: str
    good: str
    beside: dict[str, str] = {}  # noqa: RUF012  (never changed)
    flaps: bool = True  # whether it is to fire when the fault is there for half of each minute
    severity: str = "warning"


def finding(alert: str, name: str, verdict: str, **other: Any) -> Case:
    """A finding that the agent has while the fault is there."""
    series = f'nvidia_gpu_health_finding{{{GPU},finding="{name}",verdict="{verdict}"}}'
    return Case(alert, series, "1", ABSENT, **other)


def reason(alert: str, name: str, severity: str = "warning") -> Case:
    series = f'nvidia_gpu_clocks_event_reason{{{GPU},reason="{name}"}}'
    return Case(alert, series, "1", "0", severity=severity, flaps=False)


EXPECTED = f"nvidia_gpu_agent_expected_gpus{{{HOST}}}"
CRITICAL = "critical"

CASES = [
    Case("AgentDown", f"up{{{HOST}}}", "0", "1", severity=CRITICAL),
    Case("TokenFileUnreadable", f"nvidia_gpu_agent_token_file_last_read_successful{{{HOST}}}", "0", "1"),
    Case("DriverDown", f"nvidia_gpu_agent_driver_up{{{HOST}}}", "0", "1", severity=CRITICAL),
    Case("GpuMissing", f"nvidia_gpu_agent_gpus{{{HOST}}}", "7", "8", {EXPECTED: "8"}, severity=CRITICAL),
    Case("GpuLost", f'nvidia_gpu_state{{{GPU},state="lost"}}', "1", "0", severity=CRITICAL),
    Case("GpuStuck", f'nvidia_gpu_state{{{GPU},state="stuck"}}', "1", "0", severity=CRITICAL),
    Case("GpuSampleStale", f"nvidia_gpu_sample_age_seconds{{{GPU}}}", "300", "1", flaps=False),
    finding("GpuCritical", "a_new_one", "critical", severity=CRITICAL),
    finding("GpuCritical", "driver_errors", "critical", severity=CRITICAL),
    finding("GpuNeedsReset", "recovery_action", "critical", severity=CRITICAL),
    finding("GpuEccUncorrected", "ecc_uncorrected", "critical", severity=CRITICAL),
    finding("GpuMemoryFaulty", "sram_threshold_exceeded", "critical", severity=CRITICAL),
    finding("GpuRepairPending", "remapping_pending", "warning"),
    finding("GpuWearsOut", "inforom_corrupt", "warning"),
    reason("GpuThermalThrottling", "hw_thermal_slowdown", severity=CRITICAL),
    reason("GpuThermalThrottling", "sw_thermal_slowdown"),
    finding("GpuThermalThrottling", "slowed_by_heat", "warning"),
    reason("GpuPowerThrottling", "hw_power_brake_slowdown"),
    finding("GpuPowerThrottling", "slowed_by_brake", "warning"),
    finding("GpuFabricFailed", "fabric_not_ready", "critical", severity=CRITICAL),
    finding("GpuLinkDegraded", "nvlink_slow", "warning"),
    finding("GpuLinkDegraded", "nvlink_recovery", "warning"),
    finding("GpuFanStopped", "fan_stopped", "critical", severity=CRITICAL),
    finding("GpuDriverErrors", "driver_errors", "warning"),
    finding("GpuGhostUtilization", "ghost_utilization", "warning"),
    Case("KernelLogUnreadable", f"nvidia_gpu_agent_kernel_log_up{{{HOST}}}", "0", "1"),
    Case("AgentStateNotKept", f"nvidia_gpu_agent_state_kept{{{HOST}}}", "0", "1"),
    Case(
        "HostCritical",
        f'nvidia_gpu_host_health_finding{{{HOST},finding="sxid_11012",verdict="critical"}}',
        "1",
        ABSENT,
        severity=CRITICAL,
    ),
    Case(
        "GpusGone",
        f'nvidia_gpu_host_health_finding{{{HOST},finding="gpus_gone",verdict="warning"}}',
        "1",
        ABSENT,
        {EXPECTED: "6"},
    ),
    Case(
        "GpuMemoryFull",
        f"nvidia_gpu_memory_used_bytes{{{GPU}}}",
        "99",
        "50",
        {f"nvidia_gpu_memory_total_bytes{{{GPU}}}": "100"},
        flaps=False,
        severity="info",
    ),
    Case(
        "GpuIdleHolder",
        f'nvidia_gpu_process_idle_seconds{{{GPU},user="ann",pid="7"}}',
        "4000",
        "10",
        severity="info",
    ),
]


def constant(value: str) -> Values:
    return [value] * SCRAPES


def flapping(case: Case) -> Values:
    """The fault is there for half of each minute."""
    minute = [case.bad] * 2 + [case.good] * 2
    return minute * (SCRAPES // 4)


def with_gap(case: Case) -> Values:
    """Two minutes without a scrape, just before the last scrape."""
    return [case.bad] * (SCRAPES - 9) + [ABSENT] * 8 + [case.bad]


def with_restart(case: Case) -> Values:
    """An agent restarts, and sees the fault again half a minute later."""
    return [case.bad] * (SCRAPES - 6) + [ABSENT, ABSENT, case.good, case.good, case.bad, case.bad]


def promtool_test(
    name: str, case: Case | Own, series: dict[str, str], *, at: str, interval: str, fires: bool
) -> dict[str, Any]:
    """A test of promtool: whether the alert fires, with its severity, at that time."""
    selector = f'alertname="{case.alert}",alertstate="firing",severity="{case.severity}"'
    samples = [{"labels": "{}", "value": 1}] if fires else []
    return {
        "name": name,
        "interval": interval,
        "input_series": [{"series": one, "values": text} for one, text in series.items()],
        "promql_expr_test": [
            {"expr": f"count(ALERTS{{{selector}}})", "eval_time": at, "exp_samples": samples}
        ],
    }


def rule_test(case: Case, name: str, values: Values, fires: bool) -> dict[str, Any]:
    """One test for promtool, at the last scrape."""
    series = {case.series: " ".join(values)} | {
        other: " ".join(constant(value)) for other, value in case.beside.items()
    }
    at = f"{(SCRAPES - 1) * STEP}s"
    return promtool_test(f"{case.alert} {name}", case, series, at=at, interval=f"{STEP}s", fires=fires)


def in_two_clusters(test: dict[str, Any]) -> dict[str, Any]:
    """The same test with its series in two clusters: one alert in each, with all labels of its target."""
    series = [
        {
            "series": one["series"].replace("{", f'{{cluster="{cluster}",team="vision",', 1),
            "values": one["values"],
        }
        for cluster in ("lab", "attic")
        for one in test["input_series"]
    ]
    (expected,) = test["promql_expr_test"]
    count = expected["expr"].replace("{", '{team="vision",', 1)
    return test | {
        "name": f"{test['name']} in two clusters",
        "input_series": series,
        "promql_expr_test": [
            expected
            | {
                "expr": f"{count} by (cluster)",
                "exp_samples": [
                    {"labels": f'{{cluster="{cluster}"}}', "value": 1} for cluster in ("lab", "attic")
                ],
            }
        ],
    }


class Own(NamedTuple):
    """A case that has its own time: series for an alert that fires or does not."""

    alert: str
    name: str
    fires: bool
    series: dict[str, str]
    at: str
    severity: str = "warning"


XID = f'nvidia_gpu_xid_last_timestamp_seconds{{{GPU},xid="79"}}'
XID_FINDING = f'nvidia_gpu_health_finding{{{GPU},finding="xid_79",verdict="critical"}}'
MILD_FINDING = f'nvidia_gpu_health_finding{{{GPU},finding="xid_79",verdict="warning"}}'
UTILIZATION = f"nvidia_gpu_utilization_ratio{{{GPU}}}"
ENCODER = f"nvidia_gpu_encoder_utilization_ratio{{{GPU}}}"
DECODER = f"nvidia_gpu_decoder_utilization_ratio{{{GPU}}}"
STARTED = f"nvidia_gpu_agent_start_time_seconds{{{HOST}}}"
LATE = f"nvidia_gpu_agent_late_samples_total{{{HOST}}}"
GPUS = f"nvidia_gpu_agent_gpus{{{HOST}}}"
UNSET = {EXPECTED: "0x3000"}
UP = {f"up{{{HOST}}}": "1x3000"}
LOST = f'nvidia_gpu_state{{{GPU},state="lost"}}'
AGE = f"nvidia_gpu_sample_age_seconds{{{GPU}}}"
SLEEPS = f'nvidia_gpu_state{{{GPU},state="asleep"}}'

OWN = [
    # The series is not there before the first error.
    Own("GpuXid", "the first", True, {XID: "_x30 1800x9", XID_FINDING: "_x30 1x9"}, "35m", severity=CRITICAL),
    Own("GpuXid", "is old", False, {XID: "_x30 1800x60", XID_FINDING: "_x30 1x60"}, "45m", severity=CRITICAL),
    Own(
        "GpuXid",
        "is old, after an outage",
        False,
        {XID: "0x100 stale _x5 0x50", XID_FINDING: "1x100 stale _x5 1x50"},
        "115m",
        severity=CRITICAL,
    ),
    Own("GpuXid", "old news", True, {XID: "_x30 9x9", XID_FINDING: "_x30 1x9"}, "35m", severity=CRITICAL),
    Own("GpuLost", "in the first scrape", False, {LOST: "1 0x9"}, "3m", severity=CRITICAL),
    Own("GpuSampleStale", "of a GPU that sleeps", False, {AGE: "60+60x20", SLEEPS: "1x20"}, "18m"),
    Own("AgentsAbsent", "nothing is scraped", True, {GPUS: "8x60"}, "30m"),
    Own("AgentsAbsent", "one is", False, {f"up{{{HOST}}}": "0x60"}, "30m"),
    Own("GpuXid", "over a gap", True, {XID: "1800x2 _x4", XID_FINDING: "1x2 _x4"}, "6m", severity=CRITICAL),
    Own("GpuXid", "of a program", False, {XID: "1800x9", MILD_FINDING: "1x9"}, "5m", severity=CRITICAL),
    Own("GpuXidWarning", "of a program", True, {XID: "200x9", MILD_FINDING: "1x9"}, "5m", severity="info"),
    Own("GpuXidWarning", "is old", False, {XID: "200x60", MILD_FINDING: "1x60"}, "20m", severity="info"),
    Own("AgentRestarting", "four starts", True, {STARTED: "1x5 400x5 700x5 1000x5"}, "20m"),
    Own("AgentRestarting", "over a gap", True, {STARTED: "1x3 400x3 700x3 1000x3 _x2 1000x2"}, "18m"),
    Own("AgentRestarting", "one upgrade", False, {STARTED: "1x9 600x9"}, "15m"),
    Own("AgentLate", "each tenth second", True, {LATE: "0+6x60"}, "30m", severity="info"),
    Own("AgentLate", "over a restart", True, {LATE: "0+6x20 0+6x20"}, "30m", severity="info"),
    Own("AgentLate", "now and then", False, {LATE: "0x10 1x10 2x10"}, "30m", severity="info"),
    Own("GpuMissing", "since the morning", True, {GPUS: "8x300 7x300", **UNSET}, "405m"),
    Own("GpuMissing", "over a restart", True, {GPUS: "8x300 7x50 _x3 7x300", **UNSET}, "405m"),
    Own("GpuMissing", "comes and goes", True, {GPUS: "8x60 7 8 7 8 7 8 7 8 7 8 7 8 7 8", **UNSET}, "74m"),
    Own("GpuMissing", "for more than a day", False, {GPUS: "8x300 7x2000", **UNSET}, "1800m"),
    Own("GpuMissing", "more than expected", False, {GPUS: "8x300 7x300", EXPECTED: "6x600"}, "405m"),
    *(
        Own("GpuIdleForADay", name, fires, {UTILIZATION: "0x3000", **series, **UP}, at, severity="info")
        for name, fires, series, at in (
            ("all the day", True, {}, "1500m"),
            ("over gaps", True, {UTILIZATION: "0x700 _x9 0x2000"}, "1500m"),
            ("but for a minute", False, {UTILIZATION: "0x700 1 0x2000"}, "1500m"),
            ("unknown for ten hours", False, {UTILIZATION: "0x700 _x600 0x1700"}, "1500m"),
            ("off for the most of it", False, {UTILIZATION: "0x10 _x1470 0x500"}, "1500m"),
            ("unknown for some hours", False, {UTILIZATION: "0x700 _x300 0x2000"}, "1500m"),
            ("new", False, {UTILIZATION: "0x700"}, "600m"),
            ("with idle engines", True, {ENCODER: "0x3000", DECODER: "0x3000"}, "1500m"),
            ("but encodes", False, {ENCODER: "0.6x3000", DECODER: "0x3000"}, "1500m"),
            ("but decodes", False, {DECODER: "0.1x3000"}, "1500m"),
            ("encoder unknown for ten hours", False, {ENCODER: "0x700 _x600 0x1700"}, "1500m"),
            ("decoder unknown for ten hours", False, {DECODER: "0x700 _x600 0x1700"}, "1500m"),
        )
    ),
]


def files(rules: str) -> list[dict[str, Any]]:
    """The test files for promtool: one with intervals of a minute, one with a quarter hour, for a day."""
    by_minute: list[dict[str, Any]] = []
    by_day: list[dict[str, Any]] = []
    for own in OWN:
        takes_a_day = int(own.at.removesuffix("m")) > 300
        test = promtool_test(
            f"{own.alert} {own.name}", own, own.series, at=own.at, interval="1m", fires=own.fires
        )
        tests = by_day if takes_a_day else by_minute
        tests.append(test)
        if own.fires and own.alert != "AgentsAbsent":  # which is about no target
            tests.append(in_two_clusters(test))
    for case in CASES:
        stays = rule_test(case, "stays", constant(case.bad), fires=True)
        by_minute += [stays, in_two_clusters(stays)]
        by_minute.append(rule_test(case, "is not there", constant(case.good), fires=False))
        by_minute.append(rule_test(case, "over a gap", with_gap(case), fires=True))
        by_minute.append(rule_test(case, "over a restart", with_restart(case), fires=True))
        if case.flaps:
            by_minute.append(rule_test(case, "comes and goes", flapping(case), fires=True))
    return [
        {
            "rule_files": [rules],
            "evaluation_interval": interval,
            # The second group uses what the first records. promtool treats groups that are not named here
            # like the first one, so naming the first alone would give it no place before any other.
            "group_eval_order": ["gpu-presence-by-the-day", "gpu-presence"],
            "tests": tests,
        }
        for interval, tests in (("1m", by_minute), ("15m", by_day))
    ]
