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

#endif
