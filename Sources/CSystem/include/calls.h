// System calls that the Glibc module does not show to Swift because they need _GNU_SOURCE, are variadic, have no wrapper
// in this version of the C library, or take structures that Swift handles badly. Each returns what the call returns and sets errno. All are thread-safe.
#pragma once

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/types.h>

// https://man7.org/linux/man-pages/man3/memmem.3.html
const void *vi_memmem(const void *haystack, size_t haystack_length, const void *needle, size_t needle_length);

// Like "ENOSYS"; NULL if there is no such error. https://man7.org/linux/man-pages/man3/strerrorname_np.3.html
const char *vi_error_name(int code);

// Names a thread, in at most 15 bytes, as `top -H` shows it.
int vi_name_thread(pthread_t thread, const char *name);

// Bytes that this process has allocated and not freed. https://man7.org/linux/man-pages/man3/mallinfo.3.html
size_t vi_allocated(void);

// Whether it is SIG_DFL: its members are macros, and the constants are casts, neither of which Swift imports.
int vi_is_default_action(const struct sigaction *action);

// A number of the calling thread's own, 0 at its start: the place of the last lock that it has taken, in debug builds.
int32_t vi_lock_order(void);
void vi_set_lock_order(int32_t order);

// MARK: Files

// Both ends of a pipe, closed on exec. https://man7.org/linux/man-pages/man2/pipe.2.html
int vi_pipe(int descriptors[2]);

// A file in memory, closed on exec. https://man7.org/linux/man-pages/man2/memfd_create.2.html
int vi_memory_file(const char *name);

// Opens a new file without a name on the file system of `directory` (O_TMPFILE), for reading and writing.
int vi_open_unnamed(int directory, mode_t mode);

// Opens `path` strictly below `directory`: no "..", no absolute path, no symbolic link, no magic link on the way.
// https://man7.org/linux/man-pages/man2/openat2.2.html
int vi_open_beneath(int directory, const char *path, int flags);

// Gives a range its place on the disk. https://man7.org/linux/man-pages/man2/fallocate.2.html
int vi_allocate(int descriptor, off_t offset, off_t length);

// Starts to write what is dirty in a range; does not wait for it (SYNC_FILE_RANGE_WRITE).
int vi_start_sync(int descriptor, off_t offset, off_t length);

// Sets (F_WRLCK) or removes (F_UNLCK) a lock of the open file description, without waiting (F_OFD_SETLK). A length of 0
// means up to the end. https://man7.org/linux/man-pages/man2/fcntl.2.html
int vi_lock(int descriptor, short type, off_t start, off_t length);

// MARK: Unix sockets and epoll(7)

// The most bytes that the path of a unix socket can have; its final NUL must fit too.
extern const size_t vi_unix_path_limit;

// Fails with ENAMETOOLONG if the path is empty or too long.
int vi_unix_bind(int descriptor, const char *path);
int vi_unix_connect(int descriptor, const char *path);

// Accepts a connection, closed on exec. https://man7.org/linux/man-pages/man2/accept.2.html
int vi_accept(int descriptor);

// Sends a datagram to the socket that systemd's NOTIFY_SOCKET names: a path, or after an @ an abstract name, whose first
// byte is 0 and which ends where the address does.
// https://www.freedesktop.org/software/systemd/man/252/sd_notify.html
ssize_t vi_notify(int descriptor, const char *name, const void *bytes, size_t count);

// Waits for something to read (EPOLLIN). `exclusive`: an event wakes one of those that wait, not all of them.
int vi_epoll_add(int epoll, int descriptor, int exclusive);

// Waits for one event, -1 for ever.
int vi_epoll_wait_one(int epoll, int milliseconds);

// MARK: Threads

// Sleeps while `word` holds `expected`, until a wake-up or for so long; may return without either. No time: for ever.
// https://man7.org/linux/man-pages/man2/futex.2.html
void vi_futex_wait(const uint32_t *word, uint32_t expected, long nanoseconds);

// Wakes at most `count` of those that sleep on `word`.
void vi_futex_wake(const uint32_t *word, int count);

// Announces that this process will order its threads; 0 if the kernel can.
// https://man7.org/linux/man-pages/man2/membarrier.2.html
int vi_membarrier_register(void);

// Makes every running thread of this process pass a full memory barrier.
void vi_membarrier(void);

// Tells the processor that this is a spin loop, which has no name in Swift.
static inline void vi_spin_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}
