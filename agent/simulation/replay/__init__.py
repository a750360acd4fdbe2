"""Replays a document of `nvidia-smi -q -x`: the simulated NVML says what the document says.

`document` reads the file, and `words` reads values from the text of a tag. The other files set these values
in the simulated library, its GPUs, their processes and the host.
"""

from agent.simulation.replay.document import MAX_BYTES, DocumentError, read_document
from agent.simulation.replay.library import replay

__all__ = ["MAX_BYTES", "DocumentError", "read_document", "replay"]
