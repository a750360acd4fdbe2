"""A file for each section: its `run(quick=…)` measures and yields one row at a time."""
