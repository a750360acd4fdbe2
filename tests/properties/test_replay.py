"""A document with any text in its tags is replayed or refused; nothing else happens."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from xml.sax.saxutils import escape

from hypothesis import given
from hypothesis import strategies as st

from agent.readings import SourceError
from agent.simulation.replay.document import DocumentError, parse_document
from agent.simulation.replay.library import replay_document
from agent.sources.gpu import GpuSource
from agent.sources.nvml import DriverSource
from tests.properties import PROPERTY

FOLDER = Path(__file__).parents[1] / "hardware" / "documents"
DOCUMENTS = [path.read_text() for path in sorted(FOLDER.glob("*.xml"))]
TEXT = re.compile(r">([^<>\n]*)</")  # of a tag without inner tags
WORDS = [
    "",
    "N/A",
    "-1",
    "4294967295",
    "9" * 30,
    "1e400",
    "nan",
    "GPU is lost",
    "GPU requires reset",
    "x" * 300,
]


@PROPERTY
@given(
    st.sampled_from(DOCUMENTS),
    st.dictionaries(st.integers(0, 200), st.sampled_from(WORDS) | st.text(max_size=12), max_size=40),
)
def test_a_document_with_any_text_is_replayed_or_refused(document: str, words: dict[int, str]) -> None:
    tags = list(TEXT.finditer(document))
    changes = {tags[number % len(tags)].span(1): text for number, text in words.items()}
    for (start, end), text in sorted(changes.items(), reverse=True):
        document = document[:start] + escape(text) + document[end:]
    try:
        simulation = replay_document(parse_document(document), pcie_window_seconds=0)
    except DocumentError:
        return  # with a character that is invalid in XML
    with simulation:
        with suppress(SourceError):
            DriverSource().read()
        for gpu in simulation.gpus:
            source = GpuSource(gpu.index)
            with suppress(SourceError):
                source.read()
                source.measure_slow_counters()
                source.read()
