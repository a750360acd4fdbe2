"""One file per section of a run: `run(quick=…)` measures, a row at a time."""
