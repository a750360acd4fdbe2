"""Every setting, and where its value comes from; secrets masked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check.report import Setting
from agent.settings import documented, masked
from agent.settings.environment import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.settings import Settings
    from agent.settings.environment import Given


def settings_in_force(given: Mapping[str, Given], settings: Settings | None) -> list[Setting]:
    """In the order of `--help`. `settings`: None where they are wrong; then the texts are shown."""
    values = settings.in_force() if settings is not None else {}
    return [_setting(row.name, row.default, given.get(row.name), values) for row in documented()]


def _setting(name: str, default: str, given: Given | None, values: Mapping[str, str]) -> Setting:
    if given is None:  # the value of TOKENS includes TOKEN, and that of API_KEYS API_KEY
        return Setting(name=name, value=default, origin=Origin.DEFAULT)
    return Setting(name=name, value=values.get(name, masked(name, given.text)), origin=given.origin)
