"""The text formats have the same bytes as those of Prometheus's own library."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from agent.views.prometheus.exposition import OPENMETRICS, TEXT, Family, number, text_of

NUMBERS = [0, 1, True, -1, 0.5, 1e6, 123_456_789, 1_234_567.25, 2**63, 1e300, 1e-7, -1e9, math.inf, -math.inf]
WORDS = st.text(st.characters(exclude_categories=["Cs"]))


class Theirs(Collector):
    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> list[Metric]:
        family = self._family
        kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
        theirs = kind(family.name, family.documentation, labels=list(family.labels))
        for labels, value in family.samples:
            theirs.add_metric(list(labels), value)
        return [theirs]


def theirs(family: Family, content_type: str) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Theirs(family))
    if content_type == OPENMETRICS:
        return bytes(generate_openmetrics(registry))
    return generate_latest(registry)


@settings(deadline=None)  # the machine may be loaded
@given(
    documentation=WORDS,
    texts=st.tuples(WORDS, WORDS),
    value=st.sampled_from(NUMBERS) | st.floats(allow_nan=False) | st.integers(-(2**63), 2**64),
)
@pytest.mark.parametrize("content_type", [TEXT, OPENMETRICS], ids=["text", "OpenMetrics"])
@pytest.mark.parametrize("kind", ["gauge", "counter"])
def test_any_family_has_the_same_bytes_as_from_the_prometheus_library(
    kind: str, content_type: str, documentation: str, texts: tuple[str, str], value: float
) -> None:
    for labels, values in ((("uuid", "gpu"), texts), ((), ())):
        family = Family(
            "nvidia_gpu_x",
            "counter" if kind == "counter" else "gauge",
            documentation,
            labels,
            [(values, value)],
        )
        assert text_of([family], content_type) == theirs(family, content_type)


@pytest.mark.parametrize(("label", "written"), [(7, b'"7"'), (None, b'"None"'), ("a\ud800", b'"a?"')])
def test_an_invalid_label_value_is_written_as_valid_text(label: Any, written: bytes) -> None:
    family = Family("nvidia_gpu_x", "gauge", "Help.", ("gpu",), [((label,), 1)])

    assert b"nvidia_gpu_x{gpu=%s} 1.0\n" % written in text_of([family], TEXT)


def test_nan_is_written_as_nan() -> None:
    assert number(math.nan) == "NaN"


@pytest.mark.parametrize(("content_type", "expected"), [(TEXT, b""), (OPENMETRICS, b"# EOF\n")])
def test_a_family_without_a_sample_is_left_out(content_type: str, expected: bytes) -> None:
    assert text_of([Family("nvidia_gpu_x", "gauge", "Help.", ())], content_type) == expected
