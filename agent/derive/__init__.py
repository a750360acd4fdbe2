"""Understanding: pure functions over readings, without clock, thread or I/O.

Whether a GPU is active (`activity.py`) and healthy (`health.py`; `health_rules.py` has a rule for each
trouble, `driver_errors.py` the one for what the driver fails to tell), what slows it down (`throttling.py`),
who holds it (`holdings.py`) and which GPUs are free (`free.py`).
"""
