"""State that survives a restart: one SQLite file in STATE_DIR.

Without STATE_DIR, sqlite3 is not even imported.

Each subject has a file of its own (`history.py`, `xids.py`, `usage.py`, `idle.py`, `seen.py`, `names.py`)
with a `SUBJECT`: its tables (`create`), how rows are written into them (`write`), and how they are kept
within bounds (`age`). `schema.py` lists the subjects, and has the version of the file with the steps from
each to the next. `parts.py` lists what is kept of a Snapshot, `restore.py` what is read at the start. A
subject file imports sqlite3 only for types, so that a route may import its query.

How a row comes into the file:

    Snapshot ─> Keeper, once a minute ─> `Rows(SUBJECT, rows)` ─> `Store.put(batch)` ─> thread: a transaction

The Keeper (`keeper.py`) is called on the event loop with every Snapshot. It asks each of its parts for rows
once a minute, and once at the end. A part is a function `(Snapshot) -> Rows | None`. An urgent part (changed
XIDs) is asked with each Snapshot, and its rows are put at once. They replace an urgent batch that is still
waiting, so each urgent batch has all rows of the earlier ones, and so has the batch of the next minute. Rows
are tuples of SQLite's types: int, float, str, bytes, None; after `put` they must not change.

A batch is written again if it is uncertain whether it was written: `write` must be idempotent. So a sum is
written as a whole, by UPSERT, never as an increment. A process does not overwrite values that it has not
read, because the file may have been unavailable when it started. A sum has the column `run`, `Store.run`,
which is unique to the process; `age` may add up the rows of other runs, in its transaction.

How it comes back: `Store.start(restore)` runs `restore(connection)` in the thread, before a row is written.
How it is asked: `await Store.read(query)` runs `query(connection)` in a thread, on a connection that can only
read; at most four wait, a second each, else StoreBusy.

Times in the file are seconds since the epoch. CLOCK_BOOTTIME means nothing after a reboot, so rows that end
with a boot have the boot's id (`agent.sources.boot`). Each GPU has one row in the table `gpus`, and other
tables refer to it by number: `(SELECT id FROM gpus WHERE uuid = ?)`. The Keeper first puts the GPUs of the
Snapshot; rows of other GPUs add theirs, because the file may be new.
"""
