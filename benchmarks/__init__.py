"""How fast the agent is: `python -m benchmarks` measures it. Figures stand beside a floor of the same run."""
