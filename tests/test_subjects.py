"""One subject, one file name in every folder: everything about NVLink is in files named `nvlink.py`."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest

from agent.readings import GpuReading

ROOT = Path(__file__).parents[1]

# The folders that have a file for each subject.
FOLDERS = {
    "readings": "agent/readings/gpu",
    "sources": "agent/sources/gpu",
    "views": "agent/views/gpu",
    "metrics": "agent/views/prometheus",
    "simulation": "agent/simulation/nvml",
}
EVERY_FOLDER = frozenset(FOLDERS)

# Subject -> the folders that need a file of its name. GpuReading has a field of that name, except for XIDs.
SUBJECTS: dict[str, frozenset[str]] = {
    "clocks": EVERY_FOLDER,
    "engines": EVERY_FOLDER,
    "fabric": EVERY_FOLDER,
    "fans": EVERY_FOLDER,
    "gpm": EVERY_FOLDER,
    "identity": EVERY_FOLDER,
    "inforom": EVERY_FOLDER - {"views"},  # one value, which stands in `detail` itself
    "memory": EVERY_FOLDER,
    "memory_errors": EVERY_FOLDER,
    "mig": EVERY_FOLDER,
    "modes": EVERY_FOLDER,
    "nvlink": EVERY_FOLDER,
    "pcie": EVERY_FOLDER,
    "power": EVERY_FOLDER,
    "processes": EVERY_FOLDER,
    "recovery": EVERY_FOLDER,
    "thermal": EVERY_FOLDER,
    "throttling": EVERY_FOLDER,
    "unknown": EVERY_FOLDER - {"simulation"},
    "utilization": EVERY_FOLDER,
    "xid": EVERY_FOLDER,
}
# Folder -> its other files: those that join the subjects, and those that subjects share.
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
    """Whether a module defines nothing: it has only a docstring and imports."""
    statements = ast.parse(path.read_text()).body
    return not any(
        isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.Assign | ast.AnnAssign)
        for statement in statements
    )


@pytest.mark.parametrize("name", FOLDERS)
def test_a_subject_has_a_file_in_each_folder_that_it_needs(name: str) -> None:
    folder = FOLDERS[name]
    needed = {subject for subject, folders in SUBJECTS.items() if name in folders}
    there = {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"} - BESIDE_SUBJECTS[name]

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
