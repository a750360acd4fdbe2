"""The host in `/gpu`: values that have not been read yet are null."""

from __future__ import annotations

from agent.readings import ProcessesReading
from agent.views.system_info import system_info_view
from tests.views.samples import DRIVER


def test_the_largest_processes_are_null_until_they_are_known() -> None:
    shown = [
        system_info_view(DRIVER, None, processes).memory.top_processes
        for processes in (
            None,
            ProcessesReading({}, top_processes=None),
            ProcessesReading({}, top_processes=()),
        )
    ]

    assert shown == [None, None, []]
