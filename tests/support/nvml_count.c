/* An NVML that counts as many GPUs as the environment says, or whose nvmlInit fails or hangs. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

unsigned int nvmlInitWithFlags(unsigned int flags) {
    (void)flags;
    const char *count = getenv("TEST_GPU_COUNT");
    if (count != NULL && strcmp(count, "hangs") == 0) {
        pause();
    }
    return count == NULL ? 9 : 0; /* NVML_ERROR_DRIVER_NOT_LOADED */
}

unsigned int nvmlDeviceGetCount_v2(unsigned int *count) {
    *count = (unsigned int)atoi(getenv("TEST_GPU_COUNT"));
    return 0;
}

const char *nvmlErrorString(unsigned int result) {
    (void)result;
    return "Driver Not Loaded";
}
