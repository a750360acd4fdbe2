"""Names are never shortened, so that a name from one answer can be used in another request."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from agent.readings import HostProcess, ProcessesReading
from tests.exact.answers import exact_agent
from tests.exact.reading import FREE, HOST_PROCESSES, SNAPSHOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.exact.answers import ExactAgent

pytestmark = pytest.mark.anyio

# The same in more characters than a table shows, and as long as a user database permits.
USERS = ("maximiliane.mustermann-1", "maximiliane.mustermann-2", "user." * 51 + "a", "user." * 51 + "b")
PROGRAMS = ("text-generation-launcher", "text-generation-router", "x" * 255, "évaluation-" * 9)


PIDS = sorted({*HOST_PROCESSES.gpu_processes, *(process.pid for process in FREE.values.processes or ())})
# On each GPU, and on the host, consecutive processes belong to different users.
ON_GPUS = {
    pid: HostProcess(pid, USERS[place % 4], PROGRAMS[place % 4], f"/opt/{pid}")
    for place, pid in enumerate(PIDS)
}
OF_HOST = tuple(HostProcess(9_001 + k, USERS[k % 4], PROGRAMS[k % 4]) for k in range(5))


@pytest.fixture
async def agent() -> AsyncIterator[ExactAgent]:
    """An agent on whose GPUs and host every process has a long name, and a user with a long name."""
    async with exact_agent() as agent:
        agent.show(replace(SNAPSHOT, processes=ProcessesReading(ON_GPUS, OF_HOST)))
        yield agent


async def json_of(agent: ExactAgent, path: str) -> Any:
    return json.loads(await agent.get(path))


async def test_a_user_name_from_gpu_can_be_used_as_the_filter_of_processes(agent: ExactAgent) -> None:
    shown = {
        (process["pid"], process["name"], process["username"])
        for gpu in (await json_of(agent, "/gpu?idx=0,2,4"))[
            "gpus"
        ]  # GPUs without MIG mode, in which instances have the processes
        for process in gpu["top_processes"] or ()
    }
    users = {user for _, _, user in shown}
    assert users == set(USERS)
    for user in users:
        listed = (await json_of(agent, f"/processes?idx=0,2,4&user={quote(user)}"))["data"]["processes"]
        theirs = {(row["pid"], row["name"], row["username"]) for row in listed}

        assert theirs == {process for process in shown if process[2] == user}


async def test_a_user_name_from_gpu_can_be_excluded_in_free(agent: ExactAgent) -> None:
    (gpu,) = (await json_of(agent, f"/gpu?idx={FREE.index}"))["gpus"]
    here = {process["username"] for process in gpu["top_processes"]}
    wish = "/free?max_utilization=100&exclude_users="

    offered = {
        user: [one["idx"] for one in (await json_of(agent, wish + quote(user)))["data"]["gpus"]]
        for user in USERS
    }

    assert len(here) == len(USERS) - 1
    assert {user for user, gpus in offered.items() if gpus != [FREE.index]} == here


async def test_the_processes_of_the_host_have_whole_names_too(agent: ExactAgent) -> None:
    top = (await json_of(agent, "/gpu"))["system_info"]["memory"]["top_processes"]

    assert [(process["name"], process["username"]) for process in top] == [
        (process.name, process.username) for process in OF_HOST
    ]


async def test_two_users_with_the_same_long_beginning_of_their_names_stay_two(agent: ExactAgent) -> None:
    users = (await json_of(agent, "/users"))["data"]["users"]

    assert {user["username"] for user in users if user["processes"]} == set(USERS)


async def test_every_reason_of_a_verdict_is_reported(agent: ExactAgent) -> None:
    """In `/gpu`, which is streamed, a reason has no advice; in all other answers it has."""
    plain = (await json_of(agent, "/gpu"))["gpus"]
    detailed = (await json_of(agent, "/gpu?detail=1"))["gpus"]
    status = (await json_of(agent, "/status"))["data"]["devices"]

    assert max(len(gpu["health"]["reasons"]) for gpu in plain) > 5
    for gpu, detail, device in zip(plain, detailed, status, strict=True):
        findings = detail["detail"]["findings"]
        assert gpu["health"]["reasons"] == [finding["what"] for finding in findings]
        assert device["health"]["reasons"] == [f"{found['what']}; {found['todo']}" for found in findings]
