/* The functions that return a number, several numbers, a text or a struct; included by nvml.c. */

/* The driver */
int nvmlSystemGetDriverVersion(char *out, u32 size) { snprintf(out, size, "%s", DRIVER_VERSION); return SUCCESS; }
int nvmlSystemGetNVMLVersion(char *out, u32 size) { snprintf(out, size, "%s", NVML_VERSION); return SUCCESS; }
int nvmlSystemGetCudaDriverVersion(int *out) { *out = CUDA_VERSION; return SUCCESS; }
int nvmlDeviceGetCount_v2(u32 *out) { atomic_fetch_add(calls, 1); *out = gpus; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(u32 index, void **out) {
    atomic_fetch_add(calls, 1);
    if (index >= gpus) return INVALID_ARGUMENT;
    *out = (void *)(uintptr_t)(index + 1);
    return SUCCESS;
}
int nvmlDeviceGetTopologyCommonAncestor(void *device, void *other, u32 *out) {
    GPU_OR_LEAVE(device); GPU_OR_LEAVE(other); *out = TOPOLOGY; return SUCCESS;
}

/* Identity */
TEXT(nvmlDeviceGetUUID, "GPU-00000000-0000-0000-0000-%012x", (u32)(uintptr_t)device)
TEXT(nvmlDeviceGetName, "%s", NAME)
TEXT(nvmlDeviceGetSerial, "%s", SERIAL)
TEXT(nvmlDeviceGetBoardPartNumber, "%s", PART_NUMBER)
TEXT(nvmlDeviceGetVbiosVersion, "%s", VBIOS_VERSION)
int nvmlDeviceGetGspFirmwareVersion(void *device, char *out) {
    GPU_OR_LEAVE(device); strcpy(out, GSP_FIRMWARE_VERSION); return SUCCESS;
}
PAIR(nvmlDeviceGetGspFirmwareMode, 1, 0)
PAIR(nvmlDeviceGetCudaComputeCapability, COMPUTE_MAJOR, COMPUTE_MINOR)
NUMBER(nvmlDeviceGetArchitecture, u32, ARCHITECTURE)
int nvmlDeviceGetPciInfo_v3(void *device, nvmlPciInfo_t *out) {
    GPU_OR_LEAVE(device);
    *out = (nvmlPciInfo_t){"", 0, (u32)(uintptr_t)device, 0, 0x233010de, 0, ""};
    snprintf(out->busId, sizeof out->busId, "00000000:%02X:00.0", out->bus);
    return SUCCESS;
}

/* Memory and utilization */
VERSIONED(nvmlDeviceGetMemoryInfo_v2, nvmlMemory_v2_t, 2, MEMORY_TOTAL, MEMORY_RESERVED, MEMORY_FREE, MEMORY_USED)
STRUCT(nvmlDeviceGetMemoryInfo, nvmlMemory_t, MEMORY_TOTAL, MEMORY_FREE, MEMORY_USED)
STRUCT(nvmlDeviceGetBAR1MemoryInfo, nvmlBAR1Memory_t, BAR1_TOTAL, BAR1_TOTAL - BAR1_USED, BAR1_USED)
STRUCT(nvmlDeviceGetUtilizationRates, nvmlUtilization_t, GPU_PERCENT, MEMORY_PERCENT)
PAIR(nvmlDeviceGetEncoderUtilization, ENCODER_PERCENT, 100000)
PAIR(nvmlDeviceGetDecoderUtilization, DECODER_PERCENT, 100000)
PAIR(nvmlDeviceGetJpgUtilization, JPEG_PERCENT, 100000)
PAIR(nvmlDeviceGetOfaUtilization, OFA_PERCENT, 100000)
int nvmlDeviceGetEncoderStats(void *device, u32 *sessions, u32 *fps, u32 *latency) {
    GPU_OR_LEAVE(device);
    *sessions = ENCODER_SESSIONS; *fps = ENCODER_FPS; *latency = ENCODER_LATENCY;
    return SUCCESS;
}
STRUCT(nvmlDeviceGetFBCStats, nvmlFBCStats_t, CAPTURE_SESSIONS, CAPTURE_FPS, CAPTURE_LATENCY)

/* Temperature, fans, power, clocks */
int nvmlDeviceGetTemperatureV(void *device, nvmlTemperature_v1_t *out) {
    GPU_OR_LEAVE(device);
    VERSION_OR_LEAVE(out->version, nvmlTemperature_v1_t, 1);
    if (out->sensorType != 0) return INVALID_ARGUMENT;
    out->temperature = TEMPERATURE;
    return SUCCESS;
}
NUMBERED(nvmlDeviceGetTemperatureThreshold, u32, THRESHOLD)
VERSIONED(nvmlDeviceGetMarginTemperature, nvmlMarginTemperature_v1_t, 1, MARGIN)
NUMBER(nvmlDeviceGetNumFans, u32, fans)
NUMBER(nvmlDeviceGetFanSpeed, u32, FAN_PERCENT)
NUMBERED(nvmlDeviceGetFanSpeed_v2, u32, FAN_PERCENT)
int nvmlDeviceGetFanSpeedRPM(void *device, nvmlFanSpeedInfo_t *out) {
    GPU_OR_LEAVE(device);
    VERSION_OR_LEAVE(out->version, nvmlFanSpeedInfo_t, 1);
    out->speed = FAN_RPM + out->fan;
    return SUCCESS;
}
NUMBER(nvmlDeviceGetPowerUsage, u32, POWER_USAGE)
NUMBER(nvmlDeviceGetPowerManagementLimit, u32, POWER_LIMIT)
NUMBER(nvmlDeviceGetEnforcedPowerLimit, u32, POWER_ENFORCED_LIMIT)
NUMBER(nvmlDeviceGetPowerManagementDefaultLimit, u32, POWER_DEFAULT_LIMIT)
PAIR(nvmlDeviceGetPowerManagementLimitConstraints, POWER_MIN_LIMIT, POWER_MAX_LIMIT)
NUMBER(nvmlDeviceGetTotalEnergyConsumption, u64, ENERGY)
NUMBERED(nvmlDeviceGetClockInfo, u32, CLOCK)
NUMBERED(nvmlDeviceGetMaxClockInfo, u32, MAX_CLOCK)
NUMBER(nvmlDeviceGetCurrentClocksEventReasons, u64, EVENT_REASONS)
NUMBER(nvmlDeviceGetSupportedClocksEventReasons, u64, SUPPORTED_EVENT_REASONS)
int nvmlDeviceGetViolationStatus(void *device, u32 policy, nvmlViolationTime_t *out) {
    GPU_OR_LEAVE(device); *out = (nvmlViolationTime_t){1, VIOLATION + policy}; return SUCCESS;
}

/* Modes */
NUMBER(nvmlDeviceGetPerformanceState, u32, PERFORMANCE_STATE)
NUMBER(nvmlDeviceGetPersistenceMode, u32, 1)
NUMBER(nvmlDeviceGetComputeMode, u32, COMPUTE_MODE)
NUMBER(nvmlDeviceGetVirtualizationMode, u32, 0)
VERSIONED(nvmlDeviceGetAddressingMode, nvmlDeviceAddressingMode_t, 1, ADDRESSING_MODE)
PAIR(nvmlDeviceGetMigMode, 0, 0)
NUMBER(nvmlDeviceGetMaxMigDeviceCount, u32, 7)

/* PCIe and NVLink */
NUMBER(nvmlDeviceGetCurrPcieLinkGeneration, u32, PCIE_GENERATION)
NUMBER(nvmlDeviceGetMaxPcieLinkGeneration, u32, PCIE_MAX_GENERATION)
NUMBER(nvmlDeviceGetGpuMaxPcieLinkGeneration, u32, PCIE_CARD_GENERATION)
NUMBER(nvmlDeviceGetCurrPcieLinkWidth, u32, PCIE_WIDTH)
NUMBER(nvmlDeviceGetMaxPcieLinkWidth, u32, PCIE_MAX_WIDTH)
NUMBER(nvmlDeviceGetPcieReplayCounter, u32, PCIE_REPLAYS)
NUMBERED(nvmlDeviceGetPcieThroughput, u32, PCIE_THROUGHPUT)
#define LINK_OR_LEAVE(device, link) GPU_OR_LEAVE(device); if (links == 0) return NOT_SUPPORTED; \
    if (link >= links) return INVALID_ARGUMENT
int nvmlDeviceGetNvLinkState(void *device, u32 link, u32 *out) {
    LINK_OR_LEAVE(device, link); *out = 1; return SUCCESS;
}
int nvmlDeviceGetNvLinkVersion(void *device, u32 link, u32 *out) {
    LINK_OR_LEAVE(device, link); *out = LINK_VERSION; return SUCCESS;
}
int nvmlDeviceGetNvLinkRemoteDeviceType(void *device, u32 link, u32 *out) {
    LINK_OR_LEAVE(device, link); *out = 0; return SUCCESS; /* a GPU */
}
int nvmlDeviceGetNvLinkRemotePciInfo_v2(void *device, u32 link, nvmlPciInfo_t *out) {
    LINK_OR_LEAVE(device, link);
    return nvmlDeviceGetPciInfo_v3((void *)(uintptr_t)(link % gpus + 1), out);
}
int nvmlDeviceGetNvLinkErrorCounter(void *device, u32 link, u32 counter, u64 *out) {
    LINK_OR_LEAVE(device, link); *out = LINK_ERRORS + 1000 * counter + link; return SUCCESS;
}

/* Errors */
PAIR(nvmlDeviceGetEccMode, 1, 0)
int nvmlDeviceGetTotalEccErrors(void *device, u32 kind, u32 counter, u64 *out) {
    GPU_OR_LEAVE(device); *out = ECC_TOTAL + 10 * kind + counter; return SUCCESS;
}
int nvmlDeviceGetMemoryErrorCounter(void *device, u32 kind, u32 counter, u32 place, u64 *out) {
    GPU_OR_LEAVE(device); *out = ECC_AT + 100 * place + 10 * kind + counter; return SUCCESS;
}
VERSIONED(nvmlDeviceGetSramEccErrorStatus, nvmlEccSramErrorStatus_v1_t, 1, SRAM_ERRORS, SRAM_ERRORS + 1,
          SRAM_ERRORS + 2, SRAM_ERRORS + 3, SRAM_ERRORS + 4, SRAM_ERRORS + 5, SRAM_ERRORS + 6, SRAM_ERRORS + 7,
          SRAM_ERRORS + 8, SRAM_ERRORS + 9, SRAM_ERRORS + 10, 1)
NUMBER(nvmlDeviceGetRetiredPagesPendingStatus, u32, 1)
int nvmlDeviceGetRemappedRows(void *device, u32 *corrected, u32 *uncorrected, u32 *pending, u32 *failed) {
    GPU_OR_LEAVE(device);
    *corrected = REMAPPED_ROWS; *uncorrected = REMAPPED_ROWS + 1; *pending = 1; *failed = 0;
    return SUCCESS;
}
STRUCT(nvmlDeviceGetRowRemapperHistogram, nvmlRowRemapperHistogramValues, REMAP_BANKS, REMAP_BANKS + 1,
       REMAP_BANKS + 2, REMAP_BANKS + 3, REMAP_BANKS + 4)
VERSIONED(nvmlDeviceGetUnrepairableMemoryFlag_v1, nvmlUnrepairableMemory_v1_t, 1, 1)
VERSIONED(nvmlDeviceGetRepairStatus, nvmlRepairStatus_t, 1, 1, 0)
int nvmlDeviceValidateInforom(void *device) { GPU_OR_LEAVE(device); return SUCCESS; }
VERSIONED(nvmlDeviceGetGpuFabricInfoV, nvmlGpuFabricInfo_v3_t, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
          0, FABRIC_CLIQUE, 3, FABRIC_HEALTH_MASK, FABRIC_HEALTH_SUMMARY)
