"""`docs/recipes.md`: every path in it leads to a value of a real answer, and every program in it runs."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args

import pytest
import yaml

from agent.http.parameters import NO_CONTACT
from agent.readings import UserDay
from agent.simulation import Simulation
from agent.views.summary import HostSummary
from tests.http.wire import A_TOKEN
from tests.support import loopback
from tests.support.agents import ROOT, agent_server, hung_agent_server
from tests.support.state_file import REAL, ago, fill, sums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RECIPES = (ROOT / "docs" / "recipes.md").read_text()
HOST = "http://gpu01:8000"
GPUS = 8

needs_programs = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("jq")), reason="curl and jq are not installed"
)


def blocks(heading: str) -> list[str]:
    """The code below a heading."""
    section = RECIPES.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```\w+\n(.*?)```", section, re.DOTALL)


# The paths of each dialect, as steps from the answer of /summary

Step = str | int | tuple[str, Any]
_STEP = re.compile(r"\[\?\(@\.(\w+)==([^\]]+)\)\]|\[(\d+)\]|\.?(\w+)")


def steps(path: str) -> list[Step]:
    """The steps of `a.b[0].c`, `$.a`, or Zabbix's `$.a[?(@.b=={#B})].c.first()`, for GPU 1."""
    found: list[Step] = []
    for name, value, number, key in _STEP.findall(path.removeprefix("$").removesuffix(".first()")):
        found.append(
            (name, json.loads(value.replace("{#IDX}", "1"))) if name else int(number or 0) if number else key
        )
    return found


def at(document: Any, path: str) -> Any:
    """The value at a path. Raises LookupError if the path does not exist."""
    for step in steps(path):
        if isinstance(step, tuple):
            (document,) = (entry for entry in document if entry[step[0]] == step[1])
        else:
            document = document[step]
    return document


def home_assistant() -> Iterator[str]:
    (sensors,) = (rest["sensor"] for rest in yaml.safe_load(blocks("Home Assistant")[0])["rest"])
    for sensor in sensors:
        (path,) = re.fullmatch(
            r"\{\{ value_json\.([\w.\[\]]+)(?: or 'unknown')? \}\}", sensor["value_template"]
        ).groups()  # type: ignore[union-attr]
        yield path
        for name in sensor.get("json_attributes", ()):
            yield f"{sensor['json_attributes_path']}.{name}"


def homepage() -> Iterator[str]:
    ((_, services),) = yaml.safe_load(blocks("Homepage")[0])[0].items()
    for mapping in services[0]["gpu01"]["widget"]["mappings"]:
        yield mapping["field"]


def glance_templates() -> tuple[str, str]:
    """The parts of the template for status 200 and for any other status."""
    template = yaml.safe_load(blocks("Glance")[0])[0]["template"].strip()
    inside = template.removeprefix("{{ if eq .Response.StatusCode 200 }}").removesuffix("{{ end }}")
    assert len(template) - len(inside) == len("{{ if eq .Response.StatusCode 200 }}{{ end }}")
    well, _, failed = inside.rpartition("{{ else }}\n")
    return well, failed


def glance() -> Iterator[str]:
    template, _ = glance_templates()
    for path in re.findall(r'\.JSON\.\w+ "([^"]+)"', template):
        yield path
    (listed,) = re.findall(r'range \.JSON\.Array "([^"]+)"', template)
    for path in re.findall(r' \.\w+ "([^"]+)"', template):
        yield f"{listed}[0].{path}"


def uptime_kuma() -> Iterator[str]:
    yield yaml.safe_load(blocks("Uptime Kuma")[1])["json_query"]


def zabbix() -> Iterator[str]:
    host = yaml.safe_load(blocks("Zabbix")[0])
    yield from host["dependent_items"].values()
    yield host["discovery"]["rule"]
    for path in host["discovery"]["macros"].values():
        yield f"{host['discovery']['rule']}[0]{path.removeprefix('$')}"
    yield from host["discovery"]["item_prototypes"].values()


def grafana_infinity() -> Iterator[str]:
    query = json.loads(blocks("Grafana Infinity")[0])
    for column in query["columns"]:
        yield f"{query['root_selector']}[1].{column['selector']}"


DIALECTS: dict[str, tuple[Callable[[], Iterator[str]], int]] = {  # with the least number of paths
    "Home Assistant": (home_assistant, 7),
    "Homepage": (homepage, 4),
    "Glance": (glance, 8),
    "Uptime Kuma": (uptime_kuma, 1),
    "Zabbix": (zabbix, 9),
    "Grafana Infinity": (grafana_infinity, 6),
}
WITHOUT_PATHS = {
    "HTTP status only",
    "Homarr",
    "Nagios, Icinga and others that run a program",
    "GPU hours of a month",
    "CSV",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an agent whose GPU 1 is lost, so that many of its values are null."""
    with Simulation(GPUS) as simulation:
        simulation.gpus[1].lose()
        folder = tmp_path_factory.mktemp("state")
        fill(folder / REAL, [UserDay(ago(0), None, sums(1.5, told=0.0))], [], {})
        with agent_server(
            TOKEN=A_TOKEN,
            SAMPLE_INTERVAL="60",
            EXPECTED_GPUS="8",
            HISTORY_INTERVAL="60",
            STATE_DIR=str(folder),
        ) as url:
            yield url


@pytest.fixture(scope="module")
def answer(url: str) -> Any:
    return loopback.get(f"{url}/summary", headers={"Authorization": A_TOKEN}).json()


def test_every_recipe_is_tested_here() -> None:
    assert DIALECTS.keys() | WITHOUT_PATHS == set(re.findall(r"^## (.*)$", RECIPES, re.MULTILINE))


@pytest.mark.parametrize("name", DIALECTS)
def test_every_path_of_a_recipe_exists_in_the_answer(name: str, answer: Any) -> None:
    """The value may be null, but the key must exist."""
    read, least = DIALECTS[name]
    paths = list(read())

    assert len(paths) >= least
    for path in paths:
        at(answer, path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.counts.critical", 1),
        ("$.data.verdict", "critical"),
        ("data.gpus[1].state", "lost"),
        ("$.data.gpus[?(@.idx=={#IDX})].verdict.first()", "critical"),
        ("data.gpus[1].power_watts", None),
    ],
)
def test_the_paths_of_every_dialect_are_resolved(path: str, value: object, answer: Any) -> None:
    assert at(answer, path) == value


@pytest.mark.parametrize("path", ["data.free", "data.gpus[8].idx", "$.data.gpus[?(@.idx==9)].idx.first()"])
def test_a_wrong_path_is_an_error(path: str, answer: Any) -> None:
    with pytest.raises((LookupError, ValueError)):
        at(answer, path)


# Null


def may_be_null(path: str) -> bool:
    """Whether the value at this path of /summary may be null, by its model."""
    told: Any = HostSummary
    for step in steps(path)[1:]:
        (bare,) = [one for one in get_args(told) if one is not NoneType] if is_optional(told) else [told]
        told = bare.model_fields[step].annotation if isinstance(step, str) else get_args(bare)[0]
    return is_optional(told)


def is_optional(told: Any) -> bool:
    return NoneType in get_args(told)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("data.counts.free", False),
        ("data.totals.power_watts", True),
        ("data.gpus[0].idx", False),
        ("data.gpus[0].verdict", True),
        ("data.users[0].username", True),
    ],
)
def test_this_test_knows_which_values_may_be_null(path: str, expected: bool) -> None:
    assert may_be_null(path) is expected


def test_the_recipe_for_home_assistant_handles_each_value_that_may_be_null() -> None:
    (sensors,) = (rest["sensor"] for rest in yaml.safe_load(blocks("Home Assistant")[0])["rest"])
    for sensor in sensors:
        template = sensor["value_template"]
        path = template.split()[1].removeprefix("value_json.")
        if "or 'unknown'" not in template:
            shown = f"{{{{ value_json.{path} is not none }}}}" if may_be_null(path) else None
            assert sensor.get("availability") == shown, sensor["name"]


def test_the_recipe_for_glance_does_not_show_null_as_0() -> None:
    template, _ = glance_templates()
    numbers = [
        *re.findall(r'\.JSON\.(?:Int|Float|Bool) "([^"]+)"', template),
        *(f"data.gpus[0].{name}" for name in re.findall(r' \.(?:Int|Float|Bool) "([^"]+)"', template)),
    ]
    assert len(numbers) == 3
    assert [path for path in numbers if may_be_null(path)] == []
    without_default = re.findall(r'\{\{ \.String "([^"]+)"', template)
    assert without_default == ["reason"], (
        "only the reason may be null; any other unknown value is a question mark"
    )


def test_the_recipe_for_homepage_does_not_format_a_value_that_may_be_null() -> None:
    ((_, services),) = yaml.safe_load(blocks("Homepage")[0])[0].items()
    for mapping in services[0]["gpu01"]["widget"]["mappings"]:
        if may_be_null(mapping["field"]):
            assert "format" not in mapping
            assert "suffix" not in mapping or mapping["remap"] == [{"value": None, "to": "?"}]


# Other statuses than 200


@pytest.fixture(scope="module")
def failures(url: str) -> dict[int, Any]:
    """The answers of /summary with a wrong token, without a driver, and before its first answer."""
    answers = [loopback.get(f"{url}/summary", headers={"Authorization": "wrong"})]
    with Simulation(1) as simulation:
        simulation.remove_driver()
        with agent_server() as without_driver:
            answers.append(loopback.get(f"{without_driver}/summary"))
    with Simulation(1) as simulation:
        simulation.hang("nvmlInitWithFlags")
        with hung_agent_server() as hung:
            answers.append(loopback.get(f"{hung}/summary"))
        simulation.release("nvmlInitWithFlags")
    return {answer.status_code: answer.json() for answer in answers}


def test_every_failure_has_its_reason_and_no_data(failures: dict[int, Any]) -> None:
    assert sorted(failures) == [401, 500, 503]
    assert all(failure["data"] is None and failure["error"] for failure in failures.values())


def test_the_recipe_for_glance_shows_the_error_and_no_number_of_a_failure(failures: dict[int, Any]) -> None:
    _, failed = glance_templates()
    assert re.findall(r"\{\{.*?\}\}", failed) == ['{{ .JSON.String "error" }}']
    for failure in failures.values():
        assert isinstance(at(failure, "error"), str)


@pytest.mark.parametrize("name", sorted(DIALECTS.keys() - {"Glance"}))
def test_no_path_of_a_recipe_leads_to_a_value_in_a_failure(name: str, failures: dict[int, Any]) -> None:
    read, _ = DIALECTS[name]
    for path in read():
        for failure in failures.values():
            with pytest.raises(TypeError):  # of None
                at(failure, path)


def test_the_recipe_for_zabbix_accepts_only_the_status_of_data() -> None:
    assert yaml.safe_load(blocks("Zabbix")[0])["item"]["required_status_codes"] == 200


@needs_programs
def test_the_csv_recipe_prints_no_line_of_a_failure(url: str) -> None:
    done = run(blocks("CSV")[0].replace("changeme", "wrong"), url)
    assert re.fullmatch(r"curl: \(22\) .* 401\n", done.stdout)


def test_every_url_of_a_recipe_answers(url: str) -> None:
    addresses = set(re.findall(rf"{HOST}(/[\w?=]*)", RECIPES)) - {"/server1"}

    assert addresses == {"/", "/summary", "/ready?require=healthy", "/usage?days=30"}
    for path in addresses:
        status = loopback.get(f"{url}{path}", headers={"Authorization": A_TOKEN}).status_code
        assert status == (503 if "require" in path else 200), "GPU 1 is critical"


# Programs


def run(program: str, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a recipe as it is written, except for its URL and token."""
    command = program.replace(HOST, url).replace("Bearer changeme", A_TOKEN)
    return subprocess.run(  # noqa: S603  (the recipe's own command)
        ["/bin/sh", "-c", command, "recipe", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=30,
    )


def nagios(url: str, folder: Path, token: str = A_TOKEN) -> tuple[int, str]:
    header = folder / "header"
    header.write_text(f"Authorization: Bearer {token}\n")
    (program,) = blocks("Nagios, Icinga and others that run a program")
    done = run(program, url, url, str(header))
    return done.returncode, done.stdout


@needs_programs
def test_the_nagios_check_reports_a_critical_gpu(url: str, tmp_path: Path) -> None:
    status, line = nagios(url, tmp_path)

    assert status == 2
    assert re.fullmatch(r"CRITICAL GPU 1: .+\|free=\d critical=1\n", line), line


@needs_programs
def test_the_nagios_check_of_a_healthy_host_has_status_0(tmp_path: Path) -> None:
    with Simulation(2), agent_server() as url:
        status, line = nagios(url, tmp_path)

    assert status == 0
    assert re.fullmatch(r"HEALTHY \|free=\d critical=0\n", line), line


@needs_programs
def test_the_nagios_check_of_a_warning_has_status_1(tmp_path: Path) -> None:
    with Simulation(2) as simulation:
        simulation.gpus[1].error_counters.remapping_pending = True
        with agent_server() as url:
            status, line = nagios(url, tmp_path)

    assert status == 1
    assert line.startswith("WARNING GPU 1: A faulty row of memory is remapped at the next reset|")


@needs_programs
def test_the_nagios_check_is_critical_without_a_driver_and_unknown_without_an_agent(tmp_path: Path) -> None:
    with Simulation(2) as simulation:
        simulation.remove_driver()
        with agent_server() as url:
            assert nagios(url, tmp_path)[0] == 2
    status, line = nagios(url, tmp_path)
    assert status == 3
    assert line.startswith("UNKNOWN curl: ")
    assert line.rstrip()[-3:] != "000", "a status 000 is not shown"


@needs_programs
def test_the_nagios_check_of_an_agent_that_is_not_ready_is_unknown(tmp_path: Path) -> None:
    with Simulation(2) as simulation:
        simulation.hang("nvmlInitWithFlags")
        with hung_agent_server() as url:
            status, line = nagios(url, tmp_path)
        simulation.release("nvmlInitWithFlags")

    assert status == 3
    assert line.startswith(f"UNKNOWN {NO_CONTACT}")


@needs_programs
def test_the_nagios_check_with_a_wrong_token_is_unknown(url: str, tmp_path: Path) -> None:
    status, line = nagios(url, tmp_path, "wrong")

    assert status == 3
    assert line.startswith("UNKNOWN ")


@needs_programs
def test_the_csv_recipe_has_a_line_for_each_gpu(url: str, answer: Any) -> None:
    done = run(blocks("CSV")[0], url)

    lines = list(csv.DictReader(done.stdout.splitlines()))
    assert [line["idx"] for line in lines] == [str(index) for index in range(GPUS)]
    assert [line["verdict"] for line in lines] == [gpu["verdict"] for gpu in answer["data"]["gpus"]]
    assert (lines[1]["power_watts"], lines[1]["users"]) == ("", "?")
    users = [gpu["users"] for gpu in answer["data"]["gpus"]]
    assert [line["users"] == "" for line in lines] == [one == [] for one in users], "nobody"


@needs_programs
def test_the_recipe_for_gpu_hours_saves_a_table_of_users(url: str, tmp_path: Path) -> None:
    (program,) = blocks("GPU hours of a month")
    file = tmp_path / "gpu-hours.csv"
    assert run(program.replace("gpu-hours.csv", str(file)), url).returncode == 0

    (line,) = csv.DictReader(file.read_text().splitlines())
    assert (line["first_day"], line["last_day"]) == (ago(29), ago(0))
    assert (line["username"], line["hours_held"], line["hours_used"]) == ("", "1.5", "")


@needs_programs
def test_the_recipe_for_the_http_status_fails_while_a_gpu_is_critical(url: str) -> None:
    done = run(blocks("HTTP status only")[0], url)

    assert done.returncode == 22, "the status of curl for a failed request"
