/* The structs of NVML that the agent reads, in the layout of its documentation.
 *
 * STRUCTS lists them with the version in their first word (0: none), with which the size is checked.
 */
#ifndef STRUCTS_H
#define STRUCTS_H

typedef unsigned int u32;
typedef unsigned long long u64;

typedef struct { u64 total, free, used; } nvmlMemory_t;
typedef struct { u32 version; u64 total, reserved, free, used; } nvmlMemory_v2_t;
typedef struct { u64 bar1Total, bar1Free, bar1Used; } nvmlBAR1Memory_t;
typedef struct { u32 gpu, memory; } nvmlUtilization_t;
typedef struct { u32 version, sensorType; int temperature; } nvmlTemperature_v1_t;
typedef struct { u32 version; int marginTemperature; } nvmlMarginTemperature_v1_t;
typedef struct { u32 version, fan, speed; } nvmlFanSpeedInfo_t;
typedef struct { u32 version, value; } nvmlDeviceAddressingMode_t;
typedef struct { u32 version, bChannelRepairPending, bTpcRepairPending; } nvmlRepairStatus_t;
typedef struct { u32 version, unrepairableMemory; } nvmlUnrepairableMemory_v1_t;
typedef struct { u32 max, high, partial, low, none; } nvmlRowRemapperHistogramValues;
typedef struct { u64 referenceTime, violationTime; } nvmlViolationTime_t;
typedef struct { u32 sessionsCount, averageFPS, averageLatency; } nvmlFBCStats_t;
typedef struct { u32 pid; u64 usedGpuMemory; u32 gpuInstanceId, computeInstanceId; } nvmlProcessInfo_v2_t;
typedef struct { u32 pid; u64 timeStamp; u32 smUtil, memUtil, encUtil, decUtil; } nvmlProcessUtilizationSample_t;

typedef struct {
    char busIdLegacy[16];
    u32 domain, bus, device, pciDeviceId, pciSubSystemId;
    char busId[32];
} nvmlPciInfo_t;

typedef struct {
    u32 version;
    u64 aggregateUncParity, aggregateUncSecDed, aggregateCor, volatileUncParity, volatileUncSecDed, volatileCor;
    u64 aggregateUncBucketL2, aggregateUncBucketSm, aggregateUncBucketPcie, aggregateUncBucketMcu;
    u64 aggregateUncBucketOther;
    u32 bThresholdExceeded;
} nvmlEccSramErrorStatus_v1_t;

typedef struct {
    u32 version;
    unsigned char clusterUuid[16];
    u32 status, cliqueId;
    unsigned char state; /* three bytes of padding follow */
    u32 healthMask;
    unsigned char healthSummary;
} nvmlGpuFabricInfo_v3_t;

typedef union {
    double dVal;
    u32 uiVal;
    unsigned long ulVal;
    u64 ullVal;
    long long sllVal;
    int siVal;
    unsigned short usVal;
} nvmlValue_t;

typedef struct {
    u32 fieldId, scopeId;
    long long timestamp, latencyUsec;
    u32 valueType, nvmlReturn;
    nvmlValue_t value;
} nvmlFieldValue_t;

typedef struct { u32 version, isSupportedDevice; } nvmlGpmSupport_t;
typedef struct {
    u32 metricId, nvmlReturn;
    double value;
    struct { const char *shortName, *longName, *unit; } metricInfo;
} nvmlGpmMetric_t;
typedef struct {
    u32 version, numMetrics;
    void *sample1, *sample2;
    nvmlGpmMetric_t metrics[]; /* as many as the caller has room for */
} nvmlGpmMetricsGet_t;

typedef struct { void *device; u64 eventType, eventData; u32 gpuInstanceId, computeInstanceId; } nvmlEventData_t;

#define STRUCTS(_) \
    _(nvmlMemory_t, 0) _(nvmlMemory_v2_t, 2) _(nvmlBAR1Memory_t, 0) _(nvmlUtilization_t, 0) \
    _(nvmlTemperature_v1_t, 1) _(nvmlMarginTemperature_v1_t, 1) _(nvmlFanSpeedInfo_t, 1) \
    _(nvmlDeviceAddressingMode_t, 1) _(nvmlRepairStatus_t, 1) _(nvmlUnrepairableMemory_v1_t, 1) \
    _(nvmlRowRemapperHistogramValues, 0) _(nvmlViolationTime_t, 0) _(nvmlFBCStats_t, 0) \
    _(nvmlProcessInfo_v2_t, 0) _(nvmlProcessUtilizationSample_t, 0) _(nvmlPciInfo_t, 0) \
    _(nvmlEccSramErrorStatus_v1_t, 1) _(nvmlGpuFabricInfo_v3_t, 3) _(nvmlFieldValue_t, 0) \
    _(nvmlGpmSupport_t, 0) _(nvmlGpmMetric_t, 0) _(nvmlEventData_t, 0)

#endif
