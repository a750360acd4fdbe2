"""A real directory of users that is slow or away: the agent runs where the C library uses that directory."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import loopback
from tests.support.agents import ROOT, agent_process, wait_until
from tests.support.machine import ALICE, BOB, STRANGER, Machine, build
from tests.support.real_processes import REAL_PROCESSES

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

pytestmark = pytest.mark.slow

SECONDS = 6  # for each answer of the directory
KEPT = f"""
from agent.sources.user_names import RENEW_SECONDS, UserNames
import sys, time

now = 0.0
names = UserNames(clock=lambda: now)

def answered():
    names.get({ALICE})
    while names.waiting:
        time.sleep(0.01)
        names.refresh()
    return names.get({ALICE})

print(answered(), flush=True)
sys.stdin.readline()
now += RENEW_SECONDS
print(answered(), flush=True)
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return build(tmp_path)


def rows(client: httpx.Client) -> dict[str, Any]:
    """The processes on GPUs by pid, without the agent itself."""
    listed = client.get("/processes").json()["data"]["processes"]
    return {row["pid"]: row for row in listed if row["pid"] != 1}


def owners(client: httpx.Client) -> set[str | None]:
    """The user names of these processes, once /proc has been read."""
    wait_until(
        lambda: {row["command"] for row in rows(client).values()} == {"sleep 600"}, "all are described"
    )
    return {row["username"] for row in rows(client).values()}


def test_a_slow_directory_leaves_only_its_user_names_unknown(machine: Machine) -> None:
    machine.directory(seconds=SECONDS)
    inside = machine.inside([ALICE, BOB, 1])
    with (
        agent_process(
            *("--simulate", "8"),
            program=REAL_PROCESSES,
            inside=inside,
            HISTORY_INTERVAL="1",
            **machine.environ,
        ) as agent,
        loopback.Client(base_url=agent.url) as client,
    ):
        began = time.monotonic()
        wait_until(lambda: "daemon" in owners(client), "the processes are there")
        while (names := owners(client)) != {"alice", "bob", "daemon"}:
            assert time.monotonic() - began < 60, f"the names arrive: {names}"
            assert "daemon" in names, "a local user is known at once"
            info = client.get("/gpu").json()["system_info"]
            assert info["hostname"]
            assert info["memory"]["total_mb"]
            assert info["cpu"]["cpu_count_logical"]
            assert {row["command"] for row in rows(client).values()} == {"sleep 600"}
            asked = time.monotonic()
            client.get("/status").raise_for_status()
            assert time.monotonic() - asked < SECONDS / 2, "no request waits for the directory"
            time.sleep(0.2)
        assert time.monotonic() - began > SECONDS, "the directory was slow"


def test_a_user_name_is_unknown_until_the_directory_reports_it(machine: Machine) -> None:
    machine.directory(is_away=True)
    inside = machine.inside([ALICE, STRANGER])
    with (
        agent_process(
            *("--simulate", "8"),
            program=REAL_PROCESSES,
            inside=inside,
            HISTORY_INTERVAL="1",
            **machine.environ,
        ) as agent,
        loopback.Client(base_url=agent.url) as client,
    ):
        assert owners(client) == {None}
        assert {user["username"] for user in client.get("/users").json()["data"]["users"]} == {"root", None}
        shown = {
            one["username"] for one in client.get("/status").json()["data"]["processes"] if one["pid"] != 1
        }
        assert shown == {"N/A"}
        used = {row["idx"] for row in rows(client).values()}
        free = client.get("/free?count=8&max_utilization=100&exclude_users=alice").json()["data"]
        assert not used & {gpu["idx"] for gpu in free["gpus"]}
        machine.directory()
        wait_until(lambda: "alice" in owners(client), "alice is known")
        users = [user["username"] for user in client.get("/users").json()["data"]["users"]]
        assert users == ["alice", "root", None], "a user in no database stays unknown"


def test_a_user_name_stays_known_while_the_directory_is_away(machine: Machine) -> None:
    with subprocess.Popen(  # noqa: S603  (our own code)
        [*machine.inside(), sys.executable, "-c", KEPT],
        cwd=ROOT,
        env=machine.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "alice\n"
        machine.directory(is_away=True)
        assert child.communicate("\n", timeout=60)[0] == "alice\n"
