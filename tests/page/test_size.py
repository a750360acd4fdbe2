"""The compressed page stays small, loads nothing from other origins, and its modules fit together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from agent.http import compression
from agent.http.web import ASSETS, SHELL, WEB

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FILES = sorted(WEB.iterdir())
MODULES = [file for file in FILES if file.suffix == ".js"]
IMPORT = re.compile(r'^import (?:\* as (\w+)|\{ ([^}]+) \}) from "\./(\w+\.js)";$', re.MULTILINE)


# The agent compresses the files, so comments and readable names add little.
# The files of the first view of a host. The overview of all hosts needs some more.
FIRST_VIEW = {"overview.js", "overview.css", *re.findall(r'(?:href|src)="web/([\w.]+)"', SHELL)}
SERVED = {"": SHELL.encode(), **ASSETS}


def compressed_bytes(names: Iterable[str]) -> int:
    """The total size of these files, each compressed separately."""
    return sum(len(compression.compress(SERVED[name])) for name in names)


def test_the_first_view_is_at_most_35_kilobytes_compressed() -> None:
    assert {"page.js", "style.css"} < FIRST_VIEW
    assert compressed_bytes({"", *FIRST_VIEW}) <= 35_000


def test_the_whole_page_is_at_most_90_kilobytes_compressed() -> None:
    assert compressed_bytes(SERVED) <= 90_000


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_file_uses_another_origin_or_inline_code(file: Path) -> None:
    text = file.read_text()

    # Permitted: an XML namespace, and a link for users.
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg|github\.com/nvidia-smi-web/agent/)", text)
    assert "innerHTML" not in text
    assert not re.search(r"\son\w+=|<style|style=", text)


@pytest.mark.parametrize("module", MODULES, ids=lambda file: file.name)
def test_every_import_of_a_module_exists_and_is_used(module: Path) -> None:
    text = module.read_text()
    body = IMPORT.sub("", text)

    for everything, names, source in IMPORT.findall(text):
        there = (WEB / source).read_text()
        assert names or f"{everything}." in body
        for name in filter(None, names.split(", ")):
            assert re.search(rf"^export (?:const|class|(?:async )?function) {name}\b", there, re.MULTILINE), (
                name
            )
            assert re.search(rf"\b{name}\b", body), f"{name} is not used"


def test_the_first_view_needs_no_further_import() -> None:
    """A browser loads six files at a time, and an imported file only after the importing one."""
    assert len(FIRST_VIEW) <= 5
    assert not IMPORT.findall(ASSETS["page.js"].decode())
    overview = ASSETS["overview.js"].decode()
    assert {source for _, _, source in IMPORT.findall(overview)} == {"page.js"}


@pytest.mark.parametrize(
    ("file", "name"), [("texts.js", "TEXTS"), ("words.js", "WORDS")], ids=["first", "views"]
)
def test_every_text_is_declared_once_and_used(file: str, name: str) -> None:
    """The texts of views that load later are in a separate file."""
    declared = (WEB / file).read_text().partition(f"export const {name} = {{")[2].partition("\n};")[0]
    texts = set(re.findall(r"^  (\w+):", declared, re.MULTILINE))
    code = "".join(module.read_text() for module in MODULES)
    used = set(re.findall(rf"\b{name}\.(\w+)", code))
    standing = set(re.findall(r'data-(?:text|label)="(\w+)"', SHELL)) if name == "TEXTS" else set()

    assert texts == standing | used


def test_the_shell_has_no_text_except_its_title_and_a_note_without_javascript() -> None:
    body = re.sub(r"<!--.*?-->|<noscript>.*?</noscript>", "", SHELL.partition("<body>")[2], flags=re.DOTALL)

    assert re.sub(r"<[^>]+>", "", body).split() == ["GPUs"]
