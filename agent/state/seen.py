"""The highest numbers seen: GPUs of the host, and NVLinks and PCIe lanes of each card in its slot.

A lower number later means a fault, or a part that was removed on purpose: after 14 days it counts as normal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings.restored import KeptCard
from agent.state.subject import DAY_SECONDS, Rows, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from sqlite3 import Connection

    from agent.readings import GpuReading, Snapshot
    from agent.state.subject import Ageing, Row

FORGOTTEN_AFTER = 14 * DAY_SECONDS  # seconds since the number was last reached

# `uuid` and `bus` are empty where it is about the host.
CREATE = (
    """
    CREATE TABLE seen (
        what TEXT, uuid TEXT, bus TEXT, most INTEGER, reached_at REAL, PRIMARY KEY (what, uuid, bus)
    ) WITHOUT ROWID
    """,
)


def rows(snapshot: Snapshot) -> Rows | None:
    """The highest numbers that are reached now.

    A number that is not reached has no row, so that it expires in the file.
    """
    found: list[Row] = []
    if snapshot.driver is not None and snapshot.driver.gpu_count >= max(snapshot.census.seen, 1):
        found.append(("gpus", "", "", snapshot.driver.gpu_count, snapshot.taken_at))
    for gpu in snapshot.gpus:
        identity = gpu.identity
        if gpu.reading is not None and identity.uuid and identity.pci_bus_id:
            key = (identity.uuid, identity.pci_bus_id)
            found += [(what, *key, most, snapshot.taken_at) for what, most in _reached(gpu.reading)]
    return Rows(SUBJECT, tuple(found)) if found else None


def restore(connection: Connection, now: float) -> tuple[int, dict[tuple[str, str], KeptCard]]:
    """The most GPUs at once, and the cards by UUID and PCI bus id. `now`: seconds since the epoch."""
    count, cards = 0, dict[tuple[str, str], KeptCard]()
    for what, uuid, bus, most in connection.execute(
        "SELECT what, uuid, bus, most FROM seen WHERE reached_at >= ?", (now - FORGOTTEN_AFTER,)
    ):
        if what == "gpus":
            count = most
        else:
            cards[uuid, bus] = cards.get((uuid, bus), KeptCard())._replace(**{what: most})
    return count, cards


def _reached(reading: GpuReading) -> Iterator[tuple[str, int]]:
    active = sum(link.is_active for link in reading.nvlink.links or ())
    if active and active >= reading.nvlink.most_active:
        yield "nvlinks", active
    pcie = reading.pcie
    if pcie.width and pcie.widest_under_load and pcie.width >= pcie.widest_under_load:
        yield "lanes", pcie.widest_under_load


def _write(connection: Connection, rows: Sequence[Row]) -> None:
    # A process that could not read the file at its start has lower numbers, which must not overwrite higher
    # ones.
    connection.executemany(
        "INSERT INTO seen VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET most = excluded.most, reached_at = excluded.reached_at"
        " WHERE excluded.most >= most OR reached_at < excluded.reached_at - ?",
        [(*row, FORGOTTEN_AFTER) for row in rows],
    )


def _age(connection: Connection, ageing: Ageing) -> None:
    # A clock that was ahead would keep them too long.
    connection.execute("UPDATE seen SET reached_at = ? WHERE reached_at > ?", (ageing.now, ageing.now))
    connection.execute("DELETE FROM seen WHERE reached_at < ?", (ageing.now - FORGOTTEN_AFTER,))


SUBJECT = Subject("seen", CREATE, _write, _age)
