"""The expected reading of a GPU of the compiled driver (benchmarks/driver/answers.py)."""

from __future__ import annotations

import pynvml

from agent.readings import (
    Clocks,
    Engines,
    Fabric,
    Fan,
    Fans,
    Gpm,
    GpuIdentity,
    GpuProcess,
    GpuReading,
    Inforom,
    LinkSample,
    Memory,
    MemoryErrors,
    Mig,
    Modes,
    NvLink,
    NvLinks,
    Pcie,
    Power,
    ProcessType,
    Recovery,
    RemapBanks,
    SramSources,
    Thermal,
    Throttling,
    Utilization,
)
from benchmarks.driver.answers import FIELDS, NUMBERS, TEXTS

UUID = "GPU-00000000-0000-0000-0000-000000000001"


def expected_reading(now: float) -> GpuReading:
    """The reading of the first GPU; for its PCIe part see `expected_pcie`."""
    return GpuReading(
        now,
        GpuIdentity(
            UUID,
            TEXTS["NAME"],
            "00000000:01:00.0",
            TEXTS["SERIAL"],
            TEXTS["PART_NUMBER"],
            TEXTS["VBIOS_VERSION"],
            (NUMBERS["COMPUTE_MAJOR"], NUMBERS["COMPUTE_MINOR"]),
            NUMBERS["ARCHITECTURE"],
            TEXTS["GSP_FIRMWARE_VERSION"],
            gsp_firmware_enabled=True,
        ),
        Memory(
            total_bytes=NUMBERS["MEMORY_TOTAL"],
            used_bytes=NUMBERS["MEMORY_USED"],
            free_bytes=NUMBERS["MEMORY_FREE"],
            reserved_bytes=NUMBERS["MEMORY_RESERVED"],
            bar1_total_bytes=NUMBERS["BAR1_TOTAL"],
            bar1_used_bytes=NUMBERS["BAR1_USED"],
        ),
        Utilization(NUMBERS["GPU_PERCENT"], NUMBERS["MEMORY_PERCENT"]),
        Gpm(
            True,
            pynvml.NVML_GPM_METRIC_SM_UTIL + 0.5,
            pynvml.NVML_GPM_METRIC_SM_OCCUPANCY + 0.5,
            pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL + 0.5,
            pynvml.NVML_GPM_METRIC_DRAM_BW_UTIL + 0.5,
        ),
        Engines(
            *(NUMBERS[f"{engine}_PERCENT"] for engine in ("ENCODER", "DECODER", "JPEG", "OFA")),
            *(NUMBERS[f"ENCODER_{what}"] for what in ("SESSIONS", "FPS", "LATENCY")),
            *(NUMBERS[f"CAPTURE_{what}"] for what in ("SESSIONS", "FPS", "LATENCY")),
        ),
        expected_power(),
        Clocks(
            graphics_mhz=NUMBERS["CLOCK"] + pynvml.NVML_CLOCK_GRAPHICS,
            memory_mhz=NUMBERS["CLOCK"] + pynvml.NVML_CLOCK_MEM,
            sm_mhz=NUMBERS["CLOCK"] + pynvml.NVML_CLOCK_SM,
            video_mhz=NUMBERS["CLOCK"] + pynvml.NVML_CLOCK_VIDEO,
            max_graphics_mhz=NUMBERS["MAX_CLOCK"] + pynvml.NVML_CLOCK_GRAPHICS,
            max_memory_mhz=NUMBERS["MAX_CLOCK"] + pynvml.NVML_CLOCK_MEM,
            max_sm_mhz=NUMBERS["MAX_CLOCK"] + pynvml.NVML_CLOCK_SM,
            max_video_mhz=NUMBERS["MAX_CLOCK"] + pynvml.NVML_CLOCK_VIDEO,
            event_reasons=NUMBERS["EVENT_REASONS"],
            supported_event_reasons=NUMBERS["SUPPORTED_EVENT_REASONS"],
        ),
        Throttling(
            power_cap_seconds=FIELDS[74].value / 1e9,
            sync_boost_seconds=FIELDS[76].value / 1e9,
            software_thermal_seconds=FIELDS[269].value / 1e9,
            hardware_thermal_seconds=FIELDS[270].value / 1e9,
            power_brake_seconds=FIELDS[271].value / 1e9,
            thermal_seconds=FIELDS[75].value / 1e9,
        ),
        Thermal(
            gpu_celsius=NUMBERS["TEMPERATURE"],
            memory_celsius=FIELDS[82].value,
            shutdown_celsius=NUMBERS["THRESHOLD"] + pynvml.NVML_TEMPERATURE_THRESHOLD_SHUTDOWN,
            slowdown_celsius=NUMBERS["THRESHOLD"] + pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN,
            max_operating_celsius=NUMBERS["THRESHOLD"] + pynvml.NVML_TEMPERATURE_THRESHOLD_GPU_MAX,
            memory_max_celsius=NUMBERS["THRESHOLD"] + pynvml.NVML_TEMPERATURE_THRESHOLD_MEM_MAX,
            margin_celsius=NUMBERS["MARGIN"],
            shutdown_margin_celsius=FIELDS[193].value,
            slowdown_margin_celsius=FIELDS[194].value,
            memory_max_margin_celsius=FIELDS[195].value,
            max_operating_margin_celsius=FIELDS[196].value,
        ),
        Fans(
            NUMBERS["FANS"],
            NUMBERS["FAN_PERCENT"],
            NUMBERS["FAN_RPM"],
            NUMBERS["TEMPERATURE"],
            tuple(Fan(NUMBERS["FAN_PERCENT"] + fan, NUMBERS["FAN_RPM"] + fan) for fan in range(2)),
        ),
        expected_pcie(),
        NvLinks(tuple(map(expected_link, range(2))), most_active=2),
        Fabric(
            state=3,
            status=pynvml.NVML_SUCCESS,
            status_words="Success",
            cluster_uuid="01020304-0506-0708-090a-0b0c0d0e0f10",
            clique_id=NUMBERS["FABRIC_CLIQUE"],
            health_summary=NUMBERS["FABRIC_HEALTH_SUMMARY"],
            bandwidth_degraded=True,
            route_recovery_in_progress=False,
            route_unhealthy=True,
            access_timeout_recovery=False,
            incorrect_configuration=3,
            partition_assigned=True,
            manager_connected=True,
        ),
        expected_memory_errors(),
        Inforom(is_valid=True),
        Modes(
            NUMBERS["PERFORMANCE_STATE"],
            persistence_mode=True,
            compute_mode=NUMBERS["COMPUTE_MODE"],
            virtualization_mode=0,
            addressing_mode=NUMBERS["ADDRESSING_MODE"],
        ),
        Recovery(FIELDS[230].value, channel_repair_pending=True, tpc_repair_pending=False),
        tuple(
            GpuProcess(
                pid,
                ProcessType.COMPUTE,
                NUMBERS["PROCESS_MEMORY"] + number,
                NUMBERS["PROCESS_PERCENT"],
                NUMBERS["PROCESS_PERCENT"] + 1,
                NUMBERS["PROCESS_PERCENT"] + 2,
                NUMBERS["PROCESS_PERCENT"] + 3,
            )
            for number, pid in enumerate((100, 300))
        ),
        mig=Mig(enabled=False, pending=False),
    )


def expected_power() -> Power:
    """In W and J; NVML reports mW and mJ."""
    memory, module = pynvml.NVML_POWER_SCOPE_MEMORY, pynvml.NVML_POWER_SCOPE_MODULE
    return Power(
        usage_watts=NUMBERS["POWER_USAGE"] / 1000,
        average_watts=FIELDS[185].value / 1000,
        instant_watts=FIELDS[186].value / 1000,
        limit_watts=NUMBERS["POWER_LIMIT"] / 1000,
        enforced_limit_watts=NUMBERS["POWER_ENFORCED_LIMIT"] / 1000,
        default_limit_watts=NUMBERS["POWER_DEFAULT_LIMIT"] / 1000,
        min_limit_watts=NUMBERS["POWER_MIN_LIMIT"] / 1000,
        max_limit_watts=NUMBERS["POWER_MAX_LIMIT"] / 1000,
        memory_average_watts=(FIELDS[185].value + memory) / 1000,
        memory_instant_watts=(FIELDS[186].value + memory) / 1000,
        module_average_watts=(FIELDS[185].value + module) / 1000,
        module_instant_watts=(FIELDS[186].value + module) / 1000,
        module_limit_watts=(FIELDS[190].value + module) / 1000,
        energy_joules=NUMBERS["ENERGY"] / 1000,
    )


def expected_pcie() -> Pcie:
    """Without the port, which the machine reports. The counters do not change."""
    sample = LinkSample(
        NUMBERS["PCIE_GENERATION"],
        NUMBERS["PCIE_WIDTH"],
        NUMBERS["PERFORMANCE_STATE"],
        NUMBERS["GPU_PERCENT"],
    )
    return Pcie(
        generation=NUMBERS["PCIE_GENERATION"],
        width=NUMBERS["PCIE_WIDTH"],
        max_generation=NUMBERS["PCIE_MAX_GENERATION"],
        max_width=NUMBERS["PCIE_MAX_WIDTH"],
        card_generation=NUMBERS["PCIE_CARD_GENERATION"],
        widest_under_load=NUMBERS["PCIE_WIDTH"],
        samples=(sample, sample),
        tx_kib_per_second=0.0,
        rx_kib_per_second=0.0,
        replays=NUMBERS["PCIE_REPLAYS"],
    )


def expected_link(link: int) -> NvLink:
    """Its peer is the GPU of the same number."""
    replay, recovery, flit, data = (NUMBERS["LINK_ERRORS"] + 1000 * counter + link for counter in range(4))
    return NvLink(
        link,
        is_active=True,
        version=NUMBERS["LINK_VERSION"],
        peer=f"00000000:{link + 1:02X}:00.0",
        speed_megabytes_per_second=FIELDS[164].value + link,
        tx_kib_per_second=0.0,
        rx_kib_per_second=0.0,
        replay_errors=replay,
        recovery_errors=recovery,
        crc_flit_errors=flit,
        crc_data_errors=data,
    )


def expected_memory_errors() -> MemoryErrors:
    """Totals by kind and counter, DRAM also by location, SRAM by the member of its struct."""
    total, sram, banks = NUMBERS["ECC_TOTAL"], NUMBERS["SRAM_ERRORS"], NUMBERS["REMAP_BANKS"]
    dram = NUMBERS["ECC_AT"] + 100 * pynvml.NVML_MEMORY_LOCATION_DRAM
    return MemoryErrors(
        ecc_enabled=True,
        ecc_pending=False,
        corrected_volatile=total,
        uncorrected_volatile=total + 10,
        corrected_aggregate=total + 1,
        uncorrected_aggregate=total + 11,
        sram_corrected_volatile=sram + 5,
        sram_corrected_aggregate=sram + 2,
        sram_uncorrected_volatile=2 * sram + 3 + 4,
        sram_uncorrected_aggregate=2 * sram + 0 + 1,
        sram_parity_volatile=sram + 3,
        sram_parity_aggregate=sram,
        sram_secded_volatile=sram + 4,
        sram_secded_aggregate=sram + 1,
        sram_sources=SramSources(
            l2=sram + 6, sm=sram + 7, microcontroller=sram + 9, pcie=sram + 8, other=sram + 10
        ),
        dram_corrected_volatile=dram,
        dram_corrected_aggregate=dram + 1,
        dram_uncorrected_volatile=dram + 10,
        dram_uncorrected_aggregate=dram + 11,
        retired_pages_corrected=NUMBERS["RETIRED_PAGES"],
        retired_pages_uncorrected=NUMBERS["RETIRED_PAGES"] + 1,
        retirement_pending=True,
        remapped_rows_corrected=NUMBERS["REMAPPED_ROWS"],
        remapped_rows_uncorrected=NUMBERS["REMAPPED_ROWS"] + 1,
        remapping_pending=True,
        remapping_failed=False,
        remap_banks=RemapBanks(banks, banks + 1, banks + 2, banks + 3, banks + 4),
        sram_threshold_exceeded=True,
        unrepairable_memory=True,
    )
