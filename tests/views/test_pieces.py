"""JSON that is put together of pieces is what pydantic makes of the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings import GpuSeries, HistoryReading
from agent.views.envelope import Success, success
from agent.views.history import HistoryColumns, history_json
from agent.views.pieces import MadeOnce, filled, to_json
from agent.views.users import Users

if TYPE_CHECKING:
    from collections.abc import Iterator

SERIES = GpuSeries(0, '","devices":[]', (1, None), (2**30, None), (30, None), (99.96, None))


def test_a_history_is_the_json_of_its_model() -> None:
    """Also where a text looks like the list that is filled."""
    for gpus in ((), (SERIES,), (SERIES, SERIES)):
        body = b"".join(history_json(HistoryReading((1.5, 2.5), gpus), 10.0))
        answer = Success[HistoryColumns].model_validate_json(body)
        assert answer.model_dump_json().encode() == body
        assert [device.uuid for device in answer.data.devices] == [gpu.uuid for gpu in gpus]


def test_items_are_made_when_they_are_asked_for() -> None:
    made: list[int] = []

    def users() -> Iterator[bytes]:
        for number in range(3):
            made.append(number)
            yield b"1"

    pieces = filled(success(Users(users=[], unknown_idx=[])), users=users())
    assert (next(pieces), made) == (b'{"code":0,"data":{"users":[', [])
    assert (next(pieces), made) == (b"1", [0])
    assert b"".join(pieces) == b',1,1],"unknown_idx":[]}}'


def test_pieces_are_made_once() -> None:
    """Unless somebody stops in between."""
    once: MadeOnce[int] = MadeOnce()
    calls = []

    def make() -> list[int]:
        calls.append(1)
        return [1, 2, 3]

    next(once.of("key", make))
    assert [[*once.of("key", make)] for _ in range(3)] == [[1, 2, 3]] * 3
    assert len(calls) == 2


def test_only_what_was_set_is_shown() -> None:
    assert to_json(Users.model_construct({"users"}, users=[])) == b'{"users":[]}'
