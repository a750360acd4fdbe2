"""Sampling: when to read, in which thread, and whether a value is current.

`worker.py` is a thread that owns one source, `contact.py` has those of the driver and its GPUs,
`collector.py` runs one round over all workers, `sampler.py` decides when a round is due and hands out its
Snapshot, `states.py` judges each GPU. `census.py` finds GPUs that are missing, `replaced_driver.py` a driver
that only a new process can use. State that is kept across Snapshots is here too: `ledger.py` (GPU-seconds and
idle time), `history.py`, `xid_watch.py`, and `waiting.py` (the queue of `/free`). Sources are known only by
protocols (`interfaces.py`).
"""
