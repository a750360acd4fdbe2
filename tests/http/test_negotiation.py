"""Content negotiation: the choice among the types that a client accepts."""

from __future__ import annotations

import pytest

from agent.http.negotiation import accepts_gzip, best_type, names_tag, names_type

TEXT, OPENMETRICS = "text/plain", "application/openmetrics-text"
PROMETHEUS = (
    f"{OPENMETRICS};version=1.0.0,{OPENMETRICS};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT),
        (PROMETHEUS, OPENMETRICS),
        (OPENMETRICS, OPENMETRICS),
        (OPENMETRICS.upper(), OPENMETRICS),
        (f"{OPENMETRICS};q=0", TEXT),
        (f"{OPENMETRICS};q=0.000, */*", TEXT),
        (f"{OPENMETRICS} ; q=0.4 , text/plain ; q=0.5", TEXT),
        (f"{OPENMETRICS};Q=0.6,text/plain;q=0.5", OPENMETRICS),
        (f"text/plain, {OPENMETRICS}", OPENMETRICS),
        (f"text/*;q=0.9, {OPENMETRICS};q=0.8", TEXT),
        ("application/*", OPENMETRICS),
        ("text/plain;q=0, */*", OPENMETRICS),
        ("text/plain;q=0.5, */*;q=0.6", OPENMETRICS),
        (f"*/*;q=0.9, {OPENMETRICS};q=0.1", TEXT),
        ("application/json", TEXT),
        ("*/*;q=0", TEXT),
        ("text/plain;q=0", TEXT),
        (f"{OPENMETRICS};q=0.9, text/plain;q=0.5, {OPENMETRICS};q=0.1", OPENMETRICS),
        (f"{OPENMETRICS};q=0.9;q=0.1, text/plain;q=0.5", OPENMETRICS),  # only the first is the weight
        (f"{OPENMETRICS};q=2, text/plain;q=0.1", TEXT),
        (f"{OPENMETRICS};q=high", TEXT),
        (f"{OPENMETRICS}x", TEXT),
        (f"x{OPENMETRICS}", TEXT),
        (",;,=;q=,", TEXT),
        ("," * 63 + OPENMETRICS, OPENMETRICS),
        ("," * 64 + OPENMETRICS, TEXT),  # more types than any client lists
        (OPENMETRICS + ";" * 30_000, OPENMETRICS),
        (OPENMETRICS + ";x" * 7 + ";q=0", TEXT),
        (OPENMETRICS + ";x" * 8 + ";q=0", OPENMETRICS),  # more parameters than any client sends
        (f"application/json;x={OPENMETRICS}", TEXT),
    ],
)
def test_the_chosen_format_is_the_one_with_the_highest_weight(accept: str, chosen: str) -> None:
    assert best_type(accept, (TEXT, OPENMETRICS)) == chosen


@pytest.mark.parametrize(
    ("accept_encoding", "packed"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("br, gzip, deflate", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=0.5, identity", False),
        ("gzip;q=0.5, identity;q=0.1", True),
        ("gzip;q=x", False),
        ("notgzip", False),
        ("identity;x=gzip", False),
    ],
)
def test_gzip_is_used_only_if_the_client_accepts_it(accept_encoding: str, packed: bool) -> None:
    assert accepts_gzip(accept_encoding) is packed


@pytest.mark.parametrize(
    ("accept", "is_named"),
    [
        ("text/event-stream", True),
        ("text/html, Text/Event-Stream;q=0.1", True),
        ("text/event-stream;q=0", False),
        ("text/*, */*", False),
        ("text/event-streams", False),
        ("", False),
    ],
)
def test_a_media_type_matches_only_by_its_full_name(accept: str, is_named: bool) -> None:
    assert names_type(accept, "text/event-stream") is is_named


@pytest.mark.parametrize(
    ("given", "has_it"),
    [
        ([], False),
        ([b'"a"'], True),
        ([b'W/"a"'], True),
        ([b'"b", W/"a"'], True),
        ([b'"b"', b'"a"'], True),
        ([b"*"], True),
        ([b" * "], True),
        ([b'"b"'], False),
        ([b"a"], False),
        ([b'"ab"'], False),
        ([b""], False),
    ],
)
@pytest.mark.parametrize("tag", [b'"a"', b'W/"a"'])
def test_an_entity_tag_matches_whether_weak_or_strong(given: list[bytes], has_it: bool, tag: bytes) -> None:
    headers = [(b"accept", b'"a"'), *((b"if-none-match", value) for value in given)]

    assert names_tag(headers, tag) is has_it
