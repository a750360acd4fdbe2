"""The report as text: aligned, wrapped, and without control characters."""

from __future__ import annotations

from agent.check.report import Driver, Gpu, Host, Port, Problem, Report, RunningAgent, Setting
from agent.check.text import WIDTH, text_of
from agent.settings.environment import Origin
from agent.views.health import HealthFinding


def gpu(idx: int, name: str, *, unknown: dict[str, list[str]] | None = None) -> Gpu:
    finding = HealthFinding(name="power_brake", verdict="warning", what="It is slow", todo="see why")
    return Gpu(
        idx=idx,
        uuid=f"GPU-{idx}",
        name=name,
        state="ok",
        error=None,
        verdict="warning" if idx else "healthy",
        findings=[finding] if idx else [],
        unknown=unknown or {},
        failed={"power.usage_watts": "Unknown Error"} if unknown else {},
    )


REPORT = Report(
    version="1.2.3",
    outcome="wrong",
    exit_status=1,
    seconds=2.5,
    simulated=False,
    env_file="/etc/\x1b[31menv",
    settings=[
        Setting(name="HOST", value="0.0.0.0", origin=Origin.DEFAULT),  # noqa: S104  the default
        Setting(name="PORT", value="8008", origin=Origin.ENV_FILE),
        Setting(name="TOKEN", value="***", origin=Origin.ENVIRONMENT),
        Setting(name="TOKENS", value="", origin=Origin.DEFAULT),
    ],
    driver=Driver(version="580.1", cuda_version="13.0", nvml_version=None, gpu_count=2, error=None),
    gpus=[gpu(0, "H100"), gpu(1, "A100 PCIe", unknown={"failed": ["a"], "needs_two_samples": ["b"]})],
    host=Host(hostname="gpu01", verdict="healthy", findings=[], in_container=True, uid=7, open_files=None),
    port=Port(address="0.0.0.0:8008", state="agent", error=None),
    agent=RunningAgent(url="http://x", version=None, simulated=None, gpus=None, error="http://x is silent"),
    problems=[
        Problem(name="no_token", level="note", what="Open", todo=None),
        Problem(name="agent_silent", level="wrong", what="Long " * 30, todo="see"),
    ],
)


def test_each_part_has_its_line_and_faults_come_before_notes() -> None:
    assert text_of(REPORT).splitlines() == [
        "nvidia-smi-web-agent 1.2.3: something is wrong (2.5 s)",
        "",
        r"settings  env file: /etc/\x1b[31menv",
        "          environment: TOKEN=***",
        "          env file: PORT=8008",
        "          default: HOST=0.0.0.0",
        "          not set: TOKENS",
        "driver    580.1, CUDA 13.0, NVML unknown; 2 GPUs",
        "gpu 0     ok  healthy  H100       GPU-0  unknown: nothing",
        "gpu 1     ok  warning  A100 PCIe  GPU-1  unknown: 1 failed (Unknown Error)",
        "          warning: It is slow",
        "          -> see why",
        "host      gpu01, healthy; in a container; checked as uid 7; any number of files may be open",
        "port      0.0.0.0:8008: an agent with these settings answers there",
        "agent     http://x did not report its GPUs",
        "",
        f"wrong     {' '.join(['Long'] * 20)}",
        f"            {' '.join(['Long'] * 10)}",
        "          -> see",
        "note      Open",
    ]


def test_the_report_is_ascii_without_colour_and_fits_a_narrow_terminal() -> None:
    text = text_of(REPORT)
    assert text.isascii()
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= WIDTH


def test_with_wrong_settings_only_the_settings_are_shown() -> None:
    report = REPORT.model_copy(
        update={"outcome": "settings", "driver": None, "gpus": [], "host": None, "port": None, "agent": None}
    )
    lines = text_of(report).splitlines()
    assert lines[0] == "nvidia-smi-web-agent 1.2.3: the settings are wrong (2.5 s)"
    assert not [line for line in lines if line.startswith(("driver", "gpu", "host", "port", "agent"))]
