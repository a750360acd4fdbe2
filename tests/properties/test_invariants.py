"""Properties of all derived values: rounding, the pace of sampling, the choice of GPUs."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from agent.derive.candidates import Candidate
from agent.derive.free import Wish, choose, could_ever, why_not
from agent.derive.rounding import percent, sum_if_all_known, tenths, whole
from agent.sampling.pace import TOLERANCE, Pace, is_due, next_due
from agent.views.units import gib, iso_utc, mib
from tests.properties import PROPERTY

POLL_LINGER_INTERVALS = 3

# All values that are rounded. Above 2^52 a float has no halves, and the largest, milliseconds since 1970, are
# far below.
MEASURED = st.floats(-(2.0**40), 2.0**52) | st.integers(0, 1000).map(lambda number: number / 20)
SECONDS = st.floats(0, 1e7)
INTERVAL = st.floats(0.5, 3600)

# Rounding


@PROPERTY
@given(MEASURED)
def test_rounding_is_to_the_nearest_and_halves_up(value: float) -> None:
    assert abs(whole(value) - value) <= 0.5
    assert abs(tenths(value) - value) <= 0.05 + abs(value) * 1e-15
    half = math.floor(value % 2.0**40) + 0.5
    assert whole(half) == half + 0.5


@PROPERTY
@given(MEASURED, MEASURED)
def test_rounding_keeps_the_order(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert whole(low) <= whole(high)
    assert tenths(low) <= tenths(high)


@PROPERTY
@given(st.floats(0, 1e9))
def test_rounding_twice_changes_nothing(value: float) -> None:
    assert whole(whole(value)) == whole(value)
    assert tenths(tenths(value)) == tenths(value)


@PROPERTY
@given(st.none() | st.integers(0, 2**63), st.none() | st.integers(0, 2**63))
def test_a_percentage_is_known_if_both_numbers_are(part: int | None, total: int | None) -> None:
    share = percent(part, total)
    assert (share is None) == (part is None or not total)
    assert share is None or part is None or total is None or (share <= 100) == (part * 100 / total <= 100)
    if share is not None and part is not None and total is not None and part <= total:
        assert 0 <= share <= 100


@PROPERTY
@given(st.lists(st.none() | st.integers(0, 2**40), max_size=5))
def test_a_sum_is_known_if_every_part_is(values: list[int | None]) -> None:
    assert (sum_if_all_known(*values) is None) == (None in values)


@PROPERTY
@given(st.integers(0, 2**53), st.integers(0, 2**32))
def test_conversions_of_units_lose_nothing(size: int, seconds: int) -> None:
    assert (mib(size) or 0.0) * 1024**2 == size
    assert (gib(size) or 0.0) * 1024**3 == size
    assert datetime.fromisoformat(iso_utc(seconds)).timestamp() == seconds


# Pace


@PROPERTY
@given(
    INTERVAL, st.just(0.0) | INTERVAL, SECONDS, st.lists(INTERVAL, max_size=4), SECONDS | st.just(-math.inf)
)
def test_samples_come_as_often_as_the_most_demanding_viewer_needs_and_not_more_often(
    sample: float, history: float, last_tick: float, streams: list[float], polled_at: float
) -> None:
    interval = Pace(sample, history).tick_interval(last_tick, streams, polled_at)
    wanted = [*streams, *([history] if history else [])]
    lingers = last_tick + sample <= polled_at + POLL_LINGER_INTERVALS * sample + TOLERANCE
    if not wanted and not lingers:
        assert interval is None
        return
    assert interval is not None
    assert interval in (*wanted, sample)
    assert all(interval <= one for one in wanted)
    assert not lingers or interval <= sample


@PROPERTY
@given(SECONDS, st.floats(-100, 100), INTERVAL)
def test_the_next_event_is_in_the_future_and_on_the_grid_of_a_reader_that_keeps_up(
    due: float, late: float, interval: float
) -> None:
    taken = due + late
    following = next_due(due, taken, interval)
    assert following > taken
    assert following >= due + interval
    assert following == (due + interval if taken < due + interval else taken + interval)


@PROPERTY
@given(SECONDS, SECONDS, SECONDS, INTERVAL)
def test_a_due_event_stays_due(due: float, taken: float, later: float, tick: float) -> None:
    assert is_due(due, due, tick)
    assert not is_due(due, taken, tick) or is_due(due, taken + later, tick)
    assert is_due(due, taken, tick) or taken < due


# The choice of GPUs

GIB = 1024**3


BUSY = ("ann", "bob", None)  # None: an unknown user


@st.composite
def hosts(draw: st.DrawFn) -> list[Candidate]:
    """Up to eight GPUs in any condition, most of them usable, linked in any way."""
    count = draw(st.integers(0, 8))
    seed = draw(st.randoms(use_true_random=False))
    share_of_links = seed.choice((0.0, 0.3, 1.0))
    links = {pair for pair in combinations(range(count), 2) if seed.random() < share_of_links}
    gpus = []
    for index in range(count):
        uuid = seed.choice((None, *[f"GPU-{index}"] * 5))
        free = seed.choice((None, 0, 20, 40, 60, 80, 80))
        gpus.append(
            Candidate(
                index=index,
                uuid=uuid,
                name=None,
                obstacle=seed.choice((None,) * 5 + ("stuck",)) if uuid else "its UUID is unknown",
                memory_total_bytes=80 * GIB,
                memory_free_bytes=None if free is None else free * GIB,
                temperature_celsius=seed.choice((None, 30, 31, 60)),
                peak_utilization_percent=seed.choice((None, 0, 0, 5, 50, 100)),
                compute_processes=seed.choice((None, 0, 0, 0, 1, 2)),
                users=frozenset(seed.sample(BUSY, seed.choice((0, 0, 1, 2)))),
                nvlink_neighbours=frozenset(sum(pair) - index for pair in links if index in pair),
            )
        )
    return gpus


WISHES = st.builds(
    Wish,
    count=st.integers(1, 9),
    min_free_memory_bytes=st.none() | st.integers(0, 4).map(lambda number: number * 20 * GIB),
    max_utilization_percent=st.none() | st.sampled_from([0, 4.5, 5.0, 49.5, 100]),
    exclude_users=st.frozensets(st.sampled_from(["ann", "eve"])),
)
KEPT = st.frozensets(st.integers(0, 7).map("GPU-{}".format), max_size=3)


@PROPERTY
@given(hosts(), WISHES, KEPT)
def test_an_offer_lists_every_gpu_once(
    gpus: list[Candidate], wish: Wish, unavailable: frozenset[str]
) -> None:
    offer = choose(gpus, wish, unavailable)
    listed = [*offer.gpus, *offer.unavailable, *(gpu for gpu, _ in offer.unsuitable)]
    assert len({gpu.index for gpu in listed}) == len(listed)
    could = [gpu for gpu in gpus if why_not(gpu, wish) is None]
    assert sorted(gpu.index for gpu in offer.unavailable) == [
        gpu.index for gpu in could if gpu.uuid in unavailable
    ]
    assert all(reason == why_not(gpu, wish) for gpu, reason in offer.unsuitable)
    assert len(offer.unsuitable) == len(gpus) - len(could)


@PROPERTY
@given(hosts(), WISHES, KEPT)
def test_an_offer_has_only_gpus_that_meet_the_request(
    gpus: list[Candidate], wish: Wish, unavailable: frozenset[str]
) -> None:
    offer = choose(gpus, wish, unavailable)
    for gpu in offer.gpus:
        assert gpu.obstacle is None
        assert gpu.uuid is not None
        assert gpu.uuid not in unavailable
        assert not gpu.users & wish.exclude_users
        assert not wish.exclude_users or None not in gpu.users
        if wish.min_free_memory_bytes is not None:
            assert gpu.memory_free_bytes is not None
            assert gpu.memory_free_bytes >= wish.min_free_memory_bytes
        if wish.max_utilization_percent is None:
            assert not gpu.compute_processes
        else:
            assert gpu.peak_utilization_percent is not None
            assert gpu.peak_utilization_percent <= wish.max_utilization_percent
    assert len(offer.uuids) == len(offer.gpus)


@PROPERTY
@given(hosts(), WISHES, KEPT)
def test_an_offer_is_satisfied_if_and_only_if_there_are_enough_gpus(
    gpus: list[Candidate], wish: Wish, unavailable: frozenset[str]
) -> None:
    offer = choose(gpus, wish, unavailable)
    available = [gpu for gpu in gpus if why_not(gpu, wish) is None and gpu.uuid not in unavailable]
    assert len(offer.gpus) == min(wish.count, len(available))
    assert offer.satisfied == (len(available) >= wish.count)


@PROPERTY
@given(hosts(), WISHES, KEPT)
def test_an_offer_is_sorted_in_any_order_of_the_gpus(
    gpus: list[Candidate], wish: Wish, unavailable: frozenset[str]
) -> None:
    """GPUs without compute processes come first; without links, then by memory, temperature and index."""
    offer = choose(gpus, wish, unavailable)
    in_use = [bool(gpu.compute_processes) for gpu in offer.gpus]
    assert in_use == sorted(in_use)
    assert choose(gpus[::-1], wish, unavailable).gpus == offer.gpus
    alone = choose([replace(gpu, nvlink_neighbours=frozenset()) for gpu in gpus], wish, unavailable).gpus
    ranks = [
        (
            bool(gpu.compute_processes),
            math.inf if gpu.memory_free_bytes is None else -gpu.memory_free_bytes,
            math.inf if gpu.temperature_celsius is None else gpu.temperature_celsius,
            gpu.index,
        )
        for gpu in alone
    ]
    assert ranks == sorted(ranks)


@PROPERTY
@given(hosts(), WISHES)
def test_a_satisfied_request_could_ever_be_satisfied(gpus: list[Candidate], wish: Wish) -> None:
    """A request that can never be satisfied is refused at once, and this one must not be."""
    assert not choose(gpus, wish).satisfied or could_ever(gpus, wish)
