"""Measures how fast the agent is: `python -m benchmarks`. Each figure has a floor from the same run."""
