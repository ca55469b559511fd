// System calls that the Glibc module does not show to Swift because they need _GNU_SOURCE, are variadic, or have no
// wrapper in this version of the C library.
#ifndef VIDEO_INTAKE_CPLATFORM_SHIM_H
#define VIDEO_INTAKE_CPLATFORM_SHIM_H

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/openat2.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

// Hidden without _GNU_SOURCE: https://man7.org/linux/man-pages/man3/memmem.3.html
extern void *memmem(const void *haystack, size_t haystack_length, const void *needle, size_t needle_length);

// Hidden without _GNU_SOURCE: https://man7.org/linux/man-pages/man2/fallocate.2.html
extern int fallocate(int descriptor, int mode, off_t offset, off_t length);

// Hidden without _GNU_SOURCE: https://man7.org/linux/man-pages/man2/sync_file_range.2.html
extern int sync_file_range(int descriptor, off_t offset, off_t length, unsigned int flags);

// Starts to write what is dirty in a range; does not wait for it. SYNC_FILE_RANGE_WRITE is hidden as well.
static inline void vi_start_sync(int descriptor, off_t offset, off_t length) {
    sync_file_range(descriptor, offset, length, 2);
}

// Hidden without _GNU_SOURCE: https://man7.org/linux/man-pages/man2/accept.2.html
struct sockaddr;
extern int accept4(int descriptor, struct sockaddr *address, unsigned int *length, int flags);

// Hidden without _GNU_SOURCE: https://man7.org/linux/man-pages/man2/pipe.2.html
extern int pipe2(int descriptors[2], int flags);

// Hidden without _GNU_SOURCE: https://man7.org/linux/man-pages/man3/pthread_setname_np.3.html
// Names a thread, in at most 15 bytes, for those who look at a process with `top -H`.
extern int pthread_setname_np(unsigned long thread, const char *name);

// Hidden without _GNU_SOURCE: https://man7.org/linux/man-pages/man2/rename.2.html
extern int renameat2(int directory, const char *path, int new_directory, const char *new_path, unsigned int flags);

// Lets two paths change places, in one step that nobody can see half of. RENAME_EXCHANGE is hidden as well.
static inline int vi_exchange(const char *path, const char *other) {
    return renameat2(AT_FDCWD, path, AT_FDCWD, other, 2);
}

// Hidden without _GNU_SOURCE: https://man7.org/linux/man-pages/man3/strerrorname_np.3.html
// Like "ENOSYS"; NULL if there is no such error.
extern const char *strerrorname_np(int code);

// A macro over hidden macros: https://man7.org/linux/man-pages/man2/open.2.html
static const int vi_O_TMPFILE = __O_TMPFILE | O_DIRECTORY;

// openat(2) is variadic, which Swift cannot call.
static inline int vi_openat(int directory, const char *path, int flags, mode_t mode) {
    return openat(directory, path, flags | O_CLOEXEC, mode);
}

// openat2(2) has no wrapper in glibc 2.36: https://man7.org/linux/man-pages/man2/openat2.2.html
// Opens `path` strictly below `directory`: no "..", no absolute path, no symbolic link, no magic link on the way.
static inline int vi_open_beneath(int directory, const char *path, int flags) {
    struct open_how how = {0};
    how.flags = (uint64_t)(flags | O_CLOEXEC);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

// fcntl(2) is variadic, and F_OFD_SETLK is hidden without _GNU_SOURCE: https://man7.org/linux/man-pages/man2/fcntl.2.html
// Sets (F_WRLCK) or removes (F_UNLCK) a lock of the open file description, without waiting. A length of 0 means up to the end.
static inline int vi_lock(int descriptor, short type, off_t start, off_t length) {
    struct flock lock = {0};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = start;
    lock.l_len = length;
    return fcntl(descriptor, 37 /* F_OFD_SETLK */, &lock);
}

// futex(2) has no wrapper, and syscall(2) is variadic: https://man7.org/linux/man-pages/man2/futex.2.html
// Sleeps while `word` holds `expected`, until a wake-up or for so long; may return without either. No time: for ever.
static inline void vi_futex_wait(const uint32_t *word, uint32_t expected, long nanoseconds) {
    struct timespec time = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, nanoseconds > 0 ? &time : NULL, NULL, 0);
}

// Wakes at most `count` of those that sleep on `word`.
static inline void vi_futex_wake(const uint32_t *word, int count) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

// membarrier(2) has no wrapper: https://man7.org/linux/man-pages/man2/membarrier.2.html
// Announces that this process will order its threads; 0 if the kernel can.
static inline int vi_membarrier_register(void) {
    return (int)syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
}

// Makes every running thread of this process pass a full memory barrier.
static inline void vi_membarrier(void) { syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0); }

// Not in the Glibc module: https://man7.org/linux/man-pages/man3/mallinfo.3.html
// Bytes that this process has allocated and not freed.
static inline size_t vi_allocated(void) {
    struct mallinfo2 state = mallinfo2();
    return state.uordblks + state.hblkhd;
}

// Fills in the address of a unix socket. Returns 0, or -1 if the path is empty or does not fit with its final NUL
// (108 bytes). In C because `sun_path` reaches Swift as a tuple of 108 elements.
static inline int vi_unix_address(struct sockaddr_un *address, const char *path) {
    size_t length = strlen(path);
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (length == 0 || length >= sizeof address->sun_path) return -1;
    memcpy(address->sun_path, path, length);
    return 0;
}

// bind(2) and connect(2) take a transparent union under _GNU_SOURCE, so their type in Swift depends on the platform.
static inline int vi_unix_bind(int descriptor, const struct sockaddr_un *address) {
    return bind(descriptor, (const struct sockaddr *)address, sizeof *address);
}

static inline int vi_unix_connect(int descriptor, const struct sockaddr_un *address) {
    return connect(descriptor, (const struct sockaddr *)address, sizeof *address);
}

// Sends a datagram to the socket that systemd's NOTIFY_SOCKET names: a path, or after an @ an abstract name, whose first
// byte is 0 and which ends where the address does.
// https://www.freedesktop.org/software/systemd/man/252/sd_notify.html
static inline ssize_t vi_notify(int descriptor, const char *name, const void *bytes, size_t count) {
    struct sockaddr_un address;
    if (vi_unix_address(&address, name) != 0) return -1;
    if (name[0] == '@') address.sun_path[0] = 0;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    return sendto(descriptor, bytes, count, MSG_NOSIGNAL, (const struct sockaddr *)&address, size);
}

// Tells the processor that this is a spin loop, which has no name in Swift.
static inline void vi_spin_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

// The processor's CRC32C instruction, which Swift has no name for. Whether there is one:
static inline int vi_has_crc32c(void) {
#if defined(__x86_64__)
    unsigned int a, b, c = 0, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2);
#else
    return 0;
#endif
}

// Continues a CRC32C over more bytes with the instruction. `crc` is the register, not yet inverted.
static inline uint32_t vi_crc32c(uint32_t crc, const void *bytes, size_t count) {
    uint64_t wide = crc;
#if defined(__x86_64__)
    const uint8_t *next = (const uint8_t *)bytes;
    for (; count >= 8; count -= 8, next += 8) __asm__("crc32q %1, %0" : "+r"(wide) : "m"(*(const uint64_t *)next));
    for (; count > 0; count--, next++) __asm__("crc32b %1, %0" : "+r"(wide) : "m"(*next));
#else
    (void)bytes;
    (void)count;
#endif
    return (uint32_t)wide;
}

// Continues three CRC32Cs, of the `stride` bytes at `bytes` and those that follow twice, at the speed of one: the
// instruction's result is there after three cycles, but another one can begin in each. `stride` is a multiple of 8.
static inline void vi_crc32c_three(uint32_t crcs[3], const void *bytes, size_t stride) {
    uint64_t a = crcs[0], b = crcs[1], c = crcs[2];
#if defined(__x86_64__)
    const uint8_t *next = (const uint8_t *)bytes;
    for (const uint8_t *end = next + stride; next < end; next += 8) {
        __asm__("crc32q %1, %0" : "+r"(a) : "m"(*(const uint64_t *)next));
        __asm__("crc32q %1, %0" : "+r"(b) : "m"(*(const uint64_t *)(next + stride)));
        __asm__("crc32q %1, %0" : "+r"(c) : "m"(*(const uint64_t *)(next + 2 * stride)));
    }
#else
    (void)bytes;
    (void)stride;
#endif
    crcs[0] = (uint32_t)a, crcs[1] = (uint32_t)b, crcs[2] = (uint32_t)c;
}

#endif
