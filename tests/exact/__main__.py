"""`python -m tests.exact`: write the files of tests/exact/answers again, for review."""

from __future__ import annotations

import asyncio

from tests.exact.answers import FOLDER, QUESTIONS, exact_agent
from tests.exact.reading import SNAPSHOT


async def write() -> None:
    """Write one file for each question."""
    FOLDER.mkdir(exist_ok=True)
    async with exact_agent() as agent:
        agent.show(SNAPSHOT)
        for file in QUESTIONS:
            (FOLDER / file).write_text(await agent.answer(file), "utf-8")


if __name__ == "__main__":
    asyncio.run(write())
