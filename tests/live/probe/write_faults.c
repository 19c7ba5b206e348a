/* Stands between a process and write(2) for files called *.dlog: LD_PRELOAD, steered by the environment.

   FAULT=short   takes a random part of what is given             FAULT=eio     fails each third time, half written
   FAULT=eintr   is interrupted two times of three                FAULT=kill    the AT-th write takes SHARE per cent
   FAULT=full    is full for each second burst of ten writes                    of its bytes, then SIGKILL
   KEEP_TORN=1   also makes ftruncate fail, so that what was torn stays in the file                              */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_log(int fd) {
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 5) return 0;
    path[size] = 0;
    return !strcmp(path + size - 5, ".dlog");
}

ssize_t write(int fd, const void *data, size_t size) {
    static ssize_t (*really)(int, const void *, size_t);
    static unsigned count;
    if (!really) really = dlsym(RTLD_NEXT, "write");
    const char *fault = getenv("FAULT");
    if (!fault || !size || !is_log(fd)) return really(fd, data, size);
    count++;
    if (!strcmp(fault, "short")) return really(fd, data, 1 + (count * 7919u) % size);
    if (!strcmp(fault, "eintr") && count % 3) return errno = EINTR, -1;
    if (!strcmp(fault, "full") && count / 10 % 2) return errno = ENOSPC, -1;
    if (!strcmp(fault, "eio") && count % 3 == 0) {
        if (really(fd, data, size / 2) < 0) return -1;
        return errno = EIO, -1;
    }
    if (!strcmp(fault, "kill") && count == (unsigned)atoi(getenv("AT"))) {
        if (really(fd, data, size * atoi(getenv("SHARE")) / 100) >= 0) kill(getpid(), SIGKILL);
    }
    return really(fd, data, size);
}

int ftruncate(int fd, off_t size) {
    static int (*really)(int, off_t);
    if (!really) really = dlsym(RTLD_NEXT, "ftruncate");
    if (getenv("KEEP_TORN") && is_log(fd)) return errno = EIO, -1;
    return really(fd, size);
}
int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }
