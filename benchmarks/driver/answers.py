"""The answers of the compiled driver, by macro of its source, in the units of NVML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

GIB = 1024**3

NUMBERS: Final[Mapping[str, int]] = {
    "CUDA_VERSION": 13000,
    "TOPOLOGY": 50,  # one system temperature
    "COMPUTE_MAJOR": 9,
    "COMPUTE_MINOR": 0,
    "ARCHITECTURE": 9,
    "MEMORY_TOTAL": 80 * GIB,
    "MEMORY_RESERVED": 1 * GIB + 1,
    "MEMORY_USED": 30 * GIB + 2,
    "MEMORY_FREE": 49 * GIB - 3,
    "BAR1_TOTAL": 128 * GIB,
    "BAR1_USED": 2 * GIB + 1,
    "GPU_PERCENT": 61,
    "MEMORY_PERCENT": 37,
    "ENCODER_PERCENT": 11,
    "DECODER_PERCENT": 12,
    "JPEG_PERCENT": 13,
    "OFA_PERCENT": 14,
    "ENCODER_SESSIONS": 2,
    "ENCODER_FPS": 59,
    "ENCODER_LATENCY": 1234,
    "CAPTURE_SESSIONS": 3,
    "CAPTURE_FPS": 29,
    "CAPTURE_LATENCY": 4321,
    "TEMPERATURE": 54,
    "THRESHOLD": 90,  # plus the number of the threshold
    "MARGIN": 33,
    "FANS": 2,
    "FAN_PERCENT": 41,  # plus the number of the fan
    "FAN_RPM": 2100,  # plus the number of the fan
    "POWER_USAGE": 312_345,
    "POWER_LIMIT": 650_000,
    "POWER_ENFORCED_LIMIT": 640_000,
    "POWER_DEFAULT_LIMIT": 700_000,
    "POWER_MIN_LIMIT": 200_000,
    "POWER_MAX_LIMIT": 710_000,
    "ENERGY": 12_345_678_901,
    "CLOCK": 1400,  # plus the number of the clock
    "MAX_CLOCK": 1900,  # plus the number of the clock
    "EVENT_REASONS": 0x4,
    "SUPPORTED_EVENT_REASONS": 0x1FF,
    "VIOLATION": 5_000_000_000,  # plus the number of the policy
    "PERFORMANCE_STATE": 0,
    "COMPUTE_MODE": 3,
    "ADDRESSING_MODE": 1,
    "PCIE_GENERATION": 4,
    "PCIE_MAX_GENERATION": 5,
    "PCIE_CARD_GENERATION": 6,
    "PCIE_WIDTH": 8,
    "PCIE_MAX_WIDTH": 16,
    "PCIE_REPLAYS": 7,
    "PCIE_THROUGHPUT": 1000,
    "LINK_VERSION": 7,
    "LINK_ERRORS": 5000,  # plus 1000 times the number of the counter, plus the link
    "ECC_TOTAL": 6000,  # plus 10 times the kind, plus the number of the counter
    "ECC_AT": 7000,  # plus 100 times the place in addition
    "SRAM_ERRORS": 8000,  # plus the number of the member of its struct
    "REMAPPED_ROWS": 4,
    "REMAP_BANKS": 100,  # plus the number of the member of its struct
    "RETIRED_PAGES": 20,  # plus the number of the cause
    "FABRIC_CLIQUE": 17,
    "FABRIC_HEALTH_MASK": 0b01_01_0011_10_01_10_01,
    "FABRIC_HEALTH_SUMMARY": 2,
    "PROCESS_MEMORY": 3 * GIB,  # plus the number of the process
    "PROCESS_PERCENT": 21,  # utilization of the SMs; each of the others is one more
}
TEXTS: Final[Mapping[str, str]] = {
    "DRIVER_VERSION": "580.95.05",
    "NVML_VERSION": "13.580.95.05",
    "NAME": "NVIDIA H100 80GB HBM3",
    "SERIAL": "1650523000123",
    "PART_NUMBER": "692-2G520-0200-000",
    "VBIOS_VERSION": "96.00.61.00.01",
    "GSP_FIRMWARE_VERSION": "580.95.05 GSP",
}


class Field(NamedTuple):
    """A field value: 64 bits if `wide`, else 32. With `counts_scopes`, the number of the scope is added."""

    value: int
    wide: bool = False
    counts_scopes: bool = True


FIELDS: Final[Mapping[int, Field]] = {  # by field id
    74: Field(1_000_000_000, wide=True),
    75: Field(2_000_000_000, wide=True),
    76: Field(3_000_000_000, wide=True),
    82: Field(66),
    90: Field(25_000),
    138: Field(1_000_000, wide=True),
    139: Field(2_000_000, wide=True),
    161: Field(NUMBERS["LINK_ERRORS"]),  # as reported by nvmlDeviceGetNvLinkErrorCounter
    162: Field(NUMBERS["LINK_ERRORS"] + 1000),
    163: Field(2 * NUMBERS["LINK_ERRORS"] + 5000),  # the sum of both kinds of CRC errors
    164: Field(26_562),
    165: Field(1, counts_scopes=False),  # up
    166: Field(NUMBERS["LINK_VERSION"], counts_scopes=False),
    185: Field(300_000),
    186: Field(310_000),
    190: Field(630_000),
    193: Field(5),
    194: Field(6),
    195: Field(7),
    196: Field(8),
    197: Field(1 << 40, wide=True),
    198: Field(1 << 41, wide=True),
    230: Field(0),
    269: Field(4_000_000_000, wide=True),
    270: Field(5_000_000_000, wide=True),
    271: Field(6_000_000_000, wide=True),
}
