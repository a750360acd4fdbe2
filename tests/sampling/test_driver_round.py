"""What a round asks of whom, in which order; each part stands for the real one and notes what it is asked."""

from __future__ import annotations

from typing import Any

import pytest

from agent.sampling.driver_round import DriverRound
from agent.sampling.sleep_policy import Round

pytestmark = pytest.mark.anyio

ASKED = ["look", "census 1", "memory", "read True", "topology 1", "xids 1", "replaced 7.0"]


class Parts:
    """All of them in one: the contact with one GPU, the census, the topology, sleep, XIDs and their like."""

    def __init__(self, todo: Round = Round.SAMPLE) -> None:
        self.done: list[str] = []
        self.todo = todo
        self.gpus = [self]
        self.gpu_count: int | None = 1
        self.is_made = True
        self.are_idle = False
        self.some_are_busy = False
        self.mismatched_at = 7.0
        self.is_outdated = False
        self.can_pause = True
        self.can_release = True
        self.about_memory = None

    async def decide(self, _started: float, **_: bool) -> Round:
        return self.todo

    async def refresh(self, _started: float) -> None:
        self.done.append("look")

    def follow_xids(self, _about_memory: Any) -> None:
        self.done.append("memory")

    async def read_gpus(self, _started: float, *, watched: bool) -> None:
        self.done.append(f"read {watched}")

    def request(self, gpu_count: int) -> None:
        self.done.append(f"topology {gpu_count}")

    def pause(self) -> bool:
        self.done.append("pause")
        return self.can_pause

    async def release(self) -> bool:
        self.done.append("release")
        return self.can_release

    def renewed(self) -> None:
        self.done.append("renewed")

    def start(self, _name: str) -> None: ...


class Follower:
    """One of the parts whose `follow` has another meaning than that of the others."""

    def __init__(self, parts: Parts, name: str) -> None:
        self._parts, self._name = parts, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parts, name)

    def follow(self, *told: Any) -> None:
        self._parts.done.append(f"{self._name} {told[0] if len(told) == 1 else told[1]}")


def round_of(parts: Any, *, xids: bool = True) -> DriverRound:
    follower: Any = Follower
    return DriverRound(
        parts,
        follower(parts, "census"),
        parts,
        parts,
        xids=follower(parts, "xids") if xids else None,
        known_xids=parts,
        replaced_driver=follower(parts, "replaced"),
        workers=parts,
        clock=lambda: 9.0,
    )


@pytest.mark.parametrize("todo", [Round.SAMPLE, Round.CHECK])
async def test_the_driver_is_asked_before_the_gpus_and_the_gpus_before_the_rest(todo: Round) -> None:
    parts = Parts(todo)
    await round_of(parts).take(1.0, watched=True)

    assert parts.done == ASKED


async def test_without_contact_no_gpu_is_asked() -> None:
    parts = Parts()
    parts.is_made, parts.gpu_count = False, None
    await round_of(parts).take(1.0, watched=True)

    assert parts.done == ["look", "census None", "replaced 7.0"]


@pytest.mark.parametrize(
    ("todo", "xids", "can_pause", "done"),
    [
        (Round.REST, True, True, []),
        (Round.RELEASE, True, True, ["pause", "release"]),
        (Round.RELEASE, True, False, ["pause"]),
        (Round.RELEASE, False, True, ["release"]),
    ],
)
async def test_nvml_is_let_go_once_nobody_listens_for_xids(
    todo: Round, xids: bool, can_pause: bool, done: list[str]
) -> None:
    parts = Parts(todo)
    parts.can_pause = can_pause
    await round_of(parts, xids=xids).take(1.0, watched=False)

    assert parts.done == done


@pytest.mark.parametrize(
    ("todo", "are_idle", "done"),
    [
        (Round.CHECK, True, ["pause", "release"]),
        (Round.CHECK, False, []),
        (Round.SAMPLE, True, []),
    ],
)
async def test_after_a_mere_look_an_idle_gpu_is_let_go(todo: Round, are_idle: bool, done: list[str]) -> None:
    parts = Parts(todo)
    parts.are_idle = are_idle
    one = round_of(parts)
    await one.take(1.0, watched=False)
    parts.done.clear()
    await one.end()

    assert parts.done == done


@pytest.mark.parametrize(
    ("some_are_busy", "can_pause", "can_release", "done"),
    [
        pytest.param(False, True, True, ["pause", "release", "renewed", *ASKED], id="anew"),
        pytest.param(True, True, True, ASKED, id="not while a call is out"),
        pytest.param(False, True, False, ["pause", "release", *ASKED], id="one was out at last"),
        pytest.param(
            False,
            False,
            True,
            ["pause", *(one for one in ASKED if one != "xids 1")],
            id="not before the XIDs are at rest",
        ),
    ],
)
async def test_contact_is_made_anew_where_gpus_are_missing_that_it_would_find(
    some_are_busy: bool, can_pause: bool, can_release: bool, done: list[str]
) -> None:
    parts = Parts()
    parts.is_outdated = True
    parts.some_are_busy, parts.can_pause, parts.can_release = some_are_busy, can_pause, can_release
    await round_of(parts).take(1.0, watched=True)

    assert parts.done == done


async def test_contact_is_made_anew_also_where_nobody_listens_for_xids() -> None:
    parts = Parts()
    parts.is_outdated = True
    await round_of(parts, xids=False).take(1.0, watched=True)

    assert parts.done == ["release", "renewed", *(one for one in ASKED if one != "xids 1")]
