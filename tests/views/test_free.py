"""The JSON of an offer in `/free`."""

from __future__ import annotations

from agent.derive.candidates import Candidate
from agent.derive.free import Wish, choose
from agent.views.free import cuda_visible_devices, free_view

GIB = 1024**3
KNOWN = Candidate(
    index=3,
    uuid="GPU-3",
    name="NVIDIA H100",
    obstacle=None,
    memory_total_bytes=80 * GIB,
    memory_free_bytes=70 * GIB + 52_429,
    temperature_celsius=30,
    peak_utilization_percent=7,
    compute_processes=0,
    users=frozenset(),
)
UNKNOWN = Candidate(
    index=1,
    uuid="GPU-1",
    name=None,
    obstacle=None,
    memory_total_bytes=None,
    memory_free_bytes=None,
    temperature_celsius=None,
    peak_utilization_percent=None,
    compute_processes=0,
    users=frozenset(),
)
LOST = Candidate(0, None, None, "it cannot be read: lost", None, None, None, None, None, frozenset())


def test_each_offered_gpu_has_every_value_in_its_unit() -> None:
    offer = choose([LOST, UNKNOWN, KNOWN], Wish(count=2))

    assert free_view(offer).model_dump(exclude_unset=True) == {
        "count": 2,
        "satisfied": True,
        "gpus": [
            {
                "idx": 3,
                "uuid": "GPU-3",
                "name": "NVIDIA H100",
                "free_memory_mb": 71680.1,
                "temperature_celsius": 30,
                "utilization_percent": 7,
                "compute_processes": 0,
            },
            {
                "idx": 1,
                "uuid": "GPU-1",
                "name": None,
                "free_memory_mb": None,
                "temperature_celsius": None,
                "utilization_percent": None,
                "compute_processes": 0,
            },
        ],
        "cuda_visible_devices": "GPU-3,GPU-1",
        "withheld": 0,
        "passed_over": [{"idx": 0, "reason": "it cannot be read: lost"}],
    }


def test_an_offer_of_too_few_gpus_lists_the_ones_that_are_free() -> None:
    view = free_view(choose([LOST, UNKNOWN, KNOWN], Wish(count=2), unavailable={"GPU-3"}))

    assert (view.satisfied, view.withheld, view.cuda_visible_devices) == (False, 1, "GPU-1")


def test_an_empty_offer_has_no_gpus_and_an_empty_string() -> None:
    offer = choose([LOST], Wish())

    assert (free_view(offer).gpus, cuda_visible_devices(offer)) == ([], "")
