"""`--check`: what holds on this host, and what is wrong with it, without listening.

`command.py` runs it and `run.py` brings it together; `report.py` is the shape of the outcome (`--json`), and
`text.py` shows it to people. `settings.py`, `rights.py`, `port.py`, `driver.py` and `running.py` each look at
one thing. What the driver and the GPUs say comes from the agent itself, which `driver.py` runs for a moment
without a port.
"""
