"""When to sample, in which thread, and how far a value can be trusted.

`worker.py` is a thread that owns one source, `contact.py` has those of the driver and its GPUs,
`collector.py` runs one round over all workers, `sampler.py` decides when a round is due and hands out its
Snapshot, `states.py` judges each GPU. `census.py` finds GPUs that are missing, `replaced_driver.py` a driver
that only a new process can use. What needs memory across Snapshots is here too: `ledger.py` (GPU-seconds and
idle time), `history.py`, `xid_watch.py`, and `waiting.py` (the queue of `/free`). Sources are known by
protocols alone (`interfaces.py`).
"""
