"""The conditions in which an agent may get a request."""

from __future__ import annotations

from dataclasses import dataclass

from tests.http.wire import A_TOKEN


@dataclass(frozen=True, slots=True)
class World:
    """The settings and driver of an agent, and the credential of a client."""

    settings: dict[str, str]
    scenario: str = "healthy"
    credential: str | None = None

    @property
    def admits(self) -> bool:
        return "TOKEN" not in self.settings or self.credential is not None

    @property
    def has_driver(self) -> bool:
        return self.scenario != "no-driver"


GUARDED = {"TOKEN": A_TOKEN, "API_KEYS": "a key,another"}
WORLDS = {
    "open": World({}),
    "no credential": World(GUARDED),
    "TOKEN": World(GUARDED, credential=A_TOKEN),
    "bearer, prefix, history": World(
        {**GUARDED, "URL_PREFIX": "server1", "HISTORY_INTERVAL": "1"}, credential=f"Bearer {A_TOKEN}"
    ),
    "no driver": World({}, scenario="no-driver"),
    "a GPU lost": World({"HISTORY_INTERVAL": "1"}, scenario="lost"),
    "MIG": World({}, scenario="mig"),
}
