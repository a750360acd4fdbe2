"""The GPUs that a request selects, and the error for an unknown index."""

from __future__ import annotations

import pytest

from agent.http.errors import InvalidRequest
from agent.http.parameters import parse_indices, select
from agent.readings import GpuSample, GpuState

GPUS = [GpuSample(index, GpuState.STARTING) for index in range(3)]


@pytest.mark.parametrize(
    ("text", "indices"), [("", None), (" ", None), ("0, 01", {0, 1}), ("9999999999", {9_999_999_999})]
)
def test_indices_are_numbers_of_at_most_ten_digits(text: str, indices: set[int] | None) -> None:
    assert parse_indices(text) == indices


@pytest.mark.parametrize("text", ["10000000000", "-1", "1,", "a", "\u00b2", "\u0661"])
def test_any_other_text_is_an_invalid_index(text: str) -> None:
    with pytest.raises(
        InvalidRequest, match=r"Invalid GPU index: idx=.*; accepted: numbers joined by commas"
    ):
        parse_indices(text)


@pytest.mark.parametrize(
    ("gpus", "indices", "sentence"),
    [
        (3, {1, 3, 4}, "idx=3; the indices of this host: 0 to 2"),
        (2, {2}, "idx=2; the indices of this host: 0 to 1"),
        (1, {1}, "idx=1; the indices of this host: 0"),
        (0, {0}, "idx=0; the indices of this host: none"),
    ],
)
def test_the_error_of_an_unknown_index_lists_the_indices_of_the_host(
    gpus: int, indices: set[int], sentence: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        select(GPUS[:gpus], frozenset(indices))
    assert refused.value.message == f"Invalid GPU index: {sentence}"


def test_gpus_are_selected_in_the_order_of_the_host() -> None:
    assert select(GPUS, None) == GPUS
    assert select(GPUS, frozenset({2, 0})) == [GPUS[0], GPUS[2]]
