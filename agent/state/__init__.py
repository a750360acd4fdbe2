"""What outlives a restart: one SQLite file in STATE_DIR. Without that, sqlite3 is not even imported.

Each subject has a file of its own (`history.py`, `xids.py`, `usage.py`, `idle.py`, `seen.py`, `names.py`)
with a `SUBJECT`: its tables (`create`), how rows are written into them (`write`), and how they are kept
within bounds (`age`). `schema.py` lists the subjects, and has the version of the file with the steps from
each to the next. `parts.py` says what is kept of a Snapshot, `restore.py` what is read at the start. A
subject file imports sqlite3 for types alone, so that a route may import its query.

How a row comes into the file:

    Snapshot ─> Keeper, once a minute ─> `Rows(SUBJECT, rows)` ─> `Store.put(batch)` ─> thread: a transaction

The Keeper (`keeper.py`) is called on the event loop with every Snapshot and asks each of its parts for rows
once a minute, and once at the end. A part is a function `(Snapshot) -> Rows | None`. An urgent part (XIDs
that have changed) is asked with each Snapshot, and what it has is put at once. That takes the place of an
urgent batch that still waits, so each has all of those before, and so has the batch of the next minute. Rows
are tuples of what SQLite knows: int, float, str, bytes, None; once put, nobody changes them.

A batch is written again where it is not sure whether it was: `write` must come to the same whether it runs
once or twice. So a sum is written as it stands, by UPSERT, never as what came on top. What this process has
not read it does not overwrite: the file may have been away when it started. A sum has the column `run`,
`Store.run`, which no other process ever has; `age` may add up the rows of other runs, in its transaction.

How it comes back: `Store.start(restore)` runs `restore(connection)` in the thread, before a row is written.
How it is asked: `await Store.read(query)` runs `query(connection)` in a thread, on a connection that can only
read; at most four wait, a second each, else StoreBusy.

Times in the file are seconds since the epoch. CLOCK_BOOTTIME means nothing after a reboot, so what ends with
a boot has the boot's id beside it (`agent.sources.boot`). GPUs stand once in the table `gpus`, and others
refer to them by number: `(SELECT id FROM gpus WHERE uuid = ?)`. The Keeper puts those of the Snapshot before;
rows of other GPUs bring their own, for the file may have begun anew.
"""
