"""JSON that is joined from pieces equals pydantic's JSON of the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

from agent.readings import GpuSeries, HistoryReading
from agent.views.envelope import Success, success
from agent.views.history import DEFAULT, HistoryColumns, history_json
from agent.views.pieces import MadeOnce, filled, to_json
from agent.views.users import Users

if TYPE_CHECKING:
    from collections.abc import Iterator

SERIES = GpuSeries(
    0,
    '","devices":[]',
    {
        "utilization.gpu_percent": [1.0, None],
        "memory.used_bytes": [2.0**30, None],
        "thermal.gpu_celsius": [30.0, None],
        "power.usage_watts": [99.96, None],
        "gpm.sm_activity_percent": [43.25, None],
        "clocks.graphics_mhz": [1980.0, None],
        "pcie.tx_kib_per_second": [1536.0, None],
    },
)
HOST = {"cpu_percent": [43.5, None], "memory_used_bytes": [2.0**30, None]}


def test_a_history_is_the_json_of_its_model() -> None:
    """Also where a text looks like the list that is filled."""
    for gpus in ((), (SERIES,), (SERIES, SERIES)):
        for fields in (DEFAULT, ["sm_percent", "graphics_mhz", "pcie_tx_mbps", "host"], ["host"]):
            body = b"".join(history_json(HistoryReading((1.5, 2.5), gpus, HOST), 10.0, fields))
            answer = Success[HistoryColumns].model_validate_json(body)
            assert answer.model_dump_json(exclude_unset=True).encode() == body
            assert [device.uuid for device in answer.data.devices] == [gpu.uuid for gpu in gpus]


class Part(BaseModel):
    """With a value that may be left out."""

    told: int
    untold: int | None = None


def test_what_was_not_set_is_left_out() -> None:
    assert to_json(Part(told=1)) == b'{"told":1}'
    assert to_json(Part(told=1, untold=None)) == b'{"told":1,"untold":null}'


def test_items_are_made_when_they_are_asked_for() -> None:
    made: list[int] = []

    def users() -> Iterator[bytes]:
        for number in range(3):
            made.append(number)
            yield b"1"

    pieces = filled(success(Users(users=[], unknown_idx=[], since=None, usage_days=None)), users=users())
    assert (next(pieces), made) == (b'{"code":0,"data":{"users":[', [])
    assert (next(pieces), made) == (b"1", [0])
    assert b"".join(pieces) == b',1,1],"unknown_idx":[],"since":null,"usage_days":null}}'


def test_pieces_are_made_once() -> None:
    """Unless somebody stops in between."""
    once: MadeOnce[int] = MadeOnce()
    calls = []

    def make() -> list[int]:
        calls.append(1)
        return [1, 2, 3]

    next(once.get("key", make))
    assert [[*once.get("key", make)] for _ in range(3)] == [[1, 2, 3]] * 3
    assert len(calls) == 2


def test_only_what_was_set_is_shown() -> None:
    assert to_json(Users.model_construct({"users"}, users=[])) == b'{"users":[]}'
