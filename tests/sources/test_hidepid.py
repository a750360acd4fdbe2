"""A real /proc that hides other users' processes, mounted in namespaces of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from agent.sources.processes import ELSEWHERE
from tests.support.agents import ROOT

pytestmark = pytest.mark.slow

# $1: the hidepid level. Starts a process of another user and one that ends, then runs the rest of the line
# without the right to read other users' processes. One group always sees all of /proc, by default root's.
HIDE = """
set -e
mount -o "remount,hidepid=$1,gid=54321" /proc
setpriv --reuid 20001 --regid 20001 --clear-groups sleep 60 & other=$!
true & ended=$!
wait $ended
shift
setpriv --bounding-set=-sys_ptrace "$@" $other $ended
"""
READ = """
import json, sys
from agent.sources.processes import ProcessReader

pids = [int(pid) for pid in sys.argv[1:]]
for pids_are_ours in (True, False):
    reader = ProcessReader(pids_are_ours=pids_are_ours)
    processes = reader.read(frozenset(pids), None)
    shown = [[processes[pid].command, processes[pid].uid] for pid in pids]
    print(json.dumps([*shown, len(reader.largest(5, None) or ())]))
"""


CHECK = """
import json
from agent.check.rights import process_rights

print(json.dumps([problem.name for problem in process_rights(simulated=False)]))
"""


def read(hidepid: str, code: str = READ) -> list[list[Any]]:
    """Command and user of both processes, and how many are called the largest.

    First with pids that are known to be of this namespace, then with pids of an unknown one. Or what another
    `code` prints.
    """
    if os.getuid() != 0:
        pytest.skip("mounting /proc requires root")
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    run = subprocess.run(  # noqa: S603  (our own code)
        [*namespaces, "sh", "-c", HIDE, "sh", hidepid, sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.mark.parametrize("hidepid", ["1", "2"], ids=["not readable", "not visible"])
def test_a_hidden_process_is_unknown_and_an_ended_one_is_reported_as_ended(hidepid: str) -> None:
    assert read(hidepid) == [[[None, None], [ELSEWHERE, None], 0]] * 2


def test_without_hidepid_a_process_is_unknown_only_if_it_may_belong_to_another_namespace() -> None:
    ours, maybe = read("0")
    assert ours[:2] == [["sleep 60", 20001], [ELSEWHERE, None]]
    assert maybe[:2] == [[None, None], [ELSEWHERE, None]]
    assert ours[2] == maybe[2] == 3


@pytest.mark.parametrize(
    ("hidepid", "names"), [("0", []), ("1", ["proc_hidden"]), ("2", ["proc_hidden"])], ids=["0", "1", "2"]
)
def test_the_check_reports_that_processes_are_hidden(hidepid: str, names: list[str]) -> None:
    assert read(hidepid, CHECK) == [[*names, "pid_namespace"]]
