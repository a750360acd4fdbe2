"""TOKEN_FILE has one token on each line, or is refused as a whole, without showing its content."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from agent.settings.stamp import Stamp
from agent.settings.token_file import MAX_BYTES, TokenFile, comments_are_tokens, read_token_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        pytest.param("hunter2", ("hunter2",), id="no newline"),
        pytest.param("hunter2\n", ("hunter2",), id="a newline"),
        pytest.param("hunter2\r\n", ("hunter2",), id="written on Windows"),
        pytest.param("hunter2\nhunter3\n", ("hunter2", "hunter3"), id="two"),
        pytest.param("\n  \nhunter2\n\r\n\nhunter3\n\n", ("hunter2", "hunter3"), id="blank lines"),
        pytest.param("hunter2\nhunter3\nhunter2\n", ("hunter2", "hunter3"), id="one twice"),
        pytest.param("käse und brot\n# no comment", ("käse und brot", "# no comment"), id="no other syntax"),
        pytest.param("t" * MAX_BYTES, ("t" * MAX_BYTES,), id="the maximum size"),
    ],
)
def test_each_line_that_is_not_blank_is_a_token(tmp_path: Path, content: str, tokens: tuple[str]) -> None:
    path = tmp_path / "token"
    path.write_bytes(content.encode())
    assert read_token_file(str(path)).tokens == tokens


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        pytest.param("hunter2\nhunter#3\n", (), id="none"),
        pytest.param("\n# tokens of the team\nhunter2\n#\n", (2, 4), id="two"),
        pytest.param("# a\n# a\n", (1,), id="one token twice"),
    ],
)
def test_the_lines_that_look_like_comments_are_known_by_number(
    tmp_path: Path, content: str, lines: tuple[int, ...]
) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    assert read_token_file(str(path)).comment_lines == lines


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ((1,), "TOKEN_FILE has no comments: line 1 is a token although a # is in front"),
        ((1, 3), "TOKEN_FILE has no comments: lines 1, 3 are tokens although a # is in front"),
    ],
)
def test_one_sentence_tells_of_comments_that_are_tokens(lines: tuple[int, ...], sentence: str) -> None:
    assert comments_are_tokens(lines) == sentence


NO_TOKEN = "holds something else than printable latin-1 without blanks at either end at line"  # noqa: S105  a sentence


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"", "holds no token", id="empty"),
        pytest.param(b"\n \r\n", "holds no token", id="only blank lines"),
        pytest.param(b"hunter2 \n", f"{NO_TOKEN} 1", id="blank at the end"),
        pytest.param(b"hunter2\n\n hunter3", f"{NO_TOKEN} 3", id="one of two lines is invalid"),
        pytest.param(b"hunter2\xff", f"{NO_TOKEN} 1", id="not UTF-8"),
        pytest.param("hunter2 €".encode(), f"{NO_TOKEN} 1", id="not latin-1"),
        pytest.param(b"hunter2\0", f"{NO_TOKEN} 1", id="NUL"),
        pytest.param(b"hunter2\rhunter3", f"{NO_TOKEN} 1", id="other line ends"),
        pytest.param(b"hunter2\n" * MAX_BYTES, f"holds more than {MAX_BYTES} bytes", id="too long"),
    ],
)
def test_a_file_with_an_invalid_line_or_size_is_refused_as_a_whole(
    tmp_path: Path, content: bytes, why: str
) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="hold") as refused:
        read_token_file(str(path))
    assert why == str(refused.value)


@pytest.mark.parametrize(
    ("put", "why"),
    [
        pytest.param(lambda _path: None, "cannot be read (No such file or directory)", id="nothing"),
        pytest.param(lambda path: path.mkdir(), "is not a regular file", id="a folder"),
        pytest.param(os.mkfifo, "is not a regular file", id="a FIFO that nobody writes"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), "is not a regular file", id="a device"),
        pytest.param(
            lambda path: path.symlink_to(path),
            "cannot be read (Too many levels of symbolic links)",
            id="a circle",
        ),
    ],
)  # fmt: skip  # a file and its reason on one line
def test_anything_but_a_regular_file_is_refused_at_once(
    tmp_path: Path, put: Callable[[Path], object], why: str
) -> None:
    path = tmp_path / "token"
    put(path)
    for known in (None, Stamp(0, 0, 0, 0)):
        with pytest.raises(ValueError, match=r"read|regular") as refused:
            TokenFile(str(path)).read_if_changed(known)
        assert why == str(refused.value)
