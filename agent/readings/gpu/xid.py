"""XID errors of one GPU, as they are counted."""

from __future__ import annotations

from typing import NamedTuple


class XidCount(NamedTuple):
    """How often the driver reported one XID on a GPU."""

    times: int
    last_at: float  # seconds since the epoch
