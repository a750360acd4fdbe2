"""Derived values: pure functions over readings, without clock, thread or I/O.

Whether a GPU is active (`activity.py`) and healthy (`health/`, with a file of rules for each subject), what
slows it down (`throttling.py`), who holds it (`holdings.py`), which GPUs are free (`free.py`), what an XID
means (`xid.py`), and whether the host is healthy (`host_health.py`).
"""
