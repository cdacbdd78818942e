/* A wall clock that steps: preloaded, it moves CLOCK_REALTIME by an hour once the file named by CLOCK_STEP exists. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long stepped(void) {
    static const char *file;
    if (!file) file = getenv("CLOCK_STEP");
    return file && access(file, F_OK) == 0 ? (getpid() % 2 ? 3600 : -3600) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(clock, now);
    if (code == 0 && clock == CLOCK_REALTIME) now->tv_sec += stepped();
    return code;
}
