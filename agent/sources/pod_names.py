"""The names of Kubernetes pods and containers, from the names of their log files.

No API and no socket: `/var/log/pods/NAMESPACE_POD_UID/CONTAINER/` and, for the container runtime's id,
`/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log`. Only the names of files are read, none is opened. Names
of namespaces, pods and containers are DNS names, which have no underscore.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from agent.sources.attempt import attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.readings import Belonging
    from agent.sources.side_thread import SideThread

RENEW_SECONDS = 10.0  # at most so often the folders are listed, and only for a pod or container not known yet
MAX_ENTRIES = (
    8192  # of a folder that are looked at; a node has a hundred pods, and keeps logs of some that ended
)

_NAME = r"([a-z0-9][a-z0-9.-]{0,252})"
# A pod's UID, or the hash of the manifest of a static pod, as in its control group.
_POD = re.compile(rf"{_NAME}_{_NAME}_([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}|[0-9a-f]{{32}})")
_CONTAINER = re.compile(rf"{_NAME}_{_NAME}_{_NAME}-([0-9a-f]{{64}})\.log")


class PodName(NamedTuple):
    """Of a pod, and of one of its containers if that was asked for."""

    namespace: str
    pod: str
    container: str | None = None


class PodNames:
    """Owned by the thread that asks. `root` has the kubelet's folders `pods` and `containers`; "": none.

    The folders are read beside, as a disk may hang.
    """

    def __init__(
        self, root: str, side_thread: SideThread, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._root = root
        self._clock = clock
        self._side_thread = side_thread
        self._names: dict[str, PodName] = {}  # by the UID of a pod, and by the id of a container
        self._listed_at = float("-inf")

    def with_names(self, belonging: Belonging) -> Belonging:
        """The belonging with the names of its pod and container, if known."""
        uid, container_id = belonging.pod_uid, belonging.container_id
        if not self._root or uid is None:
            return belonging
        if uid not in self._names or (container_id is not None and container_id not in self._names):
            self._list()
        found = self._names.get(container_id or "") or self._names.get(uid)
        if found is None:
            return belonging
        return replace(
            belonging,
            pod_namespace=found.namespace,
            pod_name=found.pod,
            container_name=found.container or belonging.container_name,
        )

    def _list(self) -> None:
        if self._clock() - self._listed_at < RENEW_SECONDS:
            return
        self._listed_at = self._clock()
        # All names or none: while the disk hangs, the previous ones are kept.
        for names in self._side_thread.read("names", self._read()):
            self._names = names or self._names

    def _read(self) -> Iterator[dict[str, PodName]]:
        names = {}
        for name in _entries(f"{self._root}/containers"):
            if container := _CONTAINER.fullmatch(name):
                names[container[4]] = PodName(container[2], container[1], container[3])
        # In a pod whose containers are known by their ids, another one was started by the pod itself.
        known = {(container.namespace, container.pod) for container in names.values()}
        for name in _entries(f"{self._root}/pods"):
            if pod := _POD.fullmatch(name):
                is_known = (pod[1], pod[2]) in known
                only = None if is_known else _the_only_entry(f"{self._root}/pods/{name}")
                names[pod[3]] = PodName(pod[1], pod[2], only)
        yield names


def _entries(folder: str, limit: int = MAX_ENTRIES) -> list[str]:
    def read() -> list[str]:
        with os.scandir(folder) as entries:
            return [entry.name for entry in islice(entries, limit)]

    return attempt(read, [])


def _the_only_entry(folder: str) -> str | None:
    """The container of a pod that has exactly one; with several it is unknown which."""
    names = _entries(folder, 2)
    return names[0] if len(names) == 1 and re.fullmatch(_NAME, names[0]) else None
