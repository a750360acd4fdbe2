"""Sampling: when to read, in which thread, and whether a value is current.

`worker.py` is a thread that owns one source, `contact.py` has those of the driver and its GPUs,
`collector.py` runs one round over all workers, `sampler.py` decides when a round is due and hands out its
Snapshot, `states.py` judges each GPU. `census.py` finds GPUs that are missing, `replaced_driver.py` a driver
that only a new process can use, and `sleep.py` lets the GPUs of laptops sleep. State that is kept across
Snapshots is here too: `ledger.py` (GPU-seconds and idle time), `usage.py` (GPU use by day), `history.py`,
`known_xids.py` (XIDs, from NVML and the kernel log), and `waiting.py` (the queue of `/free`). Sources are
known only by protocols (`interfaces.py`).
"""
