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


def test_a_history_made_of_pieces_equals_the_json_of_its_model() -> None:
    """This holds even if a text looks like the empty list that the pieces fill."""
    for gpus in ((), (SERIES,), (SERIES, SERIES)):
        for fields in (DEFAULT, ["sm_percent", "graphics_mhz", "pcie_tx_mbps", "host"], ["host"]):
            body = b"".join(history_json(HistoryReading((1.5, 2.5), gpus, HOST), 10.0, fields))
            answer = Success[HistoryColumns].model_validate_json(body)
            assert answer.model_dump_json(exclude_unset=True).encode() == body
            assert [device.uuid for device in answer.data.devices] == [gpu.uuid for gpu in gpus]


class Part(BaseModel):
    """A model with a field that may be left out."""

    given: int
    optional: int | None = None


def test_a_field_that_was_not_set_is_left_out() -> None:
    assert to_json(Part(given=1)) == b'{"given":1}'
    assert to_json(Part(given=1, optional=None)) == b'{"given":1,"optional":null}'


def test_items_are_made_only_when_the_consumer_reaches_them() -> None:
    made: list[int] = []

    def users() -> Iterator[bytes]:
        for number in range(3):
            made.append(number)
            yield b"1"

    pieces = filled(success(Users(users=[], unknown_idx=[], since=None, usage_days=None)), users=users())
    assert (next(pieces), made) == (b'{"code":0,"data":{"users":[', [])
    assert (next(pieces), made) == (b"1", [0])
    assert b"".join(pieces) == b',1,1],"unknown_idx":[],"since":null,"usage_days":null}}'


def test_pieces_are_made_once_and_kept_unless_the_consumer_stops_early() -> None:
    """The first consumer stops early here, so the pieces are made twice."""
    once: MadeOnce[int] = MadeOnce()
    calls = []

    def make() -> list[int]:
        calls.append(1)
        return [1, 2, 3]

    next(once.get("key", make))
    assert [[*once.get("key", make)] for _ in range(3)] == [[1, 2, 3]] * 3
    assert len(calls) == 2


def test_a_model_built_without_validation_shows_only_its_set_fields() -> None:
    assert to_json(Users.model_construct({"users"}, users=[])) == b'{"users":[]}'
