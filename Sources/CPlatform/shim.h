// System calls that the Glibc module does not show to Swift because they need _GNU_SOURCE, are variadic, or have no
// wrapper in this version of the C library.
#ifndef VIDEO_INTAKE_CPLATFORM_SHIM_H
#define VIDEO_INTAKE_CPLATFORM_SHIM_H

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

// Hidden without _GNU_SOURCE: https://man7.org/linux/man-pages/man3/memmem.3.html
extern void *memmem(const void *haystack, size_t haystack_length, const void *needle, size_t needle_length);

// Hidden without _GNU_SOURCE: https://man7.org/linux/man-pages/man2/copy_file_range.2.html
extern ssize_t copy_file_range(int source, off_t *source_offset, int target, off_t *target_offset, size_t length,
                               unsigned int flags);

// Hidden without _GNU_SOURCE: https://man7.org/linux/man-pages/man2/fallocate.2.html
extern int fallocate(int descriptor, int mode, off_t offset, off_t length);

// Hidden without _GNU_SOURCE: https://man7.org/linux/man-pages/man2/accept.2.html
struct sockaddr;
extern int accept4(int descriptor, struct sockaddr *address, unsigned int *length, int flags);

// Hidden without _GNU_SOURCE: https://man7.org/linux/man-pages/man2/pipe.2.html
extern int pipe2(int descriptors[2], int flags);

// Hidden without _GNU_SOURCE: https://man7.org/linux/man-pages/man7/environ.7.html
// A function, because a global variable of another module is not safe for Swift to touch.
extern char **environ;
static inline char **vi_environment(void) { return environ; }

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

#endif
