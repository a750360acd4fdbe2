"""`--check`: the settings in force on this host and what is wrong with it, without listening on a port.

`command.py` runs the check and `run.py` combines its parts. `report.py` defines the report (`--json`), and
`text.py` formats it for people. `settings.py`, `rights.py`, `port.py`, `driver.py` and `running.py` each
check one thing. `driver.py` runs the agent itself for a moment, without a port, to read the driver and the
GPUs.
"""
