"""The benchmarks run: their table, their programs, and each section that fits into a second."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import wrk
from benchmarks.server import ROOT, SETTINGS, running, sleepers
from benchmarks.table import Goal, Row, shown, table
from tests.support.groups import needs_slow

REPORT = """Running 1s test @ http://127.0.0.1:8000/status
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.31ms    1.02ms  16.52ms   90.11%
    Req/Sec     9.14k     0.94k   11.22k    67.50%
  Latency Distribution
     50%  980.00us
     75%    2.90ms
     90%    3.44ms
     99%    1.02s
  9150 requests in 1.00s, 133.04MB read
Requests/sec:   9092.15
Transfer/sec:    132.20MB
"""


def test_a_table_is_aligned_and_marks_missed_goals() -> None:
    rows = [
        Row("answers", 12_577.4, "/s", 19_233.0, Goal("ratio", at_least=0.5)),
        Row("CPU", 0.75, "%", 0.2, Goal("above floor", at_most=0.5)),
        Row("sample time", 7.812, "ms"),
    ]
    assert table("title", rows).splitlines() == [
        "title",
        "what             value   floor  ratio  goal               met?",
        "-----------  ---------  ------  -----  -----------------  ----",
        "answers      12,577 /s  19,233  0.654  ratio ≥ 0.5        yes",
        "CPU            0.750 %   0.200   3.75  above floor ≤ 0.5  NO",
        "sample time    7.81 ms",
    ]


@pytest.mark.parametrize(
    ("met", "row"),
    [
        (None, Row("no goal", 1.0, floor=1.0)),
        (True, Row("value", 60.0, goal=Goal("value", at_most=60))),
        (False, Row("value", 60.1, goal=Goal("value", at_most=60))),
        (True, Row("ratio", 1.0, floor=2.0, goal=Goal("ratio", at_least=0.5))),
        (False, Row("ratio", 0.9, floor=2.0, goal=Goal("ratio", at_least=0.5))),
        (False, Row("no floor to compare with", 0.9, goal=Goal("ratio", at_least=0.5))),
        (False, Row("above", 0.9, floor=0.3, goal=Goal("above floor", at_most=0.5))),
    ],
    ids=lambda given: given.what if isinstance(given, Row) else str(given),
)
def test_a_goal_is_met_missed_or_absent(met: bool | None, row: Row) -> None:
    assert row.met is met


def test_numbers_keep_three_digits_and_no_exponent() -> None:
    assert [shown(number) for number in (12345.6, 123.45, 12.345, 1.2345, 0.12345)] == [
        "12,346",
        "123",
        "12.3",
        "1.23",
        "0.123",
    ]


def test_a_report_of_wrk_is_parsed() -> None:
    assert wrk.parse(REPORT) == wrk.Load(per_second=9092.15, p50_ms=0.98, p99_ms=1020.0)
    assert wrk.parse(REPORT.replace("1.02s\n", "1.02s \n")).p99_ms == 1020.0  # wrk pads seconds with a blank


@pytest.mark.parametrize(
    "trouble",
    [
        "  Non-2xx or 3xx responses: 9150",
        "  Socket errors: connect 0, read 12, write 0, timeout 0",
    ],
)
def test_figures_of_failed_requests_are_refused(trouble: str) -> None:
    with pytest.raises(ValueError, match=trouble.strip().split(":")[0]):
        wrk.parse(REPORT.replace("Requests/sec", f"{trouble}\nRequests/sec"))


def test_the_best_of_several_runs_counts() -> None:
    loads = [wrk.Load(1, 9, 5), wrk.Load(9, 7, 6), wrk.Load(2, 8, 50)]
    assert wrk.best(loads) == wrk.Load(9, 7, 6)


def test_without_wrk_the_benchmarks_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert wrk.missing() == (
        "Not found: wrk and taskset. On Debian and Ubuntu: apt-get install wrk util-linux"
    )


def test_results_keep_the_text_around_the_tables() -> None:
    text = benchmarks.RESULTS.read_text("utf-8")
    assert text.count(benchmarks.FENCE) == 1
    assert benchmarks.with_tables(text, "new\n") == benchmarks.with_tables(
        benchmarks.with_tables(text, "old\n"), "new\n"
    )


@pytest.mark.slow
def test_the_agent_is_measured_as_a_process_on_the_simulated_driver() -> None:
    with (
        sleepers(2) as pids,
        running("agent", "--gpus=2", f"--pids={pids[0]},{pids[1]}", **SETTINGS) as agent,
    ):
        answer = json.loads(agent.get("/server1/status")[1])
        counts = agent.counts()
        assert agent.cpu_seconds() > counts["simulation_seconds"] > 0
    assert answer["data"]["count"] == 2
    assert [process["pid"] for process in answer["data"]["processes"]] == pids
    assert counts["calls"] > 2
    assert agent.popen.returncode == 0


@pytest.mark.slow
def test_the_floor_of_a_start_imports_what_the_agent_imports() -> None:
    ours = imported(
        "import agent.cli, agent.app, agent.server.protocol, agent.simulation, httptools, uvloop"
        ", uvicorn.server"
    )
    assert ours <= imported("import benchmarks.programs.imports, uvicorn.server")


def imported(statement: str) -> set[str]:
    """The names of the packages in memory after this statement, without the agent's own."""
    names = f"{statement}; import sys; print(*(name.partition('.')[0] for name in sys.modules))"
    done = subprocess.run(  # noqa: S603  (our own interpreter)
        [sys.executable, "-c", names], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split()) - {"agent"} - set(sys.stdlib_module_names)


@pytest.mark.measures
@pytest.mark.parametrize("section", benchmarks.SECTIONS)
def test_each_section_of_the_benchmarks_runs(section: str) -> None:
    """The figures are not judged here, because the machine may be busy."""
    if lacking := wrk.missing():
        pytest.skip(lacking)
    if section == "page":
        needs_slow("playwright")
        if shutil.which("chromium") is None:
            pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    machine, measured = benchmarks.measured([section], quick=True)
    assert "Python" in machine[0]
    assert len(measured[0].splitlines()) > 4
