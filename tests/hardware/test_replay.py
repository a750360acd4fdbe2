"""The answers for a replayed document have its values, field by field."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.hardware.comparing import leaves
from tests.hardware.replayed import Answers, differences
from tests.hardware.replayed_details import DETAILS, DETAILS_ALONE
from tests.hardware.smi import Missing, number_at, parse, parse_xml
from tests.support.agents import agent_client

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    import httpx

pytestmark = pytest.mark.anyio

DOCUMENTS = sorted((Path(__file__).parent / "documents").glob("*.xml"))
# A folder with more documents, for example of your own hosts.
FOLDER = os.environ.get("NVIDIA_SMI_DOCUMENTS", "")
MORE = sorted(Path(FOLDER).glob("*.xml")) if FOLDER else []
DEADLINE = 20.0  # seconds until both windows of every PCIe link have been measured


async def answers_for(path: Path, root: Element) -> Answers:
    async with agent_client(SIMULATE_GPUS=str(path)) as client:
        rich = await settled(client, root)
        status, mig = await client.get("/status"), await client.get("/status?mig=1")
        metrics = await client.get("/metrics")
    return Answers(rich, status.json()["data"], mig.json()["data"], metrics.text)


async def settled(client: httpx.AsyncClient, root: Element) -> Any:
    """`/gpu?detail=1`, once the host and every throughput in the document have been read."""
    reported = [not isinstance(number_at(gpu, "pci/tx_util"), Missing) for gpu in root.findall("gpu")]
    end = time.monotonic() + DEADLINE
    while True:
        answer = (await client.get("/gpu?detail=1")).json()
        waits = any(
            is_reported and gpu["state"] == "ok" and gpu["pcie"]["tx_throughput_mbps"] is None
            for is_reported, gpu in zip(reported, answer["gpus"], strict=True)
        )
        waits |= answer["system_info"]["memory"]["top_processes"] is None
        if not waits or time.monotonic() > end:
            return answer
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
async def test_the_answers_for_each_document_have_its_values(path: Path) -> None:
    await check(path)


@pytest.mark.slow
@pytest.mark.parametrize("path", [*DOCUMENTS, *MORE], ids=lambda path: path.stem)
async def test_the_answers_for_each_of_your_own_documents_have_its_values(path: Path) -> None:
    await check(path)


async def check(path: Path) -> None:
    text = read(path)
    root = parse_xml(text)
    found = list(differences(await answers_for(path, root), parse(text), root))
    assert not found, "\n".join([f"{len(found)} differ", *found])


def read(path: Path) -> str:
    return path.read_text()


# Texts that are only once in this document, and another text for each.
CHANGED = {
    "691.02 W": "691.20 W",
    "65112 MiB": "65113 MiB",
    "65094 MiB": "65095 MiB",
    "97 %": "96 %",
    "45 C": "46 C",
    "42 C": "43 C",
    "-8 C": "-7 C",
    "91403 us": "91404 us",
    "<state>Completed": "<state>Not Started",
    "<route_unhealthy>False": "<route_unhealthy>True",
    "1740 MHz": "1741 MHz",
    "431 KB/s": "432 KB/s",
    "<clocks_event_reason_sw_power_cap>Active": "<clocks_event_reason_sw_power_cap>Not Active",
    "<uuid>GPU-7": "<uuid>GPU-8",
    "<pid>41877": "<pid>41878",
    "580.95.05": "580.95.06",
    "580.95.07": "580.95.08",
    "613 MiB": "614 MiB",
    "<addressing_mode>HMM": "<addressing_mode>ATS",
    "<virtualization_mode>None": "<virtualization_mode>VGPU",
    "<product_architecture>Hopper": "<product_architecture>Blackwell",
    "<pending_ecc>Disabled": "<pending_ecc>Enabled",
    "<pending_mig>Disabled": "<pending_mig>Enabled",
    "<max_device_link_gen>6": "<max_device_link_gen>5",
    "<max_host_link_gen>4": "<max_host_link_gen>5",
    "210.00 W": "211.00 W",
    "720.00 W": "721.00 W",
    "112.40 W": "112.60 W",
    "1488.29 W": "1488.49 W",
    "2900.00 W": "2901.00 W",
    "<session_count>3": "<session_count>4",
    "<average_latency>5233": "<average_latency>5234",
    "<sram_uncorrectable_parity>62": "<sram_uncorrectable_parity>60",
    "<dram_correctable>74": "<dram_correctable>76",
    "<sram_pcie>84": "<sram_pcie>86",
}


async def test_the_comparison_finds_each_changed_value_of_a_document() -> None:
    path = next(path for path in DOCUMENTS if path.stem == "h200_driver_580")
    text = read(path)
    answers = await answers_for(path, parse_xml(text))
    for text_there, other in CHANGED.items():
        changed = text.replace(text_there, other)
        assert changed != text, text_there
        assert list(differences(answers, parse(changed), parse_xml(changed))), text_there
    missing = text.replace("45 C", "N/A")
    assert list(differences(answers, parse(missing), parse_xml(missing))), "a missing value is invented"


async def test_every_detail_is_compared_or_has_a_reason_why_not() -> None:
    async with agent_client(SIMULATE_GPUS=str(DOCUMENTS[-1])) as client:
        detail = (await client.get("/gpu?detail=1")).json()["gpus"][0]["detail"]
    compared = {path for path, _ in DETAILS} | set(DETAILS_ALONE)
    objects = ("remapped_rows.banks", "ecc.sram.sources", "unknown", "failed")
    found = {next((name for name in objects if path.startswith(name)), path) for path in leaves(detail)}
    assert found | set(objects) == compared, "a new detail stands in tests/hardware/replayed_details.py"
