"""How fast the agent is: `uv run --group slow python -m benchmarks`. Figures stand beside a floor of the same run."""
