// Preloaded (LD_PRELOAD) into the responder: makes its calls that read or change files fail, kills it at a change, or
// records them. Counts only what lies below one directory, so that sockets, pipes and the log stay out of it.
//
//     FAULTS_DIRECTORY   the directory, without links in its path; nothing is done without it
//     FAULTS_CONTROL     a file with a `struct control`, shared with the test
//     FAULTS_DENY        system calls that the kernel refuses from now on, in this process and its children, as a unit of systemd
//                        has it done: "NUMBER:ERRNO NUMBER:ERRNO …". It needs no directory
//     FAULTS_RECORD      a file that every change which succeeded is appended to, as `struct record`
//
// The calls are made with syscall(2), so nothing has to be looked up in the library that is stood before. 64-bit Linux only:
// there off_t is 64 bits wide and pwrite64 is pwrite by another name.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// The kinds of calls, as FaultLibrary.swift has them.
enum kind {
    any_kind,
    kind_write,
    kind_pwrite,
    kind_pread,  // no change: counts only where it is asked for
    kind_fallocate,
    kind_fsync,
    kind_fdatasync,
    kind_ftruncate,
    kind_link,
    kind_rename,
    kind_unlink,
    kind_mkdir,
    kind_create,
    kind_fdatasync_directory,
};

enum action { act_not, act_fail, act_kill_before, act_kill_after };

// What the test has ordered. It is changed only while `armed` is 0.
struct control {
    _Atomic uint64_t armed;
    _Atomic uint64_t kind;    // which calls count
    _Atomic uint64_t action;  // what happens to the call that is due
    _Atomic uint64_t error;   // the errno it gets
    _Atomic uint64_t due;     // its number, from 1
    _Atomic uint64_t sticky;  // whether all later ones of the kind are due too
    _Atomic uint64_t calls;   // how many of the kind there were since arming
    _Atomic uint64_t hits;    // to how many of them it happened
};

// A change that succeeded. `name_length` bytes follow, a name in `directory`, then `length` bytes: what was written, or the
// old name of a renamed entry.
struct record {
    uint32_t kind;
    uint32_t name_length;
    uint64_t inode;      // the file's; 0 where the entry went
    uint64_t directory;  // the directory's inode where an entry came or went, else 0
    uint64_t offset;     // of the bytes written; the new size; the old directory's inode of a renamed entry
    uint64_t length;
};

static const char *root;
static size_t root_length;
static struct control *control;
static int record_file = -1;
// A change and its record are one step, so the records have the order of the changes.
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

static void give_up(const char *what) {
    dprintf(2, "faults: %s: %s\n", what, strerror(errno));
    abort();
}

// https://www.kernel.org/doc/html/v6.1/userspace-api/seccomp_filter.html
static void deny(const char *calls) {
    enum { most = 32 };
    struct sock_filter filter[2 * most + 2] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    unsigned short length = 1;
    char *end;
    for (unsigned long number = strtoul(calls, &end, 10); *end == ':' && length < 2 * most; number = strtoul(end, &end, 10)) {
        unsigned error = (unsigned)strtoul(end + 1, &end, 10);
        filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1);
        filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error);
    }
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {length, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        give_up("seccomp");
}

__attribute__((constructor)) static void begin(void) {
    const char *calls = getenv("FAULTS_DENY");
    if (calls != NULL) deny(calls);
    const char *directory = getenv("FAULTS_DIRECTORY");
    if (directory == NULL) return;
    const char *path = getenv("FAULTS_CONTROL");
    if (path != NULL) {
        int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
        if (file < 0) give_up(path);
        void *memory = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (memory == MAP_FAILED) give_up(path);
        close(file);
        control = memory;
    }
    path = getenv("FAULTS_RECORD");
    if (path != NULL) {
        record_file = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (record_file < 0) give_up(path);
    }
    root_length = strlen(directory);
    root = directory;
}

// -- What counts --

static bool is_below(const char *path) {
    return strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == '\0');
}

static bool link_of(int descriptor, char path[PATH_MAX]) {
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return false;
    path[length] = '\0';
    return true;
}

// Whether a descriptor's file counts. The standard ones are the log, which lies below the directory too.
static bool counts(int descriptor) {
    if (root == NULL || descriptor <= 2) return false;
    int saved = errno;
    char path[PATH_MAX];
    bool result = link_of(descriptor, path) && is_below(path);
    errno = saved;
    return result;
}

// Makes `path` absolute. Returns whether it counts.
static bool resolve(int directory, const char *path, char absolute[PATH_MAX]) {
    if (root == NULL || path == NULL) return false;
    int saved = errno;
    size_t length = 0;
    bool is_known = true;
    if (path[0] != '/') {
        is_known = directory == AT_FDCWD ? getcwd(absolute, PATH_MAX) != NULL : link_of(directory, absolute);
        length = is_known ? strlen(absolute) : 0;
        if (is_known && length < PATH_MAX - 1) absolute[length++] = '/';
    }
    is_known = is_known && length + strlen(path) < PATH_MAX;
    if (is_known) strcpy(absolute + length, path);
    errno = saved;
    return is_known && is_below(absolute);
}

// -- What happens to a call --

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

// What is ordered for this call. A failure has set errno.
static enum action ordered(enum kind kind) {
    if (control == NULL || !atomic_load(&control->armed)) return act_not;
    uint64_t wanted = atomic_load(&control->kind);
    if (wanted != kind && (wanted != any_kind || kind == kind_pread)) return act_not;
    uint64_t number = atomic_fetch_add(&control->calls, 1) + 1;
    uint64_t due = atomic_load(&control->due);
    if (number != due && !(number > due && atomic_load(&control->sticky))) return act_not;
    atomic_fetch_add(&control->hits, 1);
    enum action action = (enum action)atomic_load(&control->action);
    if (action == act_kill_before) die();
    if (action == act_fail) errno = (int)atomic_load(&control->error);
    return action;
}

// Between these two a change is made and recorded. `begin_change` returns false if the call is to fail.
static bool begin_change(enum kind kind, enum action *action) {
    *action = ordered(kind);
    if (*action == act_fail) return false;
    if (record_file >= 0) pthread_mutex_lock(&order);
    return true;
}

static void end_change(enum action action) {
    int saved = errno;
    if (record_file >= 0) pthread_mutex_unlock(&order);
    if (action == act_kill_after) die();
    errno = saved;
}

// -- Recording --

static void append(struct record record, const char *name, const void *bytes) {
    record.name_length = (uint32_t)strlen(name);
    struct iovec parts[] = {
        {&record, sizeof record}, {(void *)(uintptr_t)name, record.name_length}, {(void *)(uintptr_t)bytes, record.length}};
    ssize_t whole = (ssize_t)(sizeof record + record.name_length + record.length);
    // A record that is cut off would make nonsense of all that follow.
    if (syscall(SYS_writev, record_file, parts, 3) != whole) give_up("record");
}

static uint64_t inode_of(int descriptor) {
    struct stat status;
    return fstat(descriptor, &status) == 0 ? status.st_ino : 0;
}

static uint64_t inode_at(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0 ? status.st_ino : 0;
}

// The inode of the directory that an entry is in; `name` is the entry's.
static uint64_t parent_of(const char *path, const char **name) {
    char parent[PATH_MAX];
    strcpy(parent, path);
    char *slash = strrchr(parent, '/');
    *slash = '\0';
    *name = path + (slash - parent) + 1;
    return inode_at(parent);
}

static void record_change(enum kind kind, int descriptor, uint64_t offset, const void *bytes, size_t length) {
    if (record_file < 0) return;
    struct record record = {.kind = kind, .inode = inode_of(descriptor), .offset = offset, .length = length};
    append(record, "", bytes);
}

static void record_entry(enum kind kind, const char *path, uint64_t inode) {
    if (record_file < 0) return;
    const char *name;
    uint64_t directory = parent_of(path, &name);
    append((struct record){.kind = kind, .inode = inode, .directory = directory}, name, NULL);
}

// -- Bytes --

ssize_t write(int descriptor, const void *bytes, size_t length) {
    enum action action = act_not;
    bool is_ours = counts(descriptor);
    if (is_ours && !begin_change(kind_write, &action)) return -1;
    ssize_t count = syscall(SYS_write, descriptor, bytes, length);
    if (!is_ours) return count;
    if (count > 0)
        record_change(kind_write, descriptor, (uint64_t)(lseek(descriptor, 0, SEEK_CUR) - count), bytes, (size_t)count);
    end_change(action);
    return count;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset) {
    enum action action = act_not;
    bool is_ours = counts(descriptor);
    if (is_ours && !begin_change(kind_pwrite, &action)) return -1;
    ssize_t count = syscall(SYS_pwrite64, descriptor, bytes, length, offset);
    if (!is_ours) return count;
    if (count > 0) record_change(kind_pwrite, descriptor, (uint64_t)offset, bytes, (size_t)count);
    end_change(action);
    return count;
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off64_t offset) {
    return pwrite(descriptor, bytes, length, offset);
}

ssize_t pread(int descriptor, void *bytes, size_t length, off_t offset) {
    if (counts(descriptor)) {
        if (ordered(kind_pread) == act_fail) return -1;
    }
    return syscall(SYS_pread64, descriptor, bytes, length, offset);
}

ssize_t pread64(int descriptor, void *bytes, size_t length, off64_t offset) {
    return pread(descriptor, bytes, length, offset);
}

// -- Sizes --

// Makes a call that leaves the file with a size, which is what is recorded.
static int resize(enum kind kind, long number, int descriptor, int mode, off_t offset, off_t length) {
    enum action action = act_not;
    bool is_ours = counts(descriptor);
    if (is_ours && !begin_change(kind, &action)) return -1;
    int code = (int)(number == SYS_ftruncate ? syscall(number, descriptor, length)
                                             : syscall(number, descriptor, mode, offset, length));
    if (!is_ours) return code;
    struct stat status;
    if (code == 0 && fstat(descriptor, &status) == 0) record_change(kind, descriptor, (uint64_t)status.st_size, NULL, 0);
    end_change(action);
    return code;
}

int fallocate(int descriptor, int mode, off_t offset, off_t length) {
    return resize(kind_fallocate, SYS_fallocate, descriptor, mode, offset, length);
}

int fallocate64(int descriptor, int mode, off64_t offset, off64_t length) {
    return resize(kind_fallocate, SYS_fallocate, descriptor, mode, offset, length);
}

int posix_fallocate(int descriptor, off_t offset, off_t length) {
    return resize(kind_fallocate, SYS_fallocate, descriptor, 0, offset, length) == 0 ? 0 : errno;
}

int posix_fallocate64(int descriptor, off64_t offset, off64_t length) { return posix_fallocate(descriptor, offset, length); }

int ftruncate(int descriptor, off_t length) { return resize(kind_ftruncate, SYS_ftruncate, descriptor, 0, 0, length); }

int ftruncate64(int descriptor, off64_t length) { return resize(kind_ftruncate, SYS_ftruncate, descriptor, 0, 0, length); }

// -- Durability --

static int sync_file(enum kind kind, long number, int descriptor) {
    enum action action = act_not;
    bool is_ours = counts(descriptor);
    if (is_ours && !begin_change(kind, &action)) return -1;
    int code = (int)syscall(number, descriptor);
    if (!is_ours) return code;
    if (code == 0) record_change(kind, descriptor, 0, NULL, 0);
    end_change(action);
    return code;
}

int fsync(int descriptor) { return sync_file(kind_fsync, SYS_fsync, descriptor); }

// SQLite alone calls it for a directory, after it has made a log, and does not ask whether it succeeded.
int fdatasync(int descriptor) {
    int saved = errno;
    struct stat status;
    bool is_directory = fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode);
    errno = saved;
    return sync_file(is_directory ? kind_fdatasync_directory : kind_fdatasync, SYS_fdatasync, descriptor);
}

// -- Names --

int linkat(int old_directory, const char *old_path, int directory, const char *path, int flags) {
    char absolute[PATH_MAX];
    enum action action = act_not;
    bool is_ours = resolve(directory, path, absolute);
    if (is_ours && !begin_change(kind_link, &action)) return -1;
    int code = (int)syscall(SYS_linkat, old_directory, old_path, directory, path, flags);
    if (!is_ours) return code;
    if (code == 0) record_entry(kind_link, absolute, inode_at(absolute));
    end_change(action);
    return code;
}

int link(const char *old_path, const char *path) { return linkat(AT_FDCWD, old_path, AT_FDCWD, path, 0); }

int renameat2(int old_directory, const char *old_path, int directory, const char *path, unsigned int flags) {
    char old_absolute[PATH_MAX], absolute[PATH_MAX];
    enum action action = act_not;
    bool is_ours = resolve(old_directory, old_path, old_absolute) && resolve(directory, path, absolute);
    if (is_ours && !begin_change(kind_rename, &action)) return -1;
    int code = (int)syscall(SYS_renameat2, old_directory, old_path, directory, path, flags);
    if (!is_ours) return code;
    if (code == 0 && record_file >= 0) {
        const char *old_name, *name;
        struct record record = {.kind = kind_rename, .inode = inode_at(absolute)};
        record.offset = parent_of(old_absolute, &old_name);
        record.directory = parent_of(absolute, &name);
        record.length = strlen(old_name);
        append(record, name, old_name);
    }
    end_change(action);
    return code;
}

int renameat(int old_directory, const char *old_path, int directory, const char *path) {
    return renameat2(old_directory, old_path, directory, path, 0);
}

int rename(const char *old_path, const char *path) { return renameat2(AT_FDCWD, old_path, AT_FDCWD, path, 0); }

int unlinkat(int directory, const char *path, int flags) {
    char absolute[PATH_MAX];
    enum action action = act_not;
    bool is_ours = resolve(directory, path, absolute);
    if (is_ours && !begin_change(kind_unlink, &action)) return -1;
    int code = (int)syscall(SYS_unlinkat, directory, path, flags);
    if (!is_ours) return code;
    if (code == 0) record_entry(kind_unlink, absolute, 0);
    end_change(action);
    return code;
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int directory, const char *path, mode_t mode) {
    char absolute[PATH_MAX];
    enum action action = act_not;
    bool is_ours = resolve(directory, path, absolute);
    if (is_ours && !begin_change(kind_mkdir, &action)) return -1;
    int code = (int)syscall(SYS_mkdirat, directory, path, mode);
    if (!is_ours) return code;
    if (code == 0) record_entry(kind_mkdir, absolute, inode_at(absolute));
    end_change(action);
    return code;
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

// -- Opening --

static void record_opening(int descriptor, const char *absolute, bool existed, int flags) {
    if (record_file < 0) return;
    if ((flags & O_TMPFILE) == O_TMPFILE) {
        // Without a name. Recorded because its inode's number may have been another file's before.
        append((struct record){.kind = kind_create, .inode = inode_of(descriptor)}, "", NULL);
    } else if (!existed) {
        record_entry(kind_create, absolute, inode_of(descriptor));
    } else if (flags & O_TRUNC) {
        record_change(kind_ftruncate, descriptor, 0, NULL, 0);
    }
}

static int open_file(int directory, const char *path, int flags, mode_t mode) {
    char absolute[PATH_MAX];
    enum action action = act_not;
    bool is_ours = ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) && resolve(directory, path, absolute);
    if (is_ours && !begin_change(kind_create, &action)) return -1;
    bool existed = is_ours && inode_at(absolute) != 0;
    int descriptor = (int)syscall(SYS_openat, directory, path, flags, mode);
    if (!is_ours) return descriptor;
    if (descriptor >= 0) record_opening(descriptor, absolute, existed, flags);
    end_change(action);
    return descriptor;
}

// The mode is there only where something may be created.
static mode_t mode_argument(int flags, va_list arguments) {
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(arguments, mode_t) : 0;
}

#define OPENING(name)                                               \
    int name(const char *path, int flags, ...) {                    \
        va_list arguments;                                          \
        va_start(arguments, flags);                                 \
        mode_t mode = mode_argument(flags, arguments);              \
        va_end(arguments);                                          \
        return open_file(AT_FDCWD, path, flags, mode);              \
    }

#define OPENING_AT(name)                                            \
    int name(int directory, const char *path, int flags, ...) {     \
        va_list arguments;                                          \
        va_start(arguments, flags);                                 \
        mode_t mode = mode_argument(flags, arguments);              \
        va_end(arguments);                                          \
        return open_file(directory, path, flags, mode);             \
    }

OPENING(open)
OPENING(open64)
OPENING_AT(openat)
OPENING_AT(openat64)
