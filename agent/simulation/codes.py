"""Numbers of nvml.h that the simulation needs."""

from __future__ import annotations

from enum import IntEnum


class NvmlReturn(IntEnum):
    """nvmlReturn_t."""

    SUCCESS = 0
    UNINITIALIZED = 1
    INVALID_ARGUMENT = 2
    NOT_SUPPORTED = 3
    NO_PERMISSION = 4
    ALREADY_INITIALIZED = 5
    NOT_FOUND = 6
    INSUFFICIENT_SIZE = 7
    INSUFFICIENT_POWER = 8
    DRIVER_NOT_LOADED = 9
    TIMEOUT = 10
    IRQ_ISSUE = 11
    LIBRARY_NOT_FOUND = 12
    FUNCTION_NOT_FOUND = 13
    CORRUPTED_INFOROM = 14
    GPU_IS_LOST = 15
    RESET_REQUIRED = 16
    OPERATING_SYSTEM = 17
    LIB_RM_VERSION_MISMATCH = 18
    IN_USE = 19
    MEMORY = 20
    NO_DATA = 21
    VGPU_ECC_NOT_SUPPORTED = 22
    INSUFFICIENT_RESOURCES = 23
    FREQ_NOT_SUPPORTED = 24
    ARGUMENT_VERSION_MISMATCH = 25
    DEPRECATED = 26
    NOT_READY = 27
    GPU_NOT_FOUND = 28
    INVALID_STATE = 29
    UNKNOWN = 999


class FieldId(IntEnum):
    """Fields of nvmlDeviceGetFieldValues that the simulation answers."""

    SLOWED_BY_POWER_CAP = 74  # in ns, as all that slowed the clocks
    SLOWED_BY_HEAT = 75
    SLOWED_BY_SYNC_BOOST = 76
    MEMORY_TEMP = 82
    NVLINK_SPEED_COMMON = 90
    NVLINK_COUNT = 91
    NVLINK_THROUGHPUT_DATA_TX = 138
    NVLINK_THROUGHPUT_DATA_RX = 139
    # of each link by its number, R520 and newer
    NVLINK_REPLAYS = 161
    NVLINK_RECOVERIES_BEFORE_5 = 162
    NVLINK_CRC_ERRORS = 163  # of flits and data together
    NVLINK_SPEED = 164
    NVLINK_STATE = 165
    NVLINK_VERSION = 166
    POWER_AVERAGE = 185
    POWER_INSTANT = 186
    POWER_CURRENT_LIMIT = 190
    SHUTDOWN_TLIMIT = 193
    SLOWDOWN_TLIMIT = 194
    MEMORY_MAX_TLIMIT = 195
    MAX_OPERATING_TLIMIT = 196
    PCIE_COUNT_TX_BYTES = 197
    PCIE_COUNT_RX_BYTES = 198
    # of NVLink 5 and newer
    NVLINK_SENT_BYTES = 202
    NVLINK_RECEIVED_BYTES = 204
    NVLINK_MALFORMED_PACKETS = 206
    NVLINK_BUFFER_OVERRUNS = 207
    NVLINK_RECEIVE_ERRORS = 208
    NVLINK_RECEIVE_REMOTE_ERRORS = 209
    NVLINK_RECEIVE_GENERAL_ERRORS = 210
    NVLINK_LOCAL_INTEGRITY_ERRORS = 211
    NVLINK_TRANSMIT_DISCARDS = 212
    NVLINK_FAILED_RECOVERIES = 214
    NVLINK_RECOVERIES = 215
    NVLINK_EFFECTIVE_ERRORS = 219
    NVLINK_SYMBOL_ERRORS = 221
    RESET_STATUS = 226
    DRAIN_AND_RESET_STATUS = 227
    GPU_RECOVERY_ACTION = 230
    SLOWED_BY_SOFTWARE_HEAT = 269
    SLOWED_BY_HARDWARE_HEAT = 270
    SLOWED_BY_POWER_BRAKE = 271


class ClocksEventReason(IntEnum):
    """Why clocks are below their maximum; bits of nvmlDeviceGetCurrentClocksEventReasons."""

    GPU_IDLE = 0x01
    APPLICATIONS_CLOCKS_SETTING = 0x02
    SW_POWER_CAP = 0x04
    HW_SLOWDOWN = 0x08
    SYNC_BOOST = 0x10
    SW_THERMAL_SLOWDOWN = 0x20
    HW_THERMAL_SLOWDOWN = 0x40
    HW_POWER_BRAKE_SLOWDOWN = 0x80
    DISPLAY_CLOCKS_SETTING = 0x100


class RecoveryAction(IntEnum):
    """What the driver asks for: nvmlDeviceGpuRecoveryAction_t."""

    NONE = 0
    GPU_RESET = 1
    NODE_REBOOT = 2
    DRAIN_P2P = 3
    DRAIN_AND_RESET = 4
    RECOVER_IMEX_DOMAIN = 5
    BUS_RESET = 6
    SYSTEM_REBOOT = 7


VALUE_NOT_AVAILABLE_64 = 2**64 - 1  # unsigned long long
VALUE_NOT_AVAILABLE_32 = 2**32 - 1  # unsigned int


class NvmlFailure(Exception):
    """A simulated function did not succeed; the dispatch turns it into its return code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"NVML return code {int(code)}")
        self.code = int(code)
