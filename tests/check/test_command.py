"""`--check`: one report on standard output, and an exit status."""

from __future__ import annotations

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from agent import __version__
from agent.check.report import Report
from agent.cli import main
from agent.settings import documented
from tests.check.checking import DEADLINE, Checked, check
from tests.support.agents import ROOT, agent_process, clean_environ, free_port, wait_until
from tests.support.starting import catches

SECRETS = ("TOKEN", "TOKENS", "METRICS_TOKEN", "API_KEY", "API_KEYS")
SCREEN = 40  # lines
WORKERS = 4  # the process has more threads than these once the agent has started


def check_free_port(*arguments: str, cwd: Path = ROOT, **environ: str) -> Checked:
    """A check with a free port on loopback in its settings."""
    return check(*arguments, cwd=cwd, HOST="127.0.0.1", PORT=str(free_port()), **environ)


@pytest.mark.slow
def test_the_report_of_a_healthy_host_has_status_0_fits_one_screen_and_shows_no_secret(
    tmp_path: Path,
) -> None:
    (tmp_path / ".env").write_text("API_KEYS=hunter5,hunter6\nURL_PREFIX=lab\n")
    (tmp_path / "token").write_text("hunter7\n")
    (tmp_path / "token").chmod(0o600)
    (tmp_path / ".env").chmod(0o600)
    secrets = dict(zip(SECRETS[:4], ["hunter1", "hunter2,hunter3", "hunter4", "hunter8"], strict=True))
    found = check_free_port("--simulate", "8", cwd=tmp_path, TOKEN_FILE=str(tmp_path / "token"), **secrets)

    assert (found.status, found.log) == (0, ""), found.output
    lines = found.output.splitlines()
    assert lines[0].startswith(f"nvidia-smi-web-agent {__version__}: all is well (")
    assert len(lines) < SCREEN
    assert f"settings  env file: {tmp_path}/.env" in lines
    assert "          argument: SIMULATE_GPUS=8" in lines
    assert "          env file: URL_PREFIX=/lab API_KEYS=***" in lines
    assert "TOKEN=*** TOKENS=***" in found.output
    assert "hunter" not in found.output
    assert sum(line.startswith("gpu ") for line in lines) == 8


@pytest.mark.slow
def test_a_fault_of_a_gpu_is_in_the_report_and_gives_status_1() -> None:
    found = check_free_port("--simulate", "4", "--scenario", "sick", "--json", TOKEN="x")  # noqa: S106  made up
    assert (found.status, found.log) == (1, "")
    report = found.report
    assert list(report) == list(Report.model_fields), "every key, in their order"
    assert (report["outcome"], report["exit_status"], report["simulated"]) == ("wrong", 1, True)
    assert report["driver"]["gpu_count"] == 4
    findings = [[finding["name"] for finding in gpu["findings"]] for gpu in report["gpus"]]
    assert findings == [[], ["remapping_pending"], ["ecc_uncorrected"], ["nvlink_down"]]
    assert report["gpus"][1]["findings"][0]["todo"] == "reset the GPU when its work is done"
    assert report["gpus"][0]["unknown"]["not_supported"] == [
        "fan_speed_rpm",
        "fan_speed_percent",
        "detail.power.memory.instant_watts",
        "detail.power.module",
        "detail.fabric.cluster_uuid",
        "detail.fabric.health.partition_assigned",
        "detail.fabric.health.manager_connected",
        "detail.retired_pages",
    ]


@pytest.mark.slow
def test_wrong_settings_give_status_2_and_a_report_with_every_key_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("TOKEN=hunter2\t3\nSAMPLE_INTERVAL=0\n")
    found = check("--json", "--env-file", "env", "--port", "abc", cwd=tmp_path, API_KEYS="hunter\t4")
    assert (found.status, found.log) == (2, "")
    report = found.report
    assert list(report) == list(Report.model_fields)
    assert (report["outcome"], report["driver"], report["gpus"]) == ("settings", None, [])
    assert [problem["what"].partition(";")[0] for problem in report["problems"]] == [
        "PORT is 'abc'",
        "TOKEN is ***",
        "API_KEYS is ***",
        "SAMPLE_INTERVAL is '0'",
    ]
    origins = {setting["name"]: (setting["value"], setting["origin"]) for setting in report["settings"]}
    assert list(origins) == [row.name for row in documented()]
    assert origins["PORT"] == ("abc", "argument")
    assert origins["TOKEN"] == ("***", "env file")
    assert origins["API_KEYS"] == ("***", "environment")
    assert origins["HOST"] == ("0.0.0.0", "default")  # noqa: S104  the default
    assert "hunter" not in found.output


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--json"], id="json alone"),
        pytest.param(["--url", "http://gpu01:8000"], id="url alone"),
        pytest.param(["--check", "--url", "gpu01:8000"], id="no scheme"),
        pytest.param(["--check", "--url", "https://me:hunter2@gpu01"], id="credentials"),
        pytest.param(["--check", "--url", "https://gpu01?api_key=hunter2"], id="query"),
        pytest.param(["--check", "--url", "http://gpu01:x"], id="port"),
    ],
)
def test_a_wrong_argument_gives_status_2_and_one_sentence(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments, end=lambda _status: None, main_file=str(ROOT / "main.py"))
    captured = capsys.readouterr()
    assert (refused.value.code, captured.out) == (2, "")
    assert "nvidia-smi-web-agent: error: " in captured.err
    assert "hunter" not in captured.err


@pytest.mark.slow
@pytest.mark.parametrize("hung", ["everything", "nvmlInitWithFlags", "nvmlDeviceGetUtilizationRates"])
def test_a_check_ends_by_itself_even_if_the_driver_hangs(hung: str) -> None:
    hung_agent = ("-m", "tests.support.hung_agent", hung)
    found = check("--json", program=hung_agent, SAMPLE_TIMEOUT="60", TOKEN="x")  # noqa: S106  made up
    assert found.status == 1
    if hung.startswith("nvmlDevice"):
        assert [gpu["state"] for gpu in found.report["gpus"]] == ["stuck", "ok", "ok", "ok"]
        assert found.report["gpus"][0]["findings"][0]["name"] == "stuck"
    else:
        assert found.report["driver"]["error"].startswith(
            "The driver has not answered within the time of this"
        )
    # Ten seconds, plus the time that a busy machine needs to start and to end the process.
    assert found.report["seconds"] < 10 + DEADLINE / 4


STANDS_STILL = """
import sys, time, types
import agent.check.command as command
command.DEADLINE = command.LEAST = 0.5
run = sys.modules["agent.check.run"] = types.ModuleType("agent.check.run")
run.Sources = lambda *_: None
run.wrong_settings = None
run.check = lambda *_, **__: time.sleep(3600)
import main
main.run()
"""


@pytest.mark.slow
def test_a_check_that_hangs_itself_ends_at_its_deadline() -> None:
    found = check(program=("-c", STANDS_STILL), TOKEN="x")  # noqa: S106  made up
    assert (found.status, found.output) == (1, "")
    assert found.log == "The check did not end in time: the host or a file system hangs\n"


@pytest.mark.slow
def test_a_check_that_a_signal_ends_does_not_report_success() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.hung_agent", "everything", "--check"],
        cwd=ROOT,
        env=clean_environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        wait_until(lambda: catches(child.pid, signal.SIGTERM), "it handles the signal")
        tasks = Path(f"/proc/{child.pid}/task")
        wait_until(lambda: len(list(tasks.iterdir())) > WORKERS, "the workers wait for the driver", DEADLINE)
        child.terminate()
        output, _ = child.communicate(timeout=DEADLINE)
    assert (child.returncode, output) == (128 + signal.SIGTERM, "")


@pytest.mark.slow
def test_the_exit_status_is_right_even_if_nobody_reads_the_report() -> None:
    command = f"{sys.executable} main.py --simulate 1 --scenario sick --check | true; exit ${{PIPESTATUS[0]}}"
    finished = subprocess.run(  # noqa: S603  (our own program)
        ["/bin/bash", "-c", command],
        cwd=ROOT,
        env={**clean_environ(), "PORT": str(free_port())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, ""), "GPU 0 is well in this scenario"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "status"),
    [
        ("--json", 1),
        ("", 1),
        ("--port abc", 2),
    ],
)
def test_a_report_that_cannot_be_written_is_no_success(options: str, status: int) -> None:
    finished = subprocess.run(  # noqa: S603  (our own program)
        ["/bin/sh", "-c", f"exec {sys.executable} main.py --simulate 1 --check {options} >/dev/full"],
        cwd=ROOT,
        env={**clean_environ(), "HOST": "127.0.0.1", "PORT": str(free_port()), "TOKEN": "x"},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert finished.stderr == "The report cannot be written (No space left on device)\n"
    assert finished.returncode == status


@pytest.mark.slow
def test_a_check_beside_a_running_agent_reports_where_they_differ() -> None:
    with agent_process("--simulate", "4", prefix="/lab", URL_PREFIX="lab", TOKEN="hunter2") as agent:  # noqa: S106  made up
        port = agent.url.removesuffix("/lab").rpartition(":")[2]
        compare = partial(
            check,
            *("--url", agent.url),
            HOST="127.0.0.1",
            PORT=port,
            URL_PREFIX="lab",
            TOKEN="hunter2",  # noqa: S106  made up
        )
        same = compare("--simulate", "4", "--json")
        fewer = compare("--simulate", "2", "--json")
        shown = compare("--simulate", "4")
    assert (same.status, same.problems) == (0, {})
    assert same.report["port"]["state"] == "agent"
    assert [gpu["uuid"] for gpu in same.report["agent"]["gpus"]] == [
        gpu["uuid"] for gpu in same.report["gpus"]
    ]
    assert fewer.status == 1
    assert fewer.problems["agent_gpus"].startswith(f"{agent.url} has 4 GPUs and this check finds 2; 2 differ")
    assert f"agent     {agent.url} is version {__version__}; 4 GPUs: ok" in shown.output.splitlines()
    assert "hunter" not in same.output + fewer.output + shown.output
