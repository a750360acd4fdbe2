"""The boot ID of the machine, as reported by the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.sources.boot import boot_id

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"6c9c0e53-61a2\n", "6c9c0e53-61a2"), (b"a" * 65, "a" * 64), (b"\xff\n", ""), (None, "")],
)
def test_a_missing_or_unreadable_boot_id_is_empty(
    tmp_path: Path, content: bytes | None, expected: str
) -> None:
    if content is not None:
        (tmp_path / "sys/kernel/random").mkdir(parents=True)
        (tmp_path / "sys/kernel/random/boot_id").write_bytes(content)

    assert boot_id(str(tmp_path)) == expected
