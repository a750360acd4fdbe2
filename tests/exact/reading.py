"""One Snapshot in which every field of every reading has a value of its own.

The numbers are not plausible, but different: within a GPU no two are the same, and no field is the same
on two GPUs. `test_reading.py` checks that, and names the missing fields.

GPUs 0 to 2 report everything; GPU 3 is lost; GPU 4 is free; GPU 5 can be read, but reports little.
"""

from __future__ import annotations

from dataclasses import replace

from agent.readings import (
    NVSWITCH,
    AgentReading,
    Belonging,
    Blamed,
    Clocks,
    DiskIo,
    DriverReading,
    Engines,
    Fabric,
    Fan,
    Fans,
    Gpm,
    GpuCensus,
    GpuIdentity,
    GpuProcess,
    GpuReading,
    GpuSample,
    GpuState,
    HostProcess,
    HostReading,
    Inforom,
    Job,
    KernelLogReading,
    Lately,
    LedgerReading,
    LinkSample,
    Memory,
    MemoryErrors,
    Mig,
    MigInstance,
    Modes,
    NvLink,
    NvLinks,
    NvSwitch,
    Pcie,
    Power,
    ProcessesReading,
    ProcessType,
    ProcessUse,
    Reason,
    Recovery,
    RemapBanks,
    Scheduler,
    Snapshot,
    SramSources,
    SxidCount,
    Thermal,
    Throttling,
    Topology,
    Unknown,
    UserUse,
    Utilization,
    XidCount,
    XidSource,
)
from tests.support.readings import with_values

MIB, GIB = 1024**2, 1024**3
MORE = 629_146  # 0.6 MiB, so that rounding differs from cutting off
TAKEN_AT = 1_757_926_889.5
MONOTONIC = 50_000.25
SINCE_BOOT = 80_000.5

# On the GPUs 0 to 2: six patterns that differ from each other, because one true flag looks like any other.
# The seventh, of another reading, repeats one of them.
PENDING_RETIREMENT = (True, False, False)
PENDING_REMAPPING = (False, True, False)
FAILED_REMAPPING = (True, True, False)
ECC = (False, False, True)
PERSISTENCE = (True, False, True)
GPM = (True, False, False)
MIG = (False, True, False)
SRAM_THRESHOLD = (True, False, True)
UNREPAIRABLE = (False, True, True)
CHANNEL_REPAIR = (True, False, False)
TPC_REPAIR = (False, False, True)
INFOROM = (False, True, True)
FABRIC = {
    "bandwidth_degraded": (True, False, False),
    "route_recovery_in_progress": (False, True, False),
    "route_unhealthy": (False, False, True),
    "access_timeout_recovery": (True, True, False),
    "partition_assigned": (True, False, True),
    "manager_connected": (False, True, True),
}
PENDING_ECC = (False, True, False)
PENDING_MIG = (True, False, False)
GSP_FIRMWARE = (False, True, True)
PARTIAL_LIST = (False, False, True)
RESET_SINCE = (False, False, True)
REQUIRES_RESET = (False, True, False)


def _process(n: int, position: int, kind: ProcessType) -> GpuProcess:
    k = 100 * n + 10 * position
    return GpuProcess(
        pid=1_000 + k,
        type=kind,
        gpu_memory_bytes=(700 + k) * MIB + MORE,
        sm_utilization_percent=30 + 3 * position + n,
        memory_utilization_percent=45 + 3 * position + n,
        encoder_utilization_percent=60 + 3 * position + n,
        decoder_utilization_percent=75 + 3 * position + n,
        mps=n == 1,
    )


PROCESSES = tuple(
    tuple(_process(n, position, kind) for position, kind in enumerate(ProcessType)) for n in range(3)
)


OF_PACKETS = (  # only of NVLink 5
    "malformed_packet_errors",
    "buffer_overrun_errors",
    "receive_errors",
    "receive_remote_errors",
    "receive_general_errors",
    "local_link_integrity_errors",
    "transmit_discards",
    "failed_recoveries",
    "effective_errors",
    "symbol_errors",
)


def _nvlink(n: int, link: int, *, is_active: bool, peer: str) -> NvLink:
    k = 40 * n + 10 * link
    return NvLink(
        link=link,
        is_active=is_active,
        version=250 + k,
        peer=peer,
        speed_megabytes_per_second=41_001 + k,
        counts_packets=n == 1,
        tx_kib_per_second=1024 * (20_001.5 + k),
        rx_kib_per_second=1024 * (30_003.5 + k),
        replay_errors=2_201 + k,
        recovery_errors=2_402 + k,
        crc_flit_errors=2_603 + k,
        crc_data_errors=2_804 + k,
        **{name: 4_001 + 100 * place + k for place, name in enumerate(OF_PACKETS if n == 1 else ())},
    )


# GPU 0 leads to GPU 4 by one link, and has a dead one; GPUs 2 and 4 lead to the same switches.
NVLINKS = (
    _nvlink(0, 13, is_active=True, peer="00000000:47:00.0"),
    _nvlink(0, 14, is_active=False, peer="00000000:9B:00.0"),
)
TO_SWITCHES = tuple(replace(_nvlink(1, link, is_active=True, peer=NVSWITCH), link=link) for link in (29, 30))


def _mig_instance(mig_index: int, position: int) -> MigInstance:
    k = 10 * position
    process = _process(1, 3 + position, ProcessType.COMPUTE)
    return MigInstance(
        mig_index=mig_index,
        uuid=f"MIG-uuid-{mig_index}",
        name=f"NVIDIA Model B MIG {mig_index}g.10gb",
        memory_total_bytes=(5_100 + k) * MIB + MORE,
        memory_used_bytes=(2_501 + k) * MIB + MORE,
        memory_free_bytes=(2_002 + k) * MIB + MORE,
        gpu_instance_id=6_001 + k,
        compute_instance_id=6_002 + k,
        processes=(process,),
    )


MIG_INSTANCES = (_mig_instance(8, 0), _mig_instance(9, 1))


# The link of GPU 1 is slow under load.
LINK_SAMPLES = (
    LinkSample(generation=291, width=294, performance_state=297, gpu_percent=331),
    LinkSample(generation=1, width=6, performance_state=0, gpu_percent=332),
    LinkSample(generation=293, width=296, performance_state=299, gpu_percent=333),
)


def _identity(n: int) -> GpuIdentity:
    return GpuIdentity(
        uuid=f"GPU-uuid-{n}",
        name=f"NVIDIA Model {'ABC'[n]}",
        pci_bus_id=f"00000000:{n}B:00.0",
        serial=f"serial-{n}",
        part_number=f"part-number-{n}",
        vbios_version=f"vbios-{n}",
        compute_capability=(140 + n, 150 + n),
        architecture=(9, 7, 8)[n],
        gsp_firmware_version=f"gsp-firmware-{n}",
        gsp_firmware_enabled=GSP_FIRMWARE[n],
    )


def _memory(n: int) -> Memory:
    return Memory(
        total_bytes=(40_000 + 5_000 * n) * MIB + MORE,
        used_bytes=(25_001 + 4_000 * n) * MIB + MORE,
        free_bytes=(14_003 + 1_000 * n) * MIB + MORE,
        reserved_bytes=(711 + n) * MIB + MORE,
        bar1_total_bytes=(16_384 + n) * MIB + MORE,
        bar1_used_bytes=(1_111 + n) * MIB + MORE,
    )


def _power(n: int) -> Power:
    return Power(
        usage_watts=183.5 + 10 * n,
        average_watts=211.5 + 10 * n,
        instant_watts=233.5 + 10 * n,
        limit_watts=277.5 + 10 * n,
        enforced_limit_watts=255.5 + 10 * n,
        default_limit_watts=301.5 + 10 * n,
        min_limit_watts=101.5 + 10 * n,
        max_limit_watts=407.5 + 10 * n,
        memory_average_watts=43.5 + n,
        memory_instant_watts=47.5 + n,
        module_average_watts=1_201.5 + n,
        module_instant_watts=1_211.5 + n,
        module_limit_watts=2_901.5 + n,
        energy_joules=9_876_543.5 + n,
    )


def _clocks(n: int) -> Clocks:
    return Clocks(
        graphics_mhz=1_515 + n,
        memory_mhz=9_751 + n,
        sm_mhz=1_410 + n,
        video_mhz=1_230 + n,
        max_graphics_mhz=1_980 + n,
        max_memory_mhz=10_501 + n,
        max_sm_mhz=2_110 + n,
        max_video_mhz=1_770 + n,
        event_reasons=(0x1A4, 0x4B, 0x113)[n],  # each of the nine on some GPU; no slowdown on GPU 2
        supported_event_reasons=(0x7FF, 0x17F, 0x13F)[n],  # two GPUs do not report all nine
    )


def _thermal(n: int) -> Thermal:
    return Thermal(
        gpu_celsius=113 + n,
        memory_celsius=96 + n,
        shutdown_celsius=107 + n,
        slowdown_celsius=104 + n,
        max_operating_celsius=101 + n,
        memory_max_celsius=110 + n,
        margin_celsius=-1 - n,
        shutdown_margin_celsius=-11 - n,
        slowdown_margin_celsius=-21 - n,
        memory_max_margin_celsius=-31 - n,
        max_operating_margin_celsius=-41 - n,
    )


def _pcie(n: int) -> Pcie:
    return Pcie(
        generation=3 + n,
        width=(8, 10, 4)[n],
        max_generation=4 + n,
        max_width=12 + n,
        card_generation=311 + n,
        port_generation=321 + n,
        port_width=261 + n,
        widest_under_load=271 + n,
        samples=(LINK_SAMPLES[n], LINK_SAMPLES[n]),
        tx_kib_per_second=1024 * (2_222.5 + n),
        rx_kib_per_second=1024 * (3_333.5 + n),
        replays=8_001 + n,
    )


def _throttling(n: int) -> Throttling:
    return Throttling(
        power_cap_seconds=4_251.825 + n,
        sync_boost_seconds=351.125 + n,
        software_thermal_seconds=361.125 + n,
        hardware_thermal_seconds=371.125 + n,
        power_brake_seconds=381.125 + n,
        thermal_seconds=391.125 + n,
    )


def _fabric(n: int) -> Fabric:
    return Fabric(
        state=(2, 1, 3)[n],
        status=411 + n,
        status_words=f"Status {n}",
        cluster_uuid=f"cluster-uuid-{n}",
        clique_id=421 + n,
        health_summary=(3, 2, 1)[n],
        incorrect_configuration=(5, 4, 6)[n],
        **{name: answers[n] for name, answers in FABRIC.items()},
    )


def _memory_errors(n: int) -> MemoryErrors:
    return MemoryErrors(
        ecc_enabled=ECC[n],
        ecc_pending=PENDING_ECC[n],
        corrected_volatile=501 + n,
        uncorrected_volatile=511 + n,
        corrected_aggregate=521 + n,
        uncorrected_aggregate=531 + n,
        sram_corrected_volatile=5_001 + n,
        sram_corrected_aggregate=5_011 + n,
        sram_uncorrected_volatile=5_021 + n,
        sram_uncorrected_aggregate=5_031 + n,
        sram_parity_volatile=5_041 + n,
        sram_parity_aggregate=5_051 + n,
        sram_secded_volatile=5_061 + n,
        sram_secded_aggregate=5_071 + n,
        sram_sources=SramSources(
            l2=5_081 + n, sm=5_091 + n, microcontroller=5_101 + n, pcie=5_111 + n, other=5_121 + n
        ),
        dram_corrected_volatile=5_131 + n,
        dram_corrected_aggregate=5_141 + n,
        dram_uncorrected_volatile=5_151 + n,
        dram_uncorrected_aggregate=5_161 + n,
        retired_pages_corrected=541 + n,
        retired_pages_uncorrected=551 + n,
        retirement_pending=PENDING_RETIREMENT[n],
        remapped_rows_corrected=561 + n,
        remapped_rows_uncorrected=571 + n,
        remapping_pending=PENDING_REMAPPING[n],
        remapping_failed=FAILED_REMAPPING[n],
        remap_banks=RemapBanks(all=601 + n, most=611 + n, some=621 + n, few=631 + n, none=641 + n),
        sram_threshold_exceeded=SRAM_THRESHOLD[n],
        unrepairable_memory=UNREPAIRABLE[n],
    )


def _reading(n: int) -> GpuReading:
    return GpuReading(
        sampled_since_boot=SINCE_BOOT - 30 - n,
        identity=_identity(n),
        memory=_memory(n),
        utilization=Utilization(gpu_percent=90 + n, memory_controller_percent=93 + n),
        gpm=Gpm(
            supported=GPM[n],
            sm_activity_percent=71.5 + n,
            sm_occupancy_percent=27.5 + n,
            tensor_activity_percent=36.5 + n,
            dram_activity_percent=66.5 + n,
        ),
        engines=Engines(
            encoder_percent=15 + n,
            decoder_percent=18 + n,
            jpeg_percent=21 + n,
            ofa_percent=24 + n,
            encoder_sessions=341 + n,
            encoder_fps=351 + n,
            encoder_latency_microseconds=361 + n,
            capture_sessions=371 + n,
            capture_fps=381 + n,
            capture_latency_microseconds=391 + n,
        ),
        power=_power(n),
        clocks=_clocks(n),
        throttling=_throttling(n),
        thermal=_thermal(n),
        fans=Fans(
            count=160 + n,
            speed_percent=131 + n,
            speed_rpm=2_900 + n,
            gpu_celsius=281 + n,
            each=(Fan(121 + n, 3_300 + n), Fan(124 + n, 3_400 + n), Fan(127 + n, 3_500 + n)),
        ),
        pcie=_pcie(n),
        nvlink=NvLinks((NVLINKS, (), TO_SWITCHES)[n], most_active=171 + n),
        fabric=_fabric(n),
        memory_errors=_memory_errors(n),
        inforom=Inforom(is_valid=INFOROM[n]),
        modes=Modes(
            performance_state=(11, 2, 10)[n],
            persistence_mode=PERSISTENCE[n],
            compute_mode=(1, 3, 2)[n],
            virtualization_mode=(2, 14, 3)[n],
            addressing_mode=(0, 17, 9)[n],
        ),
        recovery=Recovery(
            (6, 7, 0)[n],
            requires_reset=REQUIRES_RESET[n],
            channel_repair_pending=CHANNEL_REPAIR[n],
            tpc_repair_pending=TPC_REPAIR[n],
        ),  # GPU 2 needs no recovery, so that its other findings show
        processes=PROCESSES[n],
        process_list_is_partial=PARTIAL_LIST[n],
        mig=Mig(enabled=MIG[n], pending=PENDING_MIG[n], instances=MIG_INSTANCES if MIG[n] else ()),
        driver_errors={(f"nvmlFunction{n}", f"NVML_ERROR_{n}"): 861 + n},
    )


def _sample(n: int) -> GpuSample:
    reading = _reading(n)
    return GpuSample(
        index=n,
        state=(GpuState.OK, GpuState.OK, GpuState.STALE)[n],
        reading=reading,
        sampled_at=TAKEN_AT - 12.25 - n,
        age_ms=12_345 + n,
        seconds=0.75 + n / 8,
        xids={
            31: XidCount(
                times=191 + n,
                restored=181 + n,
                last_at=TAKEN_AT - 300 - 10 * n,
                source=(XidSource.BOTH, XidSource.KERNEL_LOG, XidSource.NVML)[n],
                blamed=Blamed(
                    5_301 + n,
                    f"blamed-{n}",
                    f"blamed-user-{n}",
                    Belonging(
                        container_id=f"blamed-container-id-{n}",
                        container_name=f"blamed-container-name-{n}",
                        pod_name=f"blamed-pod-name-{n}",
                        pod_namespace=f"blamed-pod-namespace-{n}",
                    ),
                ),
            ),
            79: XidCount(
                times=201 + n, restored=151 + n, last_at=TAKEN_AT - 600 - 10 * n, was_reset=RESET_SINCE[n]
            ),
        },
    )


COMPLETE = tuple(_sample(n) for n in range(3))

LOST = GpuSample(
    index=3,
    state=GpuState.LOST,
    lasting=replace(
        _reading(0).lasting(), identity=GpuIdentity("GPU-uuid-3", "NVIDIA Model D", "00000000:3F:00.0")
    ),
    sampled_at=TAKEN_AT - 99,
    age_ms=99_001,
    error="The GPU is lost",
    todo="look for its XID in dmesg; reset it or reboot, and reseat or replace it if it comes back",
    xids={79: XidCount(times=4, last_at=TAKEN_AT - 100)},
)

FREE = GpuSample(
    index=4,
    state=GpuState.OK,
    reading=GpuReading(
        sampled_since_boot=SINCE_BOOT - 4,
        identity=GpuIdentity(uuid="GPU-uuid-4", name="NVIDIA Model E", pci_bus_id="00000000:47:00.0"),
        memory=Memory(total_bytes=60_000 * MIB, used_bytes=9_009 * MIB, free_bytes=50_505 * MIB),
        utilization=Utilization(gpu_percent=41),
        thermal=Thermal(gpu_celsius=44),
        modes=Modes(compute_mode=0),
        nvlink=NvLinks(TO_SWITCHES[:1]),
        processes=(
            GpuProcess(2_001, ProcessType.COMPUTE, 1_414 * MIB, sm_utilization_percent=9),
            GpuProcess(2_002, ProcessType.GRAPHICS, 1_515 * MIB),
            GpuProcess(2_003, ProcessType.BOTH, None),
        ),
    ),
    sampled_at=TAKEN_AT - 4,
    age_ms=404,
)

UNKNOWN = {
    field: Unknown(
        reason=reason,
        function=f"nvmlFunction{n}",
        error=f"NVML_ERROR_{n}",
        words=f"words-of-nvml-{n}",
        since=SINCE_BOOT - 700 - n,
        reported_before=bool(n % 2),
        called_at=SINCE_BOOT - 300 - n,
    )
    for n, (field, reason) in enumerate(
        [
            ("thermal.gpu_celsius", Reason.FAILED),
            ("power.instant_watts", Reason.FAILED),
            ("identity.serial", Reason.NO_PERMISSION),
            ("engines.jpeg_percent", Reason.NOT_SUPPORTED),
            ("modes.compute_mode", Reason.MISSING),
            ("fans.count", Reason.IMPOSSIBLE),
        ]
    )
}

# Values that are usually unknown together are not so here.
NEARLY_UNKNOWN = GpuSample(
    index=5,
    state=GpuState.OK,
    reading=GpuReading(
        sampled_since_boot=SINCE_BOOT - 5,
        clocks=Clocks(event_reasons=0x2),
        unknown=UNKNOWN,
    ),
    age_ms=505,
)

USERS = ("ann", "bob", "a-user-with-a-long-name")


def _job(k: int) -> Job | None:
    """Each scheduler in turn; one job without a name, and one process without a job."""
    scheduler = list(Scheduler)[k % len(Scheduler)]
    return None if k == 3 else Job(scheduler, f"job-{k}", f"job-name-{k}" if k != 2 else None)


def _host_process(pid: int, position: int) -> HostProcess:
    k = position
    return HostProcess(
        pid=pid,
        username=USERS[position % 3],
        name=f"name-{k}" if k else "a-program-with-a-long-name",
        command=f"command-{k} --argument",
        cpu_percent=110.5 + k,
        memory_rss_bytes=(3_000 + 10 * k) * MIB + MORE,
        memory_percent=10.5 + k,
        running_seconds=40_000.5 + 3_000 * k,
        uid=6_000 + position % 3,
        start_ticks=7_000_000 + k,
        belonging=Belonging(
            container_id=f"container-id-{k}",
            container_name=f"container-name-{k}" if k != 1 else None,
            pod_uid=f"pod-uid-{k}",
            pod_name=f"pod-name-{k}",
            pod_namespace=f"pod-namespace-{k}",
            systemd_unit=f"unit-{k}.service",
            job=_job(k),
            slurm_step=f"step-{k}",
            user_session=f"session-{k}",
        ),
    )


_PIDS = sorted(
    {process.pid for processes in PROCESSES for process in processes}
    | {process.pid for instance in MIG_INSTANCES for process in instance.processes or ()}
    | {2_001}  # of the other two on GPU 4 the host reports little and nothing
)

HOST = HostReading(
    hostname="host-name",
    cpu_count_physical=64,
    cpu_count_logical=192,
    cpu_percent=43.5,
    cpu_per_core_percent=(6.5, 7.5),
    cpu_freq_current_mhz=2_701.5,
    cpu_freq_min_mhz=801.5,
    cpu_freq_max_mhz=3_901.5,
    memory_total_bytes=500_003 * MIB,
    memory_available_bytes=300_005 * MIB,
    memory_used_bytes=190_007 * MIB,
    memory_percent=39.5,
    memory_cached_bytes=60_011 * MIB,
    memory_buffers_bytes=2_013 * MIB + MORE,
    disk_used_bytes=1_700 * GIB,
    disk_available_bytes=2_300 * GIB,
    disk_io=DiskIo(
        total_read_bytes=88_001,
        total_write_bytes=88_002,
        total_read_ops=88_003,
        total_write_ops=88_004,
        read_bytes_per_second=66_001.5,
        write_bytes_per_second=66_002.5,
        read_ops_per_second=66_003.5,
        write_ops_per_second=66_004.5,
    ),
    temperature_celsius=58.5,
)
HOST_PROCESSES = ProcessesReading(
    top_processes=tuple(_host_process(9_001 + k, 20 + k) for k in range(5)),
    gpu_processes={
        **{pid: _host_process(pid, position) for position, pid in enumerate(_PIDS)},
        2_002: HostProcess(
            2_002, name="just-begun", memory_rss_bytes=7_777 * MIB, memory_percent=70.5, running_seconds=0.25
        ),
    },
)


def _ledger() -> LedgerReading:
    uses: dict[tuple[str, int], ProcessUse] = {}
    for gpu in (*COMPLETE, FREE):
        instances = gpu.values.mig.instances or ()
        on_instances = [one for instance in instances for one in instance.processes or ()]
        for process in (*(gpu.values.processes or ()), *on_instances):
            k = len(uses)
            if process.pid != 2_003:
                uses[gpu.identity.uuid or "", process.pid] = ProcessUse(
                    first_seen_at=TAKEN_AT - 50_000.5 - k,
                    gpu_seconds_held=20_000.5 + 10 * k,
                    gpu_seconds_used=10_000.5 + 10 * k,
                    idle_seconds=850.0 + 10 * k,  # around the 15 minutes of IDLE_HOLDER_MINUTES
                    uid=6_100 + k,
                )
    users: dict[str | None, UserUse] = {
        name: UserUse(
            gpu_seconds_held=71_000.5 + k,
            gpu_seconds_used=61_000.5 + k,
            gpu_seconds_told=66_000.5 + k,
            uids=(6_000 + k,),
        )
        for k, name in enumerate((*USERS, "gone", None))
    }
    peaks = {f"GPU-uuid-{n}": 83 + n for n in range(5)}
    return LedgerReading(
        processes=uses,
        users=users,
        peak_utilization_percent=peaks,
        unlisted_peak_utilization_percent={"GPU-uuid-4": 79},
        ghost_utilization={"GPU-uuid-0": True},
        idle_since={f"GPU-uuid-{n}": TAKEN_AT - 4_000.5 - n for n in (2, 4)},
        lately={
            f"GPU-uuid-{n}": Lately(
                low_margin_seconds=621.5 + n,
                slowed_by_heat_seconds=52.5 + n,
                slowed_by_brake_seconds=41.5 + n,
                fabric_pending_seconds=746.5 + n,
                nvlink_recoveries=29 + n,
            )
            for n in (0, 2)
        },
        began_at=TAKEN_AT - 99_000.5,
    )


AGENT = AgentReading(
    started_at=1_750_000_000.25,
    resident_bytes=98_765_432,
    cpu_seconds=321.5,
    open_files=76,
    max_open_files=1024,
)
SNAPSHOT = Snapshot(
    taken_at=TAKEN_AT,
    taken_monotonic=MONOTONIC,
    taken_since_boot=SINCE_BOOT,
    driver=DriverReading(
        gpu_count=6,
        driver_version="driver-1",
        cuda_version="cuda-2",
        nvml_version="nvml-3",
        pci_bus_ids=("bus-id-4",),
    ),
    gpus=(*COMPLETE, LOST, FREE, NEARLY_UNKNOWN),
    census=GpuCensus(expected=5, seen=13),
    host=HOST,
    processes=HOST_PROCESSES,
    # The six levels of NVML and an unknown one; they differ between the two directions.
    topology=Topology(
        levels=(
            (None, 0, 10, 20, 30, 40),
            (50, None, 0, 10, 20, 30),
            (40, 50, None, 0, 10, 20),
            (30, 40, 50, None, 0, 10),
            (20, 30, 40, 50, None, None),
            (10, 20, 30, 40, 50, None),
        )
    ),
    not_offered=("GPU-uuid-3", "31"),
    simulated=True,
    driver_calls=123_456,
    ledger=_ledger(),
    kernel_log=KernelLogReading(
        reaches_back_to=TAKEN_AT - 70_000,
        lost_lines=17,
        switches=(
            NvSwitch(
                index=2,
                pci_bus_id="0000:c3:00",
                sxids={
                    20_034: SxidCount(times=31, last_at=TAKEN_AT - 1_800, fatal=True, link=28),
                    12_028: SxidCount(
                        times=33, last_at=TAKEN_AT - 1_900, fatal=False, link=32, was_reset=True
                    ),
                },
            ),
        ),
        fallen=("0000:5e:00",),
    ),
)


def before(snapshot: Snapshot, seconds: float, k: int) -> Snapshot:
    """The same GPUs `seconds` earlier, with other values in /history."""
    return replace(
        snapshot,
        taken_at=snapshot.taken_at - seconds,
        taken_monotonic=snapshot.taken_monotonic - seconds,
        taken_since_boot=snapshot.taken_since_boot - seconds,
        gpus=tuple(replace(gpu, reading=_was(gpu.reading, k)) for gpu in snapshot.gpus),
    )


def _was(reading: GpuReading | None, k: int) -> GpuReading | None:
    if reading is None or reading.power.usage_watts is None:
        return reading
    return with_values(
        reading,
        utilization_gpu_percent=(reading.utilization.gpu_percent or 0) - k,
        memory_used_bytes=(reading.memory.used_bytes or 0) - k * MIB,
        thermal_gpu_celsius=(reading.thermal.gpu_celsius or 0) - 10 - k,
        power_usage_watts=reading.power.usage_watts - 100 - k,
    )
