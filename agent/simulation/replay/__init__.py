"""Replays a document of `nvidia-smi -q -x`: the simulated NVML says what the document says.

`document` reads the file, `words` understands what a tag says; the other files are what becomes of it.
"""

from agent.simulation.replay.document import MAX_BYTES, DocumentError, read_document
from agent.simulation.replay.library import replay

__all__ = ["MAX_BYTES", "DocumentError", "read_document", "replay"]
