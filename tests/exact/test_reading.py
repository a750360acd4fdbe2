"""The reading that the exact answers are about: every field has a value of its own."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest

from agent.readings import HistoryReading, Snapshot
from agent.sampling.history import History
from tests.exact.reading import AGENT, COMPLETE, SNAPSHOT, before
from tests.exact.walking import fields_with_a_value, is_countable, leaves, names, readings

FILE = "tests/exact/reading.py"

# Fields without a value -> why.
EMPTY = {
    "Snapshot.driver_error": "there is one only without a driver",
    "KernelLogReading.error": "there is one only if the log is not read",
    "KernelLogReading.todo": "as error",
    "GpuSample.before": "there is one only of a GPU that sleeps",
    "RuntimePower.bus_ids": "sleeping GPUs have no values; see tests/faults/test_sleeping_gpus.py",
    "RuntimePower.are_suspended": "as bus_ids",
}
# Fields that may have a value that another field has -> why.
ALIKE = {
    "GpuSample.index": "it is the place in the list",
    "Topology.levels": "NVML has six levels",
    "Fabric.state": "NVML has three states, and three summaries and eight faults of a fabric",
    "Fabric.health_summary": "as its state",
    "Fabric.incorrect_configuration": "as its state",
    "Recovery.action": "an action other than 0 is a finding: GPU 2 has none",
}


def history() -> HistoryReading:
    remembered = History(10.0)
    remembered.add(before(SNAPSHOT, 10.0, 1))
    remembered.add(SNAPSHOT)
    reading = remembered.read(SNAPSHOT, 3600.0, COMPLETE)
    return replace(reading, gpus=tuple(reading.gpus))


def test_every_field_of_every_reading_has_a_value() -> None:
    fields = {f"{name}.{field}" for name, kind in readings().items() for field in names(kind)}
    held = fields_with_a_value(SNAPSHOT) | fields_with_a_value(history()) | fields_with_a_value(AGENT)

    assert len(fields) > 200
    assert fields - held - set(EMPTY) == set(), f"give them a value of their own in {FILE}"
    assert held & set(EMPTY) == set(), (
        "they have a value now: take them out of EMPTY (tests/exact/test_reading.py)"
    )


# Three GPUs can distinguish six flags of a reading. These two come from different functions and show in other
# places.
SEVENTH = {"MemoryErrors.ecc_pending", "MemoryErrors.remapping_pending"}

# Within each of these no two numbers or texts are the same.
WHOLES: dict[str, Any] = {
    **{f"GPU {gpu.index}": gpu for gpu in COMPLETE},
    "host": SNAPSHOT.host,
    "driver": SNAPSHOT.driver,
    "ledger": SNAPSHOT.ledger,
    "history": history(),
    "agent": AGENT,
}


@pytest.mark.parametrize("whole", WHOLES)
def test_no_two_fields_of_a_gpu_have_the_same_value(whole: str) -> None:
    holders: dict[Any, set[str]] = defaultdict(set)
    for leaf in leaves(WHOLES[whole]):
        if leaf.field not in ALIKE and is_countable(leaf.value):
            holders[leaf.value].add(leaf.field)

    assert len(holders) > 3, "the walk has seen the values"
    for value, fields in holders.items():
        assert len(fields) == 1, f"{sorted(fields)} are all {value!r} ({whole}): tell them apart in {FILE}"


def values_by_field(gpu: Any) -> dict[str, list[Any]]:
    """The values of each field of one GPU."""
    values: dict[str, list[Any]] = defaultdict(list)
    for leaf in leaves(gpu):
        values[leaf.field].append(leaf.value)
    return values


def test_no_field_has_the_same_value_on_two_gpus() -> None:
    first, second, third = (values_by_field(gpu) for gpu in COMPLETE)

    for field in first.keys() & second.keys() & third.keys():
        if is_countable(first[field][0]):
            both = [set(first[field]) & set(second[field]), set(second[field]) & set(third[field])]
            both += [set(first[field]) & set(third[field])]
            assert both == [set()] * 3, f"{field} is the same on two GPUs: tell them apart in {FILE}"


def test_each_flag_has_both_values_and_no_two_flags_of_a_reading_are_the_same() -> None:
    patterns: dict[str, tuple[bool, ...]] = {}
    for gpu in COMPLETE:
        for field, values in values_by_field(gpu).items():
            if isinstance(values[0], bool):
                patterns[field] = (*patterns.get(field, ()), *values)

    assert {"MemoryErrors.ecc_enabled", "Mig.enabled", "NvLink.is_active"} <= patterns.keys()
    for field, pattern in patterns.items():
        assert set(pattern) == {True, False}, f"{field} is always {pattern[0]}: show both in {FILE}"
    of_reading: dict[tuple[str, tuple[bool, ...]], list[str]] = defaultdict(list)
    for field, pattern in patterns.items():
        of_reading[field.partition(".")[0], pattern].append(field)
    for alike in of_reading.values():
        if set(alike) == SEVENTH:
            continue
        assert len(alike) == 1, f"{alike} are the same on every GPU: tell them apart in {FILE}"


def test_the_walk_finds_a_missing_value_and_a_repeated_one() -> None:
    """It finds a field without a value, and a field with the value of another."""
    bare = Snapshot(1.0, 2.0)

    assert "Snapshot.host" not in fields_with_a_value(bare)
    assert {leaf.field for leaf in leaves(Snapshot(3.0, 3.0)) if leaf.value == 3.0} == {
        "Snapshot.taken_at",
        "Snapshot.taken_monotonic",
    }
