"""Properties that hold for any input, not only for chosen examples.

Deterministic: the same cases in each run, and nothing is kept between runs.
"""

from __future__ import annotations

from hypothesis import settings

PROPERTY = settings(max_examples=50, deadline=None, derandomize=True, database=None)
