"""Names that try to break the page, a line or a parser are only text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

from tests.page.opened import opened
from tests.support import loopback
from tests.support.agents import agent_process, wait_until
from tests.support.crowded_host import CrowdedHost, Started
from tests.support.real_processes import REAL_PROCESSES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from playwright.sync_api import Browser
    from prometheus_client import Metric

pytestmark = pytest.mark.slow

SCRIPT = "<script>window.hacked=1</script><img src=x onerror='window.hacked=1'>"
# Names that processes give to program, title and job, with the text that is shown for each.
HOSTILE = {
    "<b>\"'&\\,{}": "<b>\"'&\\,{}",
    "a\n# EOF\nb": "a\\n# EOF\\nb",
    "\x1b[31m\x07x": "\\x1b[31m\\x07x",
    "\u202egnp.exe": "\\u202egnp.exe",
    "\u2066a\u2069\u061c": "\\u2066a\\u2069\\u061c",
    "a\u2028b\x85c": "a\\u2028b\\x85c",
}
MACHINE = "/machine.slice/machine-\\x22\\x0a\\x3ci\\x3e.scope"
ROWS = """() => [...document.querySelectorAll("#processes tr")].map(
    (row) => [...row.children].map((cell) => cell.innerText)
)"""
ELEMENTS = "[window.hacked, document.querySelectorAll('#processes :is(img, i, b, script)').length]"
MODERN = "application/openmetrics-text"


def names(families: Iterable[Metric]) -> dict[int, tuple[str, str]]:
    """Name and container of each process, by pid."""
    samples = [sample for family in families for sample in family.samples]
    of_processes = [one.labels for one in samples if one.name == "nvidia_gpu_process_memory_used_bytes"]
    return {int(labels["pid"]): (labels["name"], labels["container_name"]) for labels in of_processes}


def test_hostile_names_are_only_text_on_the_page_and_in_both_expositions(
    browser: Browser, tmp_path: Path
) -> None:
    host = CrowdedHost(tmp_path)
    inside = host.inside(
        "/",
        *(
            Started(f"/slurm/uid_1/job_{number}", name, name + SCRIPT, {"SLURM_JOB_ID": f"{number}"})
            for number, name in enumerate(HOSTILE)
        ),
        Started(MACHINE),
        Started("/slurm/uid_1/job_8", environ={"SLURM_JOB_ID": "8", "SLURM_JOB_NAME": "\u202e\n" + SCRIPT}),
    )
    with agent_process("--simulate", "16", program=REAL_PROCESSES, inside=inside) as agent:
        wanted = dict(zip(host.pids, [*((shown, "") for shown in HOSTILE.values())], strict=False))
        wanted |= {host.pids[-2]: ("sleeper", '"\\n<i>'), host.pids[-1]: ("sleeper", "")}

        def exposition(accept: str) -> str:
            return loopback.get(f"{agent.url}/metrics", headers={"Accept": accept}).text

        def plain() -> dict[int, tuple[str, str]]:
            return names(parser.text_string_to_metric_families(exposition("text/plain")))

        wait_until(
            lambda: {pid for pid, (name, _) in plain().items() if name} >= wanted.keys(),
            "all processes have series",
        )
        in_plain = plain()
        in_openmetrics = names(openmetrics.text_string_to_metric_families(exposition(MODERN)))
        rows = loopback.get(f"{agent.url}/processes").json()["data"]["processes"]
        with opened(browser, f"{agent.url}/") as page:
            page.get_by_text(SCRIPT).first.wait_for()
            table = page.evaluate(ROWS)
            text = page.evaluate("document.body.innerText")
            hacked = page.evaluate(ELEMENTS)

    assert {pid: in_plain[pid] for pid in wanted} == wanted
    assert {pid: in_openmetrics[pid] for pid in wanted} == wanted
    jobs = {row["pid"]: row["job"] for row in rows}
    assert jobs[host.pids[-1]] == {"scheduler": "slurm", "id": "8", "name": "\\u202e\\n" + SCRIPT}
    shown = {row[2]: row for row in table}
    for pid, (name, _), number in zip(host.pids, wanted.values(), range(len(HOSTILE)), strict=False):
        assert shown[str(pid)][3] == f"{name}{SCRIPT} 3600"
        assert shown[str(pid)][9] == f"Slurm job {number}"
    assert shown[str(host.pids[-2])][9] == 'container "\\n<i>'
    assert shown[str(host.pids[-1])][9] == "Slurm job 8 \\u202e\\n" + SCRIPT
    assert hacked == [None, 0]
    assert not any(char in text for char in "\u202e\u2066\u2069\u061c\u2028\x85\x1b\x07")
