"""A mutant is the module with one small change. Code that no test can notice is never changed."""

from __future__ import annotations

import pytest

from tests.mutants.mutations import mutants


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("LIMIT = 5", ["LIMIT = (6)", "LIMIT = (4)"]),
        ("SHOWN = True", ["SHOWN = (False)"]),
        ("a = b < c", ["a = (b <= c)", "a = (b >= c)"]),
        ("a = b is None", ["a = (b is not None)"]),
        (
            "a = b < c <= d",
            [f"a = ({other})" for other in ("b <= c <= d", "b >= c <= d", "b < c < d", "b < c > d")],
        ),
        ("a = b and c and d", ["a = (b or c or d)"]),
        ("a = not b", ["a = b"]),
        ("a = b * (c + d)", ["a = (b / (c + d))", "a = b * ((c - d))"]),
        ("a = b if c else d", ["a = (b if not c else d)"]),
        ("a = max(b, c)", ["a = min(b, c)"]),
        ("seen.add(gpu)", ["pass"]),
        ("await seen()", ["pass"]),
        ("count += step", ["count -= step"]),
        ("def a():\n    return b", ["def a():\n    return None"]),
        ("for a in b:\n    continue", ["for a in b:\n    break"]),
        ("a = 'é', not b", ["a = 'é', b"]),
    ],
)
def test_each_mutant_has_one_change(source: str, changed: list[str]) -> None:
    assert [mutant.source for mutant in mutants(source)] == changed


@pytest.mark.parametrize(
    "source",
    [
        '"""Twice 2."""',
        "a: Literal[1]",
        "def a(b: Literal[1]) -> Literal[2]: ...",
        "@dataclass(frozen=True)\nclass A: ...",
        "if TYPE_CHECKING:\n    a = 1",
        "TYPE_CHECKING = False",
        "log.warning('GPU %d is lost', 7)",
        "a = f'{b + 1}'",
        "a = 'b' + c",
        "a = zip(b, c, strict=True)",
    ],
)
def test_code_without_behaviour_is_not_changed(source: str) -> None:
    assert mutants(source) == []


def test_a_mutant_has_the_line_and_the_text_of_its_change() -> None:
    (mutant,) = mutants("a = b\nc = (\n    d and e\n)\n")

    assert mutant[:3] == (3, "d and e", "(d or e)")
    assert mutant.source == "a = b\nc = (\n    (d or e)\n)\n"
