"""The systemd unit starts, restarts and stops the agent correctly, and restricts what it may do."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from itertools import pairwise
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
MOST_EXPOSURE = 3.0  # of 10, by systemd-analyze


def values(text: str) -> dict[str, list[str]]:
    """Every value of every key, in order."""
    found = defaultdict(list)
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        found[key].append(value)
    return found


UNIT = values(TEXT)


def test_the_unit_starts_the_installed_script() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    (command,) = UNIT["ExecStart"]
    (folder,) = UNIT["WorkingDirectory"]
    assert command.removeprefix(f"{folder}/.venv/bin/") in scripts


def test_root_creates_the_device_files_before_the_start_if_it_can() -> None:
    assert UNIT["ExecStartPre"][0] == "-+/usr/bin/nvidia-modprobe -c 0 -u"
    assert "nvidia-persistenced.service" in UNIT["After"][0].split()


def test_the_unit_restarts_always_except_after_a_wrong_setting() -> None:
    assert (UNIT["Restart"], UNIT["RestartPreventExitStatus"]) == (["always"], ["2"])
    assert str(RESTART) not in UNIT["RestartPreventExitStatus"]
    assert UNIT["StartLimitIntervalSec"] == ["0"]


def test_the_unit_uses_the_ready_notification_and_the_watchdog() -> None:
    """systemd sets the environment for both; only the main process sends notifications."""
    assert (UNIT["Type"], UNIT["WatchdogSec"]) == (["notify"], ["30"])
    assert "NotifyAccess" not in UNIT
    assert UNIT["LimitCORE"] == ["0"]


def test_without_its_token_file_the_unit_does_not_start_instead_of_restarting_forever() -> None:
    assert UNIT["AssertPathExists"] == [SOURCE]
    head, _, _ = TEXT.partition("[Service]")
    assert "AssertPathExists=" in head


def test_the_unit_stops_by_sigterm_with_more_than_the_two_seconds_that_the_agent_needs() -> None:
    assert (UNIT["KillSignal"], UNIT["TimeoutStopSec"]) == (["SIGTERM"], ["5"])


def test_the_limit_of_open_files_is_enough_for_the_default_of_max_streams() -> None:
    assert UNIT["LimitNOFILE"] == ["65536"]
    assert Settings().max_streams < int(UNIT["LimitNOFILE"][0])


def test_the_unit_runs_as_its_own_user_without_any_capability() -> None:
    assert (UNIT["User"], UNIT["DynamicUser"]) == ([NAME], ["yes"])
    assert (UNIT["CapabilityBoundingSet"], UNIT["AmbientCapabilities"]) == ([""], [""])


def test_root_copies_the_token_for_the_agent_at_each_start_and_each_reload() -> None:
    (folder,) = UNIT["RuntimeDirectory"]
    assert UNIT["Environment"] == [f"TOKEN_FILE=/run/{folder}/token"]
    install = UNIT["ExecStartPre"][1]
    assert install.startswith("+/bin/sh -ec 'install ")
    assert [install, "/bin/sh -c 'kill -HUP $$MAINPID'"] == UNIT["ExecReload"]
    assert f"install -m 0600 /dev/stdin {SOURCE}\n" in TEXT
    assert UNIT["EnvironmentFile"] == ["-/etc/nvidia-smi-web-agent/env"]


# `--check` as a service of its own

CHECK = (
    " ".join(re.findall(r"^# +(?:systemd-run |-p |/opt/).*$", TEXT, re.MULTILINE)).replace("#", "").split()
)
CHECK_UNIT = f"{NAME}-check"
CHECK_PROPERTIES = [value for option, value in pairwise(CHECK) if option == "-p"]


def test_the_check_has_the_user_the_settings_and_the_limits_of_the_service() -> None:
    assert CHECK[:5] == ["systemd-run", "--pipe", "--wait", "--collect", f"--unit={CHECK_UNIT}"]
    assert CHECK[-2:] == [*UNIT["ExecStart"], "--check"]
    same = ("User", "DynamicUser", "WorkingDirectory", "EnvironmentFile", "LimitNOFILE")
    assert [f"{key}={value}" for key in same for value in UNIT[key]] == [
        one for one in CHECK_PROPERTIES if one.startswith(same)
    ]


def test_the_check_reads_a_copy_of_the_token_that_does_not_end_with_the_service() -> None:
    """systemd removes RuntimeDirectory= when the service stops."""
    assert f"LoadCredential=token:{SOURCE}" in CHECK_PROPERTIES
    assert f"Environment=TOKEN_FILE=/run/credentials/{CHECK_UNIT}.service/token" in CHECK_PROPERTIES
    (folder,) = UNIT["RuntimeDirectory"]
    assert f"/run/{folder}/" not in " ".join(CHECK)


@pytest.mark.slow
def test_systemd_finds_no_fault_in_the_properties_of_the_check(tmp_path: Path) -> None:
    path = tmp_path / f"{CHECK_UNIT}.service"
    path.write_text("\n".join(["[Service]", "ExecStart=/bin/true", *CHECK_PROPERTIES]))
    checked = run(["systemd-analyze", "verify", "--man=no", str(path)], tmp_path)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


# The copies of files of root


def install_within(root: Path, command: str = UNIT["ExecReload"][0]) -> None:
    """Run the command of the unit on other folders."""
    script = command.removeprefix("+/bin/sh -ec '").removesuffix("'").replace("$$", "$")
    script = script.replace("/run/", f"{root}/run/").replace("/etc/", f"{root}/etc/")
    finished = run(["/bin/sh", "-ec", script], root)
    assert (finished.returncode, finished.stdout + finished.stderr) == (0, "")


def test_the_copy_of_the_token_replaces_any_file_or_link_that_the_agent_has_made(tmp_path: Path) -> None:
    """Root follows no link: the target of the link is not changed."""
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


# The unit with its commented lines for TLS

WITH_TLS = values(re.sub(r"^# (Environment=TLS|ExecStartPre=|ExecReload=)", r"\1", TEXT, flags=re.MULTILINE))


def test_root_copies_the_certificate_and_its_key_for_the_agent_in_the_same_way(tmp_path: Path) -> None:
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


def test_the_commented_lines_for_the_kernel_log_open_nothing_else() -> None:
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
def test_every_switch_that_is_off_has_a_reason(switch: str) -> None:
    assert switch not in UNIT
    assert re.search(rf"^# {switch}=\w* +\w+", TEXT, re.MULTILINE)


def test_the_unit_may_use_the_nvidia_devices_even_if_the_driver_is_loaded_later() -> None:
    assert UNIT["DevicePolicy"] == ["closed"]
    assert UNIT["DeviceAllow"] == ["char-195 rwm", "char-nvidia* rwm"]


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """A copy of the unit that starts a program of this machine."""
    path = tmp_path / f"{NAME}.service"
    path.write_text(re.sub(r"^ExecStart=.*$", "ExecStart=/bin/true", TEXT, flags=re.MULTILINE))
    return path


@pytest.mark.slow
def test_systemd_finds_no_fault_in_the_unit(unit: Path) -> None:
    """The exit status is 0 for an unknown key, so the output must be empty."""
    checked = run(["systemd-analyze", "verify", "--man=no", str(unit)], unit.parent)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@pytest.mark.slow
def test_systemd_finds_no_fault_in_the_commented_lines_of_the_unit(unit: Path) -> None:
    keys = "AssertPathExists|Environment|ExecStartPre|ExecReload|RuntimeDirectoryMode"
    of_kernel_log = "CapabilityBoundingSet|AmbientCapabilities|ProtectKernelLogs|DeviceAllow"
    text, found = re.subn(rf"^# (({keys}|{of_kernel_log})=)", r"\1", unit.read_text(), flags=re.MULTILINE)
    assert found == 13
    unit.write_text(text)
    checked = run(["systemd-analyze", "verify", "--man=no", str(unit)], unit.parent)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@pytest.mark.slow
def test_systemd_rates_the_exposure_of_the_unit_as_low(unit: Path) -> None:
    checked = run(["systemd-analyze", "security", "--offline=yes", "--no-pager", str(unit)], unit.parent)
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+) ", checked.stdout)
    assert float(exposure) <= MOST_EXPOSURE, checked.stdout


@pytest.mark.slow
def test_every_remaining_exposure_is_explained_in_a_comment(unit: Path) -> None:
    checked = run(["systemd-analyze", "security", "--offline=yes", "--no-pager", str(unit)], unit.parent)
    remaining = re.findall(r"^✗ (\w+)=", checked.stdout, re.MULTILINE)
    explained = re.findall(r"(?<![A-Za-z])([A-Z]\w+)=", "".join(re.findall(r"^#.*\n", TEXT, re.MULTILINE)))
    commented = {"SystemCallFilter", "RestrictAddressFamilies", "DeviceAllow"}  # where they stand
    assert set(remaining) - set(explained) - commented == set()
