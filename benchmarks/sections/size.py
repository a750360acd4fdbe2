"""The size of `/gpu` and of each event of its stream, with full process names."""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.server import PREFIX, SETTINGS, driver, running, sleepers
from benchmarks.table import Goal, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLE = "size: /gpu of 8 GPUs with 5 processes each, whose names have 7 to 34 characters"
GPUS = 8
NAMES = (
    "python3.12",
    "VLLM::EngineCore_DP0_TP0",
    "text-generation-inference-launcher",
    "ray::RayTrainWorker.execute",
    "gmx_mpi",
)
SETTLE = 3.0  # seconds of polling, because rates need two samples


def run(*, quick: bool) -> Iterator[Row]:  # noqa: ARG001  (every section is asked so; this one is always quick)
    """The agent's answer, uncompressed and as compressed for a client that accepts gzip."""
    with (
        tempfile.TemporaryDirectory() as folder,
        sleepers(5 * GPUS, named_programs(Path(folder))) as pids,
        running("agent", *driver(gpus=GPUS, pids=pids, call_us=0), **SETTINGS) as agent,
    ):
        until = time.monotonic() + SETTLE
        while time.monotonic() < until:
            agent.get(f"{PREFIX}/gpu")
            time.sleep(0.25)
        packed = agent.get(f"{PREFIX}/gpu", **{"Accept-Encoding": "gzip"})[1]
    body = gzip.decompress(packed)
    shown = {process["name"] for gpu in json.loads(body)["gpus"] for process in gpu["top_processes"]}
    if shown != set(NAMES):
        raise RuntimeError(f"The answer shows other names than {NAMES}: {shown}")
    yield Row("/gpu", len(body) / 1024, "KiB", goal=Goal("value", at_most=20))
    yield Row("/gpu, gzip", len(packed) / 1024, "KiB", goal=Goal("value", at_most=4))


def named_programs(folder: Path) -> list[str]:
    """Copies of `sleep` with the names of other programs."""
    sleep = shutil.which("sleep")
    if sleep is None:
        raise RuntimeError("Not found: sleep")
    programs = [folder / name for name in NAMES]
    for program in programs:
        program.symlink_to(sleep)
    return [str(program) for program in programs]
