"""The systemd unit: starts, restarts and ends the agent as it wants, and lets it do little else."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from agent.server.agent_server import RESTART
from agent.settings import Settings
from tests.packaging.commands import run
from tests.support.agents import ROOT

if TYPE_CHECKING:
    from pathlib import Path

NAME = "nvidia-smi-web-agent"
TEXT = (ROOT / f"{NAME}.example.service").read_text()
SOURCE = "/etc/nvidia-smi-web-agent/token"
MOST_EXPOSURE = 3.0  # of 10, as systemd-analyze counts it


def values(text: str) -> dict[str, list[str]]:
    """Every value of every key, in order."""
    found = defaultdict(list)
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        found[key].append(value)
    return found


UNIT = values(TEXT)


def test_it_starts_the_script_that_its_installation_makes() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    (command,) = UNIT["ExecStart"]
    (folder,) = UNIT["WorkingDirectory"]
    assert command.removeprefix(f"{folder}/.venv/bin/") in scripts


def test_it_has_the_device_files_made_by_root_first_if_it_can() -> None:
    assert UNIT["ExecStartPre"][0] == "-+/usr/bin/nvidia-modprobe -c 0 -u"
    assert "nvidia-persistenced.service" in UNIT["After"][0].split()


def test_it_restarts_always_but_for_a_wrong_setting() -> None:
    assert (UNIT["Restart"], UNIT["RestartPreventExitStatus"]) == (["always"], ["2"])
    assert str(RESTART) not in UNIT["RestartPreventExitStatus"]
    assert UNIT["StartLimitIntervalSec"] == ["0"]


def test_systemd_hears_when_it_is_ready_and_that_its_event_loop_goes_on() -> None:
    """Read from the environment that systemd makes for it; the process that says so is the main one."""
    assert (UNIT["Type"], UNIT["WatchdogSec"]) == (["notify"], ["30"])
    assert "NotifyAccess" not in UNIT
    assert UNIT["LimitCORE"] == ["0"]


def test_without_its_token_it_does_not_start_in_the_place_of_a_restart_for_ever() -> None:
    assert UNIT["AssertPathExists"] == [SOURCE]
    head, _, _ = TEXT.partition("[Service]")
    assert "AssertPathExists=" in head


def test_it_stops_by_sigterm_and_allows_more_than_the_two_seconds_it_takes() -> None:
    assert (UNIT["KillSignal"], UNIT["TimeoutStopSec"]) == (["SIGTERM"], ["5"])


def test_the_default_of_max_streams_fits_its_open_files() -> None:
    assert UNIT["LimitNOFILE"] == ["65536"]
    assert Settings().max_streams < int(UNIT["LimitNOFILE"][0])


def test_it_runs_as_a_user_of_its_own_without_any_capability() -> None:
    assert (UNIT["User"], UNIT["DynamicUser"]) == ([NAME], ["yes"])
    assert (UNIT["CapabilityBoundingSet"], UNIT["AmbientCapabilities"]) == ([""], [""])


def test_root_gives_the_agent_a_copy_of_the_token_at_each_start_and_each_reload() -> None:
    (folder,) = UNIT["RuntimeDirectory"]
    assert UNIT["Environment"] == [f"TOKEN_FILE=/run/{folder}/token"]
    install = UNIT["ExecStartPre"][1]
    assert install.startswith("+/bin/sh -ec 'install ")
    assert [install, "/bin/sh -c 'kill -HUP $$MAINPID'"] == UNIT["ExecReload"]
    assert f"install -m 0600 /dev/stdin {SOURCE}\n" in TEXT
    assert UNIT["EnvironmentFile"] == ["-/etc/nvidia-smi-web-agent/env"]


def install_within(root: Path, command: str = UNIT["ExecReload"][0]) -> None:
    """The unit's own command, on other folders."""
    script = command.removeprefix("+/bin/sh -ec '").removesuffix("'").replace("$$", "$")
    script = script.replace("/run/", f"{root}/run/").replace("/etc/", f"{root}/etc/")
    finished = run(["/bin/sh", "-ec", script], root)
    assert (finished.returncode, finished.stdout + finished.stderr) == (0, "")


def test_the_copy_replaces_whatever_the_agent_has_put_in_its_place(tmp_path: Path) -> None:
    """Root follows no link: what the link leads to stays as it is."""
    (tmp_path / "etc" / NAME).mkdir(parents=True)
    (tmp_path / "run" / NAME).mkdir(parents=True)
    token, source = tmp_path / "run" / NAME / "token", tmp_path / "etc" / NAME / "token"
    victim = tmp_path / "shadow"
    victim.write_text("secret")
    victim.chmod(0o640)
    token.symlink_to(victim)
    for text in ("first", "second"):
        source.write_text(text)
        install_within(tmp_path)
        assert (token.read_text(), token.is_symlink(), token.stat().st_mode & 0o777) == (text, False, 0o400)
    assert token.stat().st_uid == token.parent.stat().st_uid
    assert (victim.read_text(), victim.stat().st_mode & 0o777) == ("secret", 0o640)
    assert [path.name for path in (tmp_path / "run").iterdir()] == [NAME], "nothing is left beside it"


# What the unit holds as comments

WITH_TLS = values(re.sub(r"^# (Environment=TLS|ExecStartPre=|ExecReload=)", r"\1", TEXT, flags=re.MULTILINE))


def test_root_gives_the_agent_a_copy_of_the_certificate_and_its_key_likewise(tmp_path: Path) -> None:
    assert WITH_TLS["Environment"][1:] == [f"TLS_CERT=/run/{NAME}/cert.pem TLS_KEY=/run/{NAME}/key.pem"]
    install = WITH_TLS["ExecStartPre"][2]
    assert [install] == WITH_TLS["ExecReload"][2:]
    (tmp_path / "etc" / NAME).mkdir(parents=True)
    (tmp_path / "run" / NAME).mkdir(parents=True)
    for text in ("first", "renewed"):
        for name in ("cert.pem", "key.pem"):
            (tmp_path / "live").write_text(text)
            (tmp_path / "etc" / NAME / name).unlink(missing_ok=True)
            (tmp_path / "etc" / NAME / name).symlink_to(tmp_path / "live")
        install_within(tmp_path, install)
        for name in ("cert.pem", "key.pem"):
            copy = tmp_path / "run" / NAME / name
            assert (copy.read_text(), copy.is_symlink(), copy.stat().st_mode & 0o777) == (text, False, 0o400)


def test_the_lines_for_the_kernel_log_open_it_and_nothing_else() -> None:
    block = TEXT.partition("# The kernel log, ")[2].partition("\n\n")[0]
    lines = re.findall(r"^# (\w+=.*)$", block, re.MULTILINE)
    assert lines == [
        "Environment=KERNEL_LOG=1",
        "CapabilityBoundingSet=CAP_SYSLOG",
        "AmbientCapabilities=CAP_SYSLOG",
        "ProtectKernelLogs=no",
        "DeviceAllow=/dev/kmsg r",
    ]
    assert "docs/kernel-log.md" in block
    assert UNIT["ProtectKernelLogs"] == ["yes"], "by default it is closed"


@pytest.mark.parametrize(
    "switch",
    [
        "IPAddressDeny",
        "MemoryDenyWriteExecute",
        "PrivateDevices",
        "PrivateNetwork",
        "PrivatePIDs",
        "PrivateUsers",
        "ProcSubset",
        "ProtectHome",
        "ProtectProc",
        "RootDirectory",
    ],
)
def test_every_switch_left_off_has_its_reason(switch: str) -> None:
    assert switch not in UNIT
    assert re.search(rf"^# {switch}=\w* +\w+", TEXT, re.MULTILINE)


def test_it_may_use_nvidias_devices_whether_the_driver_is_there_at_start_or_not() -> None:
    assert UNIT["DevicePolicy"] == ["closed"]
    assert UNIT["DeviceAllow"] == ["char-195 rwm", "char-nvidia* rwm"]


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """A copy that starts a program which exists on this machine."""
    path = tmp_path / f"{NAME}.service"
    path.write_text(re.sub(r"^ExecStart=.*$", "ExecStart=/bin/true", TEXT, flags=re.MULTILINE))
    return path


@pytest.mark.slow
def test_systemd_finds_no_fault(unit: Path) -> None:
    """It exits with 0 for an unknown key: what it says counts."""
    checked = run(["systemd-analyze", "verify", "--man=no", str(unit)], unit.parent)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@pytest.mark.slow
def test_systemd_finds_no_fault_in_what_stands_in_comments_either(unit: Path) -> None:
    keys = "AssertPathExists|Environment|ExecStartPre|ExecReload|RuntimeDirectoryMode"
    of_kernel_log = "CapabilityBoundingSet|AmbientCapabilities|ProtectKernelLogs|DeviceAllow"
    text, found = re.subn(rf"^# (({keys}|{of_kernel_log})=)", r"\1", unit.read_text(), flags=re.MULTILINE)
    assert found == 13
    unit.write_text(text)
    checked = run(["systemd-analyze", "verify", "--man=no", str(unit)], unit.parent)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@pytest.mark.slow
def test_systemd_finds_little_exposure(unit: Path) -> None:
    checked = run(["systemd-analyze", "security", "--offline=yes", "--no-pager", str(unit)], unit.parent)
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+) ", checked.stdout)
    assert float(exposure) <= MOST_EXPOSURE, checked.stdout


@pytest.mark.slow
def test_every_exposure_that_remains_is_one_that_is_explained(unit: Path) -> None:
    checked = run(["systemd-analyze", "security", "--offline=yes", "--no-pager", str(unit)], unit.parent)
    remaining = re.findall(r"^✗ (\w+)=", checked.stdout, re.MULTILINE)
    explained = re.findall(r"(?<![A-Za-z])([A-Z]\w+)=", "".join(re.findall(r"^#.*\n", TEXT, re.MULTILINE)))
    commented = {"SystemCallFilter", "RestrictAddressFamilies", "DeviceAllow"}  # where they stand
    assert set(remaining) - set(explained) - commented == set()
