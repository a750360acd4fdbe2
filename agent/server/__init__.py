"""The process around the app: listening socket, TLS, HTTP protocol, signals, systemd, log, health probe.

Nothing here knows GPUs. `cli.py` puts it together; under another ASGI server only the log and
`single_worker.py` are used.
"""
