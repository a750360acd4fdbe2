"""The names of Podman's containers, from the command line of their monitor.

Each container has a monitor, conmon, that Podman starts with the container's id and name, and that every
process of the container descends from. So Podman's socket is not needed, and rootless containers have names
too. A container that is renamed has its new name with its next start.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from agent.sources.attempt import attempt
from agent.sources.procfs import read_stat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.readings import Belonging
    from agent.sources.procfs import Content, Stat

    ReadCmdline = Callable[[int, Stat], Content | None]

MAX_ANCESTORS = 64  # of a process, that are looked at
MAX_NAMES = 1024  # that are remembered

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")


class PodmanNames:
    """Owned by one thread."""

    def __init__(self, proc_root: str) -> None:
        self._proc_root = proc_root
        # By the control groups: a user's own may claim the id of another's container, and any name for it.
        self._names: dict[bytes, str] = {}

    def with_names(
        self, belonging: Belonging, cgroup: Content | None, stat: Stat, read_cmdline: ReadCmdline
    ) -> Belonging:
        """The belonging with the name of its container, if it is one of Podman's.

        `read_cmdline` reads that of a process; None where it hangs or is refused.
        """
        container_id = belonging.container_id
        groups = cgroup.data if cgroup else b""
        if container_id is None or belonging.container_name is not None or b"/libpod-" not in groups:
            return belonging
        if groups not in self._names:
            name = self._find(container_id, stat, read_cmdline)
            if name is None:
                return belonging
            if len(self._names) >= MAX_NAMES:
                self._names.clear()
            self._names[groups] = name
        return replace(belonging, container_name=self._names[groups])

    def _find(self, container_id: str, stat: Stat, read_cmdline: ReadCmdline) -> str | None:
        for pid, ancestor in self._ancestors(stat):
            if ancestor.comm == b"conmon" and (cmdline := read_cmdline(pid, ancestor)):
                told_id, name = parse_conmon(cmdline)
                if told_id == container_id:
                    return name
        return None

    def _ancestors(self, stat: Stat) -> Iterator[tuple[int, Stat]]:
        """The parent of a process, its parent, and so on, until one is not there or not to be seen."""
        for _ in range(MAX_ANCESTORS):
            pid = stat.parent_pid
            parent = attempt(partial(read_stat, self._proc_root, pid), None)
            if parent is None:
                return
            yield pid, parent
            stat = parent


def parse_conmon(cmdline: Content) -> tuple[str | None, str | None]:
    """The id and the name of the container in the command line of its monitor."""
    words = cmdline.up_to(b"\0").split(b"\0")
    options = dict(zip(reversed(words[:-1]), reversed(words[1:]), strict=True))  # the first of each option
    container_id, name = (options.get(option, b"").decode(errors="replace") for option in (b"-c", b"-n"))
    return container_id or None, name if _NAME.fullmatch(name) else None
