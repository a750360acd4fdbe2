"""One subject, one file name in every folder: everything about NVLink is in files named `nvlink.py`."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest

from agent.readings import GpuReading

ROOT = Path(__file__).parents[1]

# The folders that have a file for each subject.
ROOMS = {
    "readings": "agent/readings/gpu",
    "sources": "agent/sources/gpu",
    "views": "agent/views/gpu",
    "metrics": "agent/views/prometheus",
    "simulation": "agent/simulation/nvml",
}
EVERY_ROOM = frozenset(ROOMS)

# Subject -> the folders that need a file of its name. GpuReading has a field of the same name, but for XIDs.
SUBJECTS: dict[str, frozenset[str]] = {
    "clocks": EVERY_ROOM,
    "engines": EVERY_ROOM,
    "fabric": EVERY_ROOM,
    "fans": EVERY_ROOM,
    "gpm": EVERY_ROOM,
    "identity": EVERY_ROOM,
    "inforom": EVERY_ROOM - {"views"},  # one value, which stands in `detail` itself
    "memory": EVERY_ROOM,
    "memory_errors": EVERY_ROOM,
    "mig": EVERY_ROOM,
    "modes": EVERY_ROOM,
    "nvlink": EVERY_ROOM,
    "pcie": EVERY_ROOM,
    "power": EVERY_ROOM,
    "processes": EVERY_ROOM,
    "recovery": EVERY_ROOM,
    "thermal": EVERY_ROOM,
    "throttling": EVERY_ROOM,
    "unknown": EVERY_ROOM - {"simulation"},
    "utilization": EVERY_ROOM,
    "xid": EVERY_ROOM,
}
# Room -> what else is in it: what puts the subjects together, and what they share.
BESIDE_SUBJECTS: dict[str, set[str]] = {
    "readings": set(),
    "sources": {
        "fields",
        "fixed",
        "handle",
        "moment",
        "mps",
        "nvlink_counters",
        "nvlink_errors",
        "nvlink_states",
        "once",
        "paces",
        "possible",
        "process_utilization",
        "ranges",
        "seen",
        "stand_ins",
    },
    "views": {"activity", "detail", "device", "feeds"},
    "metrics": {"agent", "exposition", "families", "gpus", "health", "users"},
    "simulation": {"fields", "registry", "system", "topology"},
}


def is_empty(path: Path) -> bool:
    """Whether a module defines nothing: a docstring and imports at most."""
    statements = ast.parse(path.read_text()).body
    return not any(
        isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.Assign | ast.AnnAssign)
        for statement in statements
    )


@pytest.mark.parametrize("room", ROOMS)
def test_a_subject_has_a_file_in_each_room_that_it_needs(room: str) -> None:
    folder = ROOMS[room]
    needed = {subject for subject, rooms in SUBJECTS.items() if room in rooms}
    there = {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"} - BESIDE_SUBJECTS[room]

    empty = {name for name in needed & there if is_empty(ROOT / folder / f"{name}.py")}
    wrong = {
        "is missing: add it, or say in SUBJECTS that the subject does not need it": needed - there,
        "is of no subject: name it in SUBJECTS, or in BESIDE_SUBJECTS": there - needed,
        "is empty: take it away, and say in SUBJECTS that the subject does not need it": empty,
    }
    problems = [f"{folder}/{name}.py {why}" for why, names in wrong.items() for name in sorted(names)]
    assert not problems, "\n".join([*problems, "SUBJECTS and BESIDE_SUBJECTS are in tests/test_subjects.py"])


def test_a_reading_has_a_field_for_each_subject() -> None:
    of_none = {"sampled_since_boot", "process_list_is_partial", "driver_errors"}
    fields = {field.name for field in dataclasses.fields(GpuReading)} - of_none

    assert fields == SUBJECTS.keys() - {"xid"}, (
        "GpuReading (agent/readings/gpu/__init__.py) and SUBJECTS (tests/test_subjects.py) differ"
    )
