#define _GNU_SOURCE

#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/openat2.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

const void *vi_memmem(const void *haystack, size_t haystack_length, const void *needle, size_t needle_length) {
    return memmem(haystack, haystack_length, needle, needle_length);
}

const char *vi_error_name(int code) { return strerrorname_np(code); }

static _Thread_local int32_t lock_order;

int32_t vi_lock_order(void) { return lock_order; }

void vi_set_lock_order(int32_t order) { lock_order = order; }

int vi_name_thread(pthread_t thread, const char *name) { return pthread_setname_np(thread, name); }

size_t vi_allocated(void) {
    struct mallinfo2 state = mallinfo2();
    return state.uordblks + state.hblkhd;
}

int vi_is_default_action(const struct sigaction *action) {
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_DFL;
}

int vi_pipe(int descriptors[2]) { return pipe2(descriptors, O_CLOEXEC); }

int vi_memory_file(const char *name) { return memfd_create(name, MFD_CLOEXEC); }

int vi_open_unnamed(int directory, mode_t mode) {
    return openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
}

int vi_open_beneath(int directory, const char *path, int flags) {
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

int vi_allocate(int descriptor, off_t offset, off_t length) { return fallocate(descriptor, 0, offset, length); }

int vi_start_sync(int descriptor, off_t offset, off_t length) {
    return sync_file_range(descriptor, offset, length, SYNC_FILE_RANGE_WRITE);
}

int vi_lock(int descriptor, short type, off_t start, off_t length) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(descriptor, F_OFD_SETLK, &lock);
}

const size_t vi_unix_path_limit = sizeof((struct sockaddr_un *)0)->sun_path - 1;

static int make_address(struct sockaddr_un *address, const char *path) {
    size_t length = strlen(path);
    if (length == 0 || length > vi_unix_path_limit) {
        errno = ENAMETOOLONG;
        return -1;
    }
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, path, length);
    return 0;
}

int vi_unix_bind(int descriptor, const char *path) {
    struct sockaddr_un address;
    return make_address(&address, path) ?: bind(descriptor, (const struct sockaddr *)&address, sizeof address);
}

int vi_unix_connect(int descriptor, const char *path) {
    struct sockaddr_un address;
    return make_address(&address, path) ?: connect(descriptor, (const struct sockaddr *)&address, sizeof address);
}

int vi_accept(int descriptor) { return accept4(descriptor, NULL, NULL, SOCK_CLOEXEC); }

ssize_t vi_notify(int descriptor, const char *name, const void *bytes, size_t count) {
    struct sockaddr_un address;
    if (make_address(&address, name) != 0) return -1;
    if (name[0] == '@') address.sun_path[0] = 0;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    return sendto(descriptor, bytes, count, MSG_NOSIGNAL, (const struct sockaddr *)&address, size);
}

int vi_epoll_add(int epoll, int descriptor, int exclusive) {
    struct epoll_event event = {.events = EPOLLIN | (exclusive ? EPOLLEXCLUSIVE : 0)};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

int vi_epoll_wait_one(int epoll, int milliseconds) {
    struct epoll_event event;
    return epoll_wait(epoll, &event, 1, milliseconds);
}

void vi_futex_wait(const uint32_t *word, uint32_t expected, long nanoseconds) {
    struct timespec time = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, nanoseconds > 0 ? &time : NULL, NULL, 0);
}

void vi_futex_wake(const uint32_t *word, int count) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

int vi_membarrier_register(void) {
    return (int)syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
}

void vi_membarrier(void) { syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0); }
