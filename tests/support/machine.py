"""A machine with a directory of users and with processes of these users, in its own namespaces.

Its directory is a module for the C library's Name Service Switch, built here. Needs root and a C compiler.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.compiled import shared_library

if TYPE_CHECKING:
    from collections.abc import Sequence

ALICE, BOB, STRANGER = 20001, 20002, 20003
MODULE = Path(__file__).with_name("nss_directory.c")
# In the namespaces: replace /etc/nsswitch.conf by $1, start a process of each user in $2, run the rest.
ENTER = """
set -e
mount --bind "$1" /etc/nsswitch.conf
for user in $2; do setpriv --reuid "$user" --regid "$user" --clear-groups sleep 600 & done
shift 2
exec "$@"
"""


@dataclass
class Machine:
    """The machine; all its files are in `folder`."""

    folder: Path

    def directory(self, *, seconds: int = 0, is_away: bool = False) -> None:
        """Let the directory take so long for each answer from now on, or not answer while it is away."""
        new = self.folder / "new"
        new.write_text(f"{seconds} {'away' if is_away else 'there'}\n")
        new.replace(self.folder / "directory")

    @property
    def environ(self) -> dict[str, str]:
        """The variables with which the C library finds the directory."""
        return {"LD_LIBRARY_PATH": str(self.folder), "NSS_DIRECTORY": str(self.folder / "directory")}

    def inside(self, users: Sequence[int] = ()) -> list[str]:
        """The start of a command line, the rest of which runs there, beside a process of each user."""
        own = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        switch = str(self.folder / "nsswitch.conf")
        return [*own, "sh", "-c", ENTER, "sh", switch, " ".join(map(str, users))]


def build(folder: Path) -> Machine:
    """A machine whose directory answers at once. Skips if it cannot be made."""
    if os.getuid() != 0:
        pytest.skip("a directory of users needs root")
    (folder / "nsswitch.conf").write_text("passwd: files directory\n")
    shared_library(MODULE, folder / "libnss_directory.so.2")
    machine = Machine(folder)
    machine.directory()
    return machine
