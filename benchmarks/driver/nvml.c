/* A libnvidia-ml.so.1 that answers at once with constant values, so that only the cost of the agent is measured.
 *
 * The values are macros; see answers.py. Environment variables set the number of GPUs (NVML_GPUS), the pids that
 * are distributed over them (NVML_PIDS, separated by commas), the NVLinks and fans of each (NVML_LINKS,
 * NVML_FANS), a file for the number of calls so far, as 8 bytes (NVML_CALLS), and one XID error to report
 * (NVML_XID). If the version in a struct is wrong, a call returns NVML_ERROR_ARGUMENT_VERSION_MISMATCH.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "structs.h"

enum { SUCCESS, UNINITIALIZED, INVALID_ARGUMENT, NOT_SUPPORTED, INSUFFICIENT_SIZE = 7, TIMEOUT = 10, MISMATCH = 25 };
#define MOST_PROCESSES 4096

static u32 gpus, links, fans, processes, pids[MOST_PROCESSES];
static int xid; /* that has not been reported yet */
static _Atomic u64 uncounted, *calls = &uncounted;

static u32 from_environment(const char *name) {
    const char *text = getenv(name);
    return text == NULL ? 0 : (u32)strtoul(text, NULL, 10);
}

int nvmlInitWithFlags(u32 flags) {
    (void)flags;
    gpus = from_environment("NVML_GPUS");
    links = from_environment("NVML_LINKS");
    fans = getenv("NVML_FANS") == NULL ? FANS : from_environment("NVML_FANS");
    xid = (int)from_environment("NVML_XID");
    char *text = getenv("NVML_PIDS"), *end = NULL;
    for (processes = 0; text != NULL && *text != 0 && processes < MOST_PROCESSES; text = *end == ',' ? end + 1 : end)
        pids[processes++] = (u32)strtoul(text, &end, 10);
    const char *file = getenv("NVML_CALLS");
    if (file != NULL && calls == &uncounted) {
        int opened = open(file, O_RDWR | O_CREAT, 0600);
        if (opened < 0 || ftruncate(opened, sizeof(u64)) != 0) abort();
        calls = mmap(NULL, sizeof(u64), PROT_READ | PROT_WRITE, MAP_SHARED, opened, 0);
        if (calls == MAP_FAILED) abort();
        close(opened);
    }
    return SUCCESS;
}

int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int code) { (void)code; return "Unknown Error"; }

/* The size and the version of a struct by its name; 0: there is no such struct. */
u32 size_of_struct(const char *name) {
#define SIZE(type, version) if (strcmp(name, #type) == 0) return (u32)sizeof(type) | version##u << 24;
    STRUCTS(SIZE)
    return 0;
}

/* A handle is the number of its GPU, counted from 1. */
#define GPU_OR_LEAVE(device) do { \
        atomic_fetch_add_explicit(calls, 1, memory_order_relaxed); \
        if ((uintptr_t)(device) == 0 || (uintptr_t)(device) > gpus) return INVALID_ARGUMENT; \
    } while (0)
#define VERSION_OR_LEAVE(given, type, number) \
    if ((given) != ((u32)sizeof(type) | number##u << 24)) return MISMATCH
#define NUMBER(function, type, answer) \
    int function(void *device, type *out) { GPU_OR_LEAVE(device); *out = (answer); return SUCCESS; }
#define PAIR(function, one, other) \
    int function(void *device, u32 *first, u32 *second) { \
        GPU_OR_LEAVE(device); *first = (one); *second = (other); return SUCCESS; }
#define TEXT(function, ...) \
    int function(void *device, char *out, u32 size) { \
        GPU_OR_LEAVE(device); snprintf(out, size, __VA_ARGS__); return SUCCESS; }
/* A value that is `base` plus the number in the call, such as that of a clock, a fan or a threshold. */
#define NUMBERED(function, type, base) \
    int function(void *device, u32 which, type *out) { \
        GPU_OR_LEAVE(device); *out = (base) + which; return SUCCESS; }
#define STRUCT(function, type, ...) \
    int function(void *device, type *out) { \
        GPU_OR_LEAVE(device); *out = (type){__VA_ARGS__}; return SUCCESS; }
#define VERSIONED(function, type, number, ...) \
    int function(void *device, type *out) { \
        GPU_OR_LEAVE(device); \
        VERSION_OR_LEAVE(out->version, type, number); \
        *out = (type){out->version, __VA_ARGS__}; return SUCCESS; }

#include "functions.h"
#include "lists.h"
