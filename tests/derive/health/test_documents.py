"""docs/findings.md has every kind of finding and every XID, as the rules have them, and no other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from agent.derive.health import KINDS
from agent.derive.health.xid import APPLICATION_XID_SECONDS, HARDWARE_XID_SECONDS, verdict_on
from agent.derive.host_health import HOST_KINDS
from agent.derive.xid_catalogue import CATALOGUE, OLDER, PRODUCTS
from agent.sources.gpu.paces import ERRORS_PACE, UNWATCHED_PACE
from tests.support.agents import ROOT

if TYPE_CHECKING:
    from agent.derive.findings import Kind

PAGE = (ROOT / "docs" / "findings.md").read_text()
LASTS = {APPLICATION_XID_SECONDS: "10 minutes", HARDWARE_XID_SECONDS: "a day"}
HOPPER, VOLTA = (9, 0), (7, 0)


def verdicts(kind: Kind) -> str:
    """All verdicts that a kind can have."""
    return " or ".join(verdict.word for verdict in kind.verdicts)


VERDICTS = {kind.name: verdicts(kind) for kind in (*KINDS, *HOST_KINDS)}


def tables(heading: str) -> list[list[list[str]]]:
    """The tables below a heading, each without its head."""
    below = re.split(r"^#+ ", PAGE.split(f"\n{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    found = re.findall(r"((?:^\|.*\|\n)+)", below, re.MULTILINE)
    return [
        [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
        for table in found
    ]


@pytest.mark.parametrize(("heading", "kinds"), [("## Of a GPU", KINDS), ("## Of the host", HOST_KINDS)])
def test_the_page_has_every_kind_of_finding_word_for_word(heading: str, kinds: tuple[Kind, ...]) -> None:
    (rows,) = tables(heading)

    assert rows == [
        [f"`{kind.name}`", verdicts(kind), kind.when, kind.how_long, kind.source] for kind in kinds
    ], "docs/findings.md and KINDS (agent/derive/health/, agent/derive/host_health.py) differ"


def test_the_page_says_how_often_errors_are_read_with_and_without_a_client() -> None:
    times = {1: "once", 2: "twice"}
    watched, unwatched = (times[round(60 / pace)] for pace in (ERRORS_PACE, UNWATCHED_PACE))
    told = " ".join(PAGE.split())
    assert f"Error counts are read {watched} a minute while a client asks," in told
    assert f" and {unwatched} a minute while none does" in told


def test_every_kind_of_finding_has_a_unique_name() -> None:
    names = [kind.name for kind in (*KINDS, *HOST_KINDS)]

    assert len(names) == len(set(names))


def test_the_page_has_every_xid_of_the_catalogue() -> None:
    newer, older = tables("## XID errors")

    assert newer[:-1] == [
        [
            str(code),
            row.meaning,
            ", ".join(product for product in PRODUCTS if product in row.listed_for) or "none",
            row.immediate or "none",
            row.investigatory or "none",
            judged(code, HOPPER),
        ]
        for code, row in sorted(CATALOGUE.items())
    ], "docs/findings.md and CATALOGUE (agent/derive/xid_catalogue.py) differ"
    assert newer[-1][-1] == judged(9999, HOPPER)
    assert older == [[str(code), row.meaning, judged(code, VOLTA)] for code, row in sorted(OLDER.items())]


@pytest.mark.parametrize("reference", ["NVIDIA Health Validation", "Meta GCM health checks", "gpud"])
def test_the_tables_of_other_health_checks_name_findings_and_verdicts_of_the_rules(reference: str) -> None:
    (rows,) = tables(f"### {reference}")

    for check, there, here, why in rows:
        assert check, there
        assert why
        named = re.findall(r"`(\w+)` ([a-z ]+)", here)
        assert here == (", ".join(f"`{name}` {verdict}" for name, verdict in named) or "none"), check
        for name, verdict in named:
            assert VERDICTS.get(name) == verdict, f"{check}: {name}"


def judged(code: int, capability: tuple[int, int]) -> str:
    """The verdict on an XID, and for how long."""
    judged = verdict_on(code, capability)
    return "none" if judged is None else f"{judged[0].word}, {LASTS[judged[1]]}"
