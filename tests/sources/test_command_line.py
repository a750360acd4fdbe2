"""The name and the command line of a process are harmless text of a bounded length."""

from __future__ import annotations

import pytest

from agent.sources.command_line import clean, command_text, full_name, parse_cmdline
from agent.sources.procfs import Content

CUT = b"a-long-program-"  # by the kernel, after 15 bytes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("python train.py", "python train.py", id="plain"),
        pytest.param("a\tb\nc\x00d", r"a\tb\nc\x00d", id="tab, newline, NUL"),
        pytest.param("\nann\u2028", r"\nann\u2028", id="newline before a name"),
        pytest.param(" ann ", "ann", id="blanks around it"),
        pytest.param("\x1b[31mred", r"\x1b[31mred", id="terminal escape"),
        pytest.param("a\x85b\x9bc\u2028d", r"a\x85b\x9bc\u2028d", id="C1 controls and line separator"),
        pytest.param(
            "gpj.\u202egnp \u2066x\u2069", r"gpj.\u202egnp \u2066x\u2069", id="changed text direction"
        ),
        pytest.param("\u061ca\u200eb\u200f", r"\u061ca\u200eb\u200f", id="text direction marks"),
        pytest.param("caf\udcc3", r"caf\udcc3", id="undecodable byte"),
        pytest.param("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb", id="emoji of two"),
        pytest.param("größe 模型", "größe 模型", id="any language"),
    ],
)
def test_control_characters_in_the_text_of_a_process_are_escaped(text: str, expected: str) -> None:
    assert clean(text) == expected
    clean(text).encode()


@pytest.mark.parametrize(
    ("arguments", "shown", "hidden"),
    [
        pytest.param(["python3", "a b.py", "-x"], "python3 a b.py -x", "python3", id="arguments"),
        pytest.param(
            ["title of its own", "", ""], "title of its own", "title", id="title set by the process"
        ),
        pytest.param(["sh", "-c", "a\nb"], r"sh -c a\nb", "sh", id="newline in an argument"),
        pytest.param(["a\x1b[2Kb", "-x"], r"a\x1b[2Kb -x", r"a\x1b[2Kb", id="terminal escape"),
        pytest.param(["\nroot: x"], r"\nroot: x", "root:", id="title that begins a line"),
        pytest.param([], "[worker]", "[worker]", id="kernel thread or zombie"),
        pytest.param(["", ""], "[worker]", "[worker]", id="only empty arguments"),
        pytest.param(None, None, None, id="not readable"),
    ],
)
def test_a_command_is_one_line_and_hides_its_arguments_on_request(
    arguments: list[str] | None, shown: str | None, hidden: str | None
) -> None:
    assert command_text(arguments, "worker", hide_arguments=False) == shown
    assert command_text(arguments, "worker", hide_arguments=True) == hidden


def test_a_process_without_arguments_and_name_has_no_command() -> None:
    assert command_text([], None, hide_arguments=False) is None


def test_an_endless_command_is_cut_after_4095_characters() -> None:
    shown = command_text(["prog", "x" * 100_000], "prog", hide_arguments=False)
    assert shown == "prog " + "x" * 4090 + "…"


@pytest.mark.parametrize("length", [4096, 4097])
def test_a_command_has_4096_characters_at_most(length: int) -> None:
    shown = command_text(["x" * length], "prog", hide_arguments=False)
    assert shown == ("x" * 4096 if length == 4096 else "x" * 4095 + "…")


@pytest.mark.parametrize(
    ("content", "arguments"),
    [
        pytest.param(Content(b"python3\0a b.py\0\0"), ["python3", "a b.py", ""], id="arguments"),
        pytest.param(Content(b"a title"), ["a title"], id="a title"),
        pytest.param(Content(b"a title\0of two"), ["a title of two"], id="a title that is longer"),
        pytest.param(Content(b""), [], id="a kernel thread"),
        pytest.param(Content(b"sh\0-c\0slee", is_cut=True), ["sh", "-c", "slee…"], id="cut in an argument"),
        pytest.param(Content("sh\0é".encode()[:-1], is_cut=True), ["sh", "…"], id="cut in a character"),
        pytest.param(Content(b"title\0\0\0", is_cut=True), ["title…"], id="a title, padded beyond the cut"),
    ],
)
def test_a_command_line_without_a_final_zero_byte_is_one_title(
    content: Content, arguments: list[str]
) -> None:
    assert parse_cmdline(content) == arguments


@pytest.mark.parametrize(
    ("comm", "arguments", "name", "hidden"),
    [
        pytest.param(CUT[:14], ["a-long-program-x"], "a-long-program", "a-long-program", id="not cut"),
        pytest.param(CUT, ["/opt/a-long-program-x"], "a-long-program-x", "a-long-program-x", id="cut"),
        pytest.param(CUT, ["another"], "a-long-program-", "a-long-program-", id="another program"),
        pytest.param(CUT, None, "a-long-program-", "a-long-program-", id="not readable"),
        pytest.param(
            CUT,
            ["a-long-program-: x", "-y"],
            "a-long-program-: x",
            "a-long-program-",
            id="a title with arguments",
        ),
        pytest.param(CUT, [CUT.decode() + "x" * 240], "a-long-program-" + "x" * 240, None, id="255 bytes"),
        pytest.param(CUT, [CUT.decode() + "x" * 241], "a-long-program-", None, id="256 bytes: no file name"),
        pytest.param("a-long-prográm".encode()[:15], None, "a-long-prográm", None, id="a whole character"),
        pytest.param("a-long-programé".encode()[:15], None, "a-long-program", None, id="cut in a character"),
        pytest.param(b"", None, None, None, id="none"),
    ],
)
def test_a_name_cut_by_the_kernel_is_completed_from_the_command_line(
    comm: bytes, arguments: list[str] | None, name: str | None, hidden: str | None
) -> None:
    assert full_name(comm, arguments, hide_arguments=False) == name
    if hidden is not None:
        assert full_name(comm, arguments, hide_arguments=True) == hidden
