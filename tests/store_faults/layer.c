/* A layer between a process and the C library, put there by LD_PRELOAD, which makes calls on the files of one store fail
 * as a disk makes them fail. Which call fails, and how, stands in a small file that the test writes and every process with
 * the layer has mapped: see layer.rs. Calls on other files pass. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OFF, ONCE, FROM_THEN_ON };
/* In the place of an error number: half is written, and no error is told. */
enum { SHORT_WRITE = 0 };

struct orders {
    _Atomic uint32_t span;
    _Atomic uint32_t error;
    _Atomic uint32_t nth;
    _Atomic uint32_t seen;
    _Atomic uint32_t failed;
};

static struct orders *orders;
static const char *prefix;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("STORE_FAULTS_ORDERS");
    prefix = getenv("STORE_FAULTS_PREFIX");
    if (!path || !prefix) return;
    int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int file = real_open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) abort(); /* A test that breaks nothing must not pass. */
    void *mapped = mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) abort();
    close(file);
    orders = mapped;
}

static int of_the_store(int file, const char *path) {
    char found[4096], link[64];
    if (!path) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        ssize_t length = readlink(link, found, sizeof found - 1);
        if (length < 0) return 0;
        found[length] = 0;
        path = found;
    }
    return strncmp(path, prefix, strlen(prefix)) == 0;
}

/* Counts a call on the store's files, and says whether this one is to fail. */
static int fails(int file, const char *path) {
    if (!orders || atomic_load(&orders->span) == OFF) return 0;
    int kept = errno, ours = of_the_store(file, path);
    errno = kept;
    if (!ours) return 0;
    uint32_t number = atomic_fetch_add(&orders->seen, 1) + 1, nth = atomic_load(&orders->nth);
    if (atomic_load(&orders->span) == ONCE ? number != nth : number < nth) return 0;
    atomic_fetch_add(&orders->failed, 1);
    return 1;
}

static int failed(int otherwise) {
    uint32_t error = atomic_load(&orders->error);
    errno = error == SHORT_WRITE ? otherwise : (int)error;
    return -1;
}

/* How much is written: half of it where the order is a short write; 0 = nothing, it fails. */
static size_t allowed(size_t size) {
    return atomic_load(&orders->error) == SHORT_WRITE ? size / 2 : 0;
}

#define REAL(name) ((__typeof__(&name))real(&kept_##name, #name))
#define KEEP(name) static void *_Atomic kept_##name

static void *real(void *_Atomic *kept, const char *name) {
    void *found = atomic_load(kept);
    if (!found) atomic_store(kept, found = dlsym(RTLD_NEXT, name));
    return found;
}

KEEP(write);
ssize_t write(int file, const void *bytes, size_t size) {
    if (fails(file, NULL) && !(size = allowed(size))) return failed(ENOSPC);
    return REAL(write)(file, bytes, size);
}

KEEP(pwrite);
ssize_t pwrite(int file, const void *bytes, size_t size, off_t at) {
    if (fails(file, NULL) && !(size = allowed(size))) return failed(ENOSPC);
    return REAL(pwrite)(file, bytes, size, at);
}

KEEP(pwrite64);
ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t at) {
    if (fails(file, NULL) && !(size = allowed(size))) return failed(ENOSPC);
    return REAL(pwrite64)(file, bytes, size, at);
}

KEEP(writev);
ssize_t writev(int file, const struct iovec *parts, int count) {
    if (fails(file, NULL)) return failed(ENOSPC);
    return REAL(writev)(file, parts, count);
}

KEEP(fsync);
int fsync(int file) {
    if (fails(file, NULL)) return failed(EIO);
    return REAL(fsync)(file);
}

KEEP(fdatasync);
int fdatasync(int file) {
    if (fails(file, NULL)) return failed(EIO);
    return REAL(fdatasync)(file);
}

KEEP(ftruncate);
int ftruncate(int file, off_t size) {
    if (fails(file, NULL)) return failed(EIO);
    return REAL(ftruncate)(file, size);
}

KEEP(ftruncate64);
int ftruncate64(int file, off64_t size) {
    if (fails(file, NULL)) return failed(EIO);
    return REAL(ftruncate64)(file, size);
}

KEEP(fallocate);
int fallocate(int file, int mode, off_t at, off_t size) {
    if (fails(file, NULL)) return failed(ENOSPC);
    return REAL(fallocate)(file, mode, at, size);
}

#define MODE(flags, mode)                                                                                            \
    mode_t mode = 0;                                                                                                 \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                           \
        va_list rest;                                                                                                \
        va_start(rest, flags);                                                                                       \
        mode = va_arg(rest, mode_t);                                                                                 \
        va_end(rest);                                                                                                \
    }

KEEP(open);
int open(const char *path, int flags, ...) {
    MODE(flags, mode)
    if (fails(-1, path)) return failed(EIO);
    return REAL(open)(path, flags, mode);
}

KEEP(open64);
int open64(const char *path, int flags, ...) {
    MODE(flags, mode)
    if (fails(-1, path)) return failed(EIO);
    return REAL(open64)(path, flags, mode);
}

KEEP(openat);
int openat(int folder, const char *path, int flags, ...) {
    MODE(flags, mode)
    if (fails(-1, path)) return failed(EIO);
    return REAL(openat)(folder, path, flags, mode);
}

KEEP(openat64);
int openat64(int folder, const char *path, int flags, ...) {
    MODE(flags, mode)
    if (fails(-1, path)) return failed(EIO);
    return REAL(openat64)(folder, path, flags, mode);
}
