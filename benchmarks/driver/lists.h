/* The functions that return lists, GPM samples or events; included by nvml.c. */

/* If these two functions exist, nvitop uses the newest form of both process lists. */
int nvmlDeviceGetConfComputeMemSizeInfo(void *device) { (void)device; return NOT_SUPPORTED; }
int nvmlDeviceGetRunningProcessDetailList(void *device) { (void)device; return NOT_SUPPORTED; }

static u32 processes_of(void *device) {
    u32 gpu = (u32)(uintptr_t)device - 1;
    return processes > gpu ? (processes - gpu - 1) / gpus + 1 : 0;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *device, u32 *count, nvmlProcessInfo_v2_t *out) {
    GPU_OR_LEAVE(device);
    u32 room = *count, gpu = (u32)(uintptr_t)device - 1;
    *count = processes_of(device);
    if (room < *count || (out == NULL && *count > 0)) return INSUFFICIENT_SIZE;
    for (u32 i = 0; i < *count; i++)
        out[i] = (nvmlProcessInfo_v2_t){pids[gpu + i * gpus], PROCESS_MEMORY + i, ~0u, ~0u};
    return SUCCESS;
}
static int no_processes(void *device, u32 *count) { GPU_OR_LEAVE(device); *count = 0; return SUCCESS; }
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *device, u32 *count, void *out) {
    (void)out; return no_processes(device, count);
}
int nvmlDeviceGetMPSComputeRunningProcesses_v3(void *device, u32 *count, void *out) {
    (void)out; return no_processes(device, count);
}

int nvmlDeviceGetProcessUtilization(void *device, nvmlProcessUtilizationSample_t *out, u32 *count, u64 since) {
    GPU_OR_LEAVE(device);
    u32 room = *count, gpu = (u32)(uintptr_t)device - 1;
    *count = processes_of(device);
    if (room < *count || out == NULL) return INSUFFICIENT_SIZE;
    for (u32 i = 0; i < *count; i++)
        out[i] = (nvmlProcessUtilizationSample_t){
            pids[gpu + i * gpus], since + 1, PROCESS_PERCENT, PROCESS_PERCENT + 1, PROCESS_PERCENT + 2,
            PROCESS_PERCENT + 3};
    return SUCCESS;
}

int nvmlDeviceGetRetiredPages(void *device, u32 cause, u32 *count, u64 *out) {
    GPU_OR_LEAVE(device);
    u32 room = *count;
    *count = RETIRED_PAGES + cause;
    if (room < *count || out == NULL) return INSUFFICIENT_SIZE;
    memset(out, 0, *count * sizeof *out);
    return SUCCESS;
}

/* Field values. */
static const struct { u32 id, is_wide, counts_scopes; u64 value; } fields[] = {FIELDS};
enum { OF_32_BITS = 1, OF_64_BITS = 3, NVLINK_COUNT = 91 };

static int read_field(nvmlFieldValue_t *field) {
    if (field->fieldId == NVLINK_COUNT) {
        field->valueType = OF_32_BITS;
        field->value.uiVal = links;
        return links ? SUCCESS : NOT_SUPPORTED;
    }
    for (u32 i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i].id != field->fieldId) continue;
        u64 value = fields[i].value + (fields[i].counts_scopes ? field->scopeId : 0);
        field->valueType = fields[i].is_wide ? OF_64_BITS : OF_32_BITS;
        if (fields[i].is_wide) field->value.ullVal = value;
        else field->value.uiVal = (u32)value;
        return SUCCESS;
    }
    return NOT_SUPPORTED;
}

int nvmlDeviceGetFieldValues(void *device, int count, nvmlFieldValue_t *out) {
    GPU_OR_LEAVE(device);
    for (int i = 0; i < count; i++) out[i].nvmlReturn = (u32)read_field(&out[i]);
    return SUCCESS;
}

/* GPM, whose struct versions are numbers without a size. */
int nvmlGpmQueryDeviceSupport(void *device, nvmlGpmSupport_t *out) {
    GPU_OR_LEAVE(device);
    if (out->version != 1) return MISMATCH;
    out->isSupportedDevice = 1;
    return SUCCESS;
}
int nvmlGpmSampleAlloc(void **sample) { *sample = calloc(1, 64); return SUCCESS; }
int nvmlGpmSampleFree(void *sample) { free(sample); return SUCCESS; }
int nvmlGpmSampleGet(void *device, void *sample) {
    GPU_OR_LEAVE(device); memset(sample, 1, 64); return SUCCESS;
}
int nvmlGpmMetricsGet(nvmlGpmMetricsGet_t *out) {
    atomic_fetch_add(calls, 1);
    if (out->version != 1) return MISMATCH;
    if (out->sample1 == NULL || out->sample2 == NULL || out->sample1 == out->sample2) return INVALID_ARGUMENT;
    for (u32 i = 0; i < out->numMetrics; i++) {
        out->metrics[i].nvmlReturn = SUCCESS;
        out->metrics[i].value = out->metrics[i].metricId + 0.5;
    }
    return SUCCESS;
}

/* Events */
int nvmlEventSetCreate(void **set) { *set = calloc(1, 1); return SUCCESS; }
int nvmlEventSetFree(void *set) { free(set); return SUCCESS; }
int nvmlDeviceRegisterEvents(void *device, u64 types, void *set) {
    (void)types; (void)set; GPU_OR_LEAVE(device); return SUCCESS;
}
int nvmlEventSetWait_v2(void *set, nvmlEventData_t *out, u32 milliseconds) {
    (void)set;
    atomic_fetch_add(calls, 1);
    if (xid != 0) {
        *out = (nvmlEventData_t){(void *)1, 8, (u64)xid, ~0u, ~0u};
        xid = 0;
        return SUCCESS;
    }
    nanosleep(&(struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000L}, NULL);
    return TIMEOUT;
}
