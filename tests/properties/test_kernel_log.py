"""The reader of the kernel log reads any file to its end, and uses only complete lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from agent.readings.kernel_lines import XidLine
from agent.sampling.kernel_log_tally import Tally
from agent.sources.kernel_lines import parse
from agent.sources.kernel_log import KernelLogSource
from tests.properties import PROPERTY

if TYPE_CHECKING:
    import pytest

WORDS = st.sampled_from(
    [
        *(
            "NVRM: Xid (PCI:",
            "0000:3b:00",
            "10000:01:00.0",
            " GPU-I:02",
            "): ",
            "79",
            "31",
            ", pid=",
            "7",
            "'<unknown>'",
        ),
        *(
            ", name=",
            "a, b",
            "GPU has fallen off the bus.",
            "NVRM: GPU ",
            ": ",
            "\n",
            "NVRM: GPU at PCI:",
            "GPU-",
        ),
        *(
            "nvidia-nvswitch",
            "SXid (PCI:",
            "Fatal, ",
            "Link 30",
            "nvidia ",
            "reset done",
            "giving up",
            "\0",
            "é",
        ),
    ]
)
TEXT = st.lists(WORDS, max_size=12).map("".join) | st.text(max_size=60)


@PROPERTY
@given(TEXT)
def test_any_line_is_an_event_or_ignored(text: str) -> None:
    line = parse(text)

    if isinstance(line, XidLine):
        assert text.startswith("NVRM: Xid (")
    if line is not None:
        Tally().take(1.0, line)


@PROPERTY
@given(st.lists(st.binary(max_size=60) | TEXT.map(lambda text: f"4,1,2,-;{text}".encode()), max_size=8))
def test_any_bytes_are_read_to_the_end(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes]
) -> None:
    path = tmp_path_factory.getbasetemp() / "kmsg"
    path.write_bytes(b"\n".join(records))
    source = KernelLogSource(str(path), device=None)
    source.begin()

    batch = source.read()
    source.close()

    assert batch.is_all
    assert len(batch.lines) <= sum(record.count(b"\n") + 1 for record in records)
