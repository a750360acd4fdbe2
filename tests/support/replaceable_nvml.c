/* A libnvidia-ml.so.1 for tests: nvmlInit returns INIT, and there is no GPU.
 *
 * Each nvmlInit writes "pid INIT milliseconds" to the file STUB_LOG. The first of a library that has SUCCESSOR puts
 * that file in its own place, as an upgrade does: who has loaded it keeps it. One that has GATE waits for that file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int nvmlInitWithFlags(unsigned int flags) {
    (void)flags;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    FILE *log = fopen(getenv("STUB_LOG"), "a");
    fprintf(log, "%d %d %lld\n", (int)getpid(), INIT, now.tv_sec * 1000LL + now.tv_nsec / 1000000);
    fclose(log);
#ifdef SUCCESSOR
    rename(SUCCESSOR, PLACE);
#endif
#ifdef GATE
    while (access(GATE, F_OK) != 0) usleep(10000);
#endif
    return INIT;
}

int nvmlShutdown(void) { return 0; }

int nvmlDeviceGetCount_v2(unsigned int *count) {
    *count = 0;
    return INIT;
}

const char *nvmlErrorString(int code) {
    (void)code;
    return "Unknown Error";
}
