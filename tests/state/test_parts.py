"""What is kept of each Snapshot, with users and without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.readings.restored import Restored
from agent.sampling.history import History
from agent.state.file import open_file
from agent.state.folder import StateFolder
from agent.state.parts import keeper
from agent.state.store import Store
from tests.state.test_idle import on_gpu

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("users", "kept"),
    [
        (True, {"gpus": 1, "gpu_days": 1, "user_days": 1, "names": 1}),
        (False, {"gpus": 1, "gpu_days": 1, "user_days": 0, "names": 0}),
    ],
)
async def test_hours_of_gpus_are_kept_always_and_those_of_users_if_they_may_be(
    tmp_path: Path, users: bool, kept: dict[str, int]
) -> None:
    store = Store(StateFolder(str(tmp_path)), "file", days=4000, boot="boot", users=users)
    await store.start(lambda _: None)
    one = keeper(store, History(10), Restored(), boot="boot", users=users, max_gap=30.0)
    for at in (10.0, 20.0):
        one.add(on_gpu(at, sm=50))
    one.end()
    assert store.close()

    file = open_file(tmp_path / "file")
    assert {table: file.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in kept} == kept  # noqa: S608  (our own names)
