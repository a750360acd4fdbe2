"""XIDs are known after a restart, until the machine boots."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent.readings import (
    Blamed,
    Snapshot,
    XidCount,
    XidSource,
)
from agent.readings.restored import KeptXid
from agent.state import gpus
from agent.state.file import open_file
from agent.state.keeper import Keeper
from agent.state.xids import SUBJECT as XIDS
from agent.state.xids import XidsPart
from tests.sampling.test_history import EPOCH, snapshot
from tests.state.files import age, restored, write

if TYPE_CHECKING:
    from pathlib import Path
    from sqlite3 import Connection

    from agent.state.subject import Batch


def with_xids(at: float, **xids: XidCount) -> Snapshot:
    plain = snapshot(at, 1)
    return replace(
        plain,
        gpus=tuple(
            replace(gpu, xids={int(name[1:]): count for name, count in xids.items()}) for gpu in plain.gpus
        ),
    )


def test_xids_are_known_until_the_next_boot(file: Connection) -> None:
    blamed = Blamed(17, "python", "alice")
    part = XidsPart("boot", users=True)
    keeper = Keeper(lambda batch, **_: write(file, batch), (), [part.changed])
    keeper.add(
        with_xids(50, x79=XidCount(1, EPOCH + 40), x31=XidCount(2, EPOCH + 45, XidSource.BOTH, blamed))
    )

    assert restored(file, 60).xids == {
        "a": {
            79: KeptXid(1, 40, XidSource.NVML),
            31: KeptXid(2, 45, XidSource.BOTH, blamed),
        }
    }
    assert restored(file, 60, boot="another").xids == {}
    assert restored(file, 60, boot="").xids == {}
    age(file, 60)
    assert restored(file, 60).xids != {}
    XIDS.write(file, [("earlier", "a", 48, 1, EPOCH, 40.0, "nvml", None, None, None, False)])
    age(file, 60)
    assert file.execute("SELECT DISTINCT boot FROM xids").fetchall() == [("boot",)]


@pytest.mark.parametrize("blamed", [Blamed(17, None), Blamed(None, "python"), None])
def test_a_blamed_process_may_have_only_a_pid_or_only_a_name(file: Connection, blamed: Blamed | None) -> None:
    rows = XidsPart("boot", users=True).all(with_xids(50, x31=XidCount(1, EPOCH + 45, blamed=blamed)))
    assert rows is not None
    write(file, (gpus.rows(snapshot(0, 1)), rows))
    assert restored(file, 60).xids["a"][31].blamed == blamed


def test_a_new_xid_is_written_at_once_and_only_once() -> None:
    batches: list[Batch] = []
    part = XidsPart("boot", users=True)
    keeper = Keeper(lambda batch, urgent: batches.append(batch) if urgent else None, (), [part.changed])
    count = XidCount(1, EPOCH + 40)
    for at, xids in (
        (50, {}),
        (60, {"x79": count}),
        (70, {"x79": count}),
        (80, {"x79": count._replace(times=2)}),
    ):
        keeper.add(with_xids(at, **xids))

    assert [[rows[2:4] for rows in batch[-1].rows] for batch in batches] == [[(79, 1)], [(79, 2)]]


def test_each_batch_has_all_xids_because_the_file_may_be_new(tmp_path: Path, file: Connection) -> None:
    part = XidsPart("boot", users=True)
    keeper = Keeper(lambda batch, **_: write(file, batch), [part.all], [part.changed])
    keeper.add(with_xids(50, x79=XidCount(1, EPOCH + 40)))
    file = open_file(tmp_path / "another.sqlite3")
    keeper.add(with_xids(60, x79=XidCount(1, EPOCH + 40), x31=XidCount(1, EPOCH + 55)))
    assert set(restored(file, 60).xids["a"]) == {79, 31}, "an urgent batch has all"

    file = open_file(tmp_path / "a third.sqlite3")
    keeper.add(snapshot(120, 0))  # the GPU has disappeared
    assert set(restored(file, 120).xids["a"]) == {79, 31}


def test_larger_counts_in_the_file_are_not_overwritten(file: Connection) -> None:
    def write_xid(at: float, times: int) -> None:
        rows = XidsPart("boot", users=True).all(with_xids(at, x79=XidCount(times, EPOCH + at)))
        assert rows is not None
        write(file, (gpus.rows(snapshot(0, 1)), rows))

    write_xid(40, 5)
    write_xid(90, 1)

    assert restored(file, 100).xids["a"][79] == KeptXid(5, 90, XidSource.NVML)
