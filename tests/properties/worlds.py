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

    def failures(self, path: str) -> set[int]:
        """The statuses with which an agent may fail here, although the request for this path is valid."""
        if self.scenario == "no-driver":
            return {500, 503}
        return {503} if self.scenario == "lost" and path.endswith("/ready") else set()


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
