"""User names are known after a restart, unless STATE_USERS forbids it."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent.readings import (
    Blamed,
    HostProcess,
    ProcessesReading,
    XidCount,
)
from agent.state import names
from agent.state.forget import forget_users
from agent.state.xids import XidsPart
from tests.sampling.test_history import EPOCH
from tests.state.files import DAY, age, kept, restored
from tests.state.test_idle import on_gpu
from tests.state.test_xids import with_xids

if TYPE_CHECKING:
    from pathlib import Path
    from sqlite3 import Connection


def test_user_names_are_known_after_a_restart_for_the_configured_days(file: Connection) -> None:
    keeper = kept(file, names.rows)
    keeper.add(on_gpu(0, sm=0))
    keeper.end()

    assert restored(file, 10).user_names == {1000: "alice"}
    age(file, 400 * DAY)
    assert restored(file, 10).user_names == {1000: "alice"}
    age(file, 400 * DAY + 1)
    assert restored(file, 10).user_names == {}


def test_only_a_user_with_a_number_and_a_name_has_a_row() -> None:
    one = on_gpu(0, sm=0)
    users = (HostProcess(1, "alice", uid=1000), HostProcess(2, "bob"), HostProcess(3, None, uid=1001))
    found = names.rows(replace(one, processes=ProcessesReading({user.pid: user for user in users})))
    assert found is not None
    assert found.rows == ((1000, "alice", EPOCH),)


def test_without_state_users_no_name_is_kept_and_earlier_names_are_deleted(
    file: Connection, tmp_path: Path
) -> None:
    keeper = kept(file, names.rows, XidsPart("boot", users=True).all)
    blamed = XidCount(1, EPOCH + 5, blamed=Blamed(17, "python", "alice"))
    keeper.add(replace(on_gpu(10, sm=0), gpus=with_xids(10, x31=blamed).gpus))
    keeper.end()
    assert "alice" in "".join(file.iterdump())

    restored(file, 20, users=False)

    assert "alice" not in "".join(file.iterdump())
    file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"alice" not in (tmp_path / "agent.sqlite3").read_bytes()
    rows = XidsPart("boot", users=False).all(with_xids(30, x31=blamed))
    assert rows is not None
    assert "alice" not in rows.rows[0]


def test_users_are_forgotten_everywhere_or_nowhere(file: Connection) -> None:
    names.SUBJECT.write(file, [(1000, "alice", EPOCH)])
    file.execute("DROP TABLE xids")
    with pytest.raises(sqlite3.OperationalError):
        forget_users(file)
    assert names.restore(file) == {1000: "alice"}
