"""Which parts a round calls, in which order; each part is a substitute that records its calls."""

from __future__ import annotations

from typing import Any

import pytest

from agent.sampling.driver_round import DriverRound
from agent.sampling.sleep_policy import Round

pytestmark = pytest.mark.anyio

ALL_PARTS = ["look", "census 1", "memory", "read True", "topology 1", "xids 1", "replaced 7.0"]


class Parts:
    """All parts in one: the contact with one GPU, the census, the topology, sleep, XIDs and so on."""

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
    """A part with its own `follow`, under its own name."""

    def __init__(self, parts: Parts, name: str) -> None:
        self._parts, self._name = parts, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parts, name)

    def follow(self, *values: Any) -> None:
        self._parts.done.append(f"{self._name} {values[0] if len(values) == 1 else values[1]}")


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
async def test_the_driver_is_read_before_the_gpus_and_the_gpus_before_the_rest(todo: Round) -> None:
    parts = Parts(todo)
    await round_of(parts).take(1.0, watched=True)

    assert parts.done == ALL_PARTS


async def test_without_contact_no_gpu_is_read() -> None:
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
async def test_nvml_is_released_once_the_xid_watch_has_paused(
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
async def test_an_idle_gpu_is_let_go_again_after_a_look(todo: Round, are_idle: bool, done: list[str]) -> None:
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
        pytest.param(False, True, True, ["pause", "release", "renewed", *ALL_PARTS], id="renewed"),
        pytest.param(True, True, True, ALL_PARTS, id="not while a call hangs"),
        pytest.param(False, True, False, ["pause", "release", *ALL_PARTS], id="not if the release fails"),
        pytest.param(
            False,
            False,
            True,
            ["pause", *(one for one in ALL_PARTS if one != "xids 1")],
            id="not before the XID watch has paused",
        ),
    ],
)
async def test_an_outdated_contact_is_made_again_unless_a_call_hangs_or_xids_are_awaited(
    some_are_busy: bool, can_pause: bool, can_release: bool, done: list[str]
) -> None:
    parts = Parts()
    parts.is_outdated = True
    parts.some_are_busy, parts.can_pause, parts.can_release = some_are_busy, can_pause, can_release
    await round_of(parts).take(1.0, watched=True)

    assert parts.done == done


async def test_an_outdated_contact_is_made_again_also_without_an_xid_watch() -> None:
    parts = Parts()
    parts.is_outdated = True
    await round_of(parts, xids=False).take(1.0, watched=True)

    assert parts.done == ["release", "renewed", *(one for one in ALL_PARTS if one != "xids 1")]
