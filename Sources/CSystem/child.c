#define _GNU_SOURCE

#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "filter.h"

// Paths that a child can be given.
enum { VI_PATH_LIMIT = 64 };

// In the child: after fork(2) of a process with threads only what signal-safety(7) lists may be called, and system calls.
// Whatever needs memory is prepared before.

// What can fail, by the name of its call.
enum step {
    STEP_FORK, STEP_DESCRIPTORS, STEP_DIRECTORY, STEP_GROUP, STEP_PARENT, STEP_NAMESPACES, STEP_USER, STEP_MOUNT,
    STEP_ROOT, STEP_CAPABILITIES, STEP_PRIVILEGES, STEP_PATH, STEP_RULESET, STEP_RULE, STEP_LANDLOCK, STEP_NICENESS,
    STEP_LIMIT, STEP_FILTER, STEP_PROGRAM, STEP_COUNT,
};
static const char *const step_names[STEP_COUNT] = {
    "fork", "dup3", "chdir", "setpgid", "prctl(PR_SET_PDEATHSIG)", "unshare", "uid_map", "mount",
    "pivot_root", "prctl(PR_CAPBSET_DROP)", "prctl(PR_SET_NO_NEW_PRIVS)", "open", "landlock_create_ruleset",
    "landlock_add_rule", "landlock_restrict_self", "setpriority", "prlimit", "prctl(PR_SET_SECCOMP)", "execve",
};

// What is made before the fork.
struct prepared {
    const struct vi_child *child;
    pid_t parent;
    int descriptors[3];
    int report;
    char user_map[64], group_map[64];
    struct sock_filter filter[VI_FILTER_LIMIT];
};

// Where the child says what failed.
static const int report_descriptor = 3;
// Until it is there, and in the child only.
static int report_number;

static _Noreturn void fail(enum step step) {
    int report[2] = {step, errno};
    ssize_t count = write(report_number, report, sizeof report);
    (void)count;
    _exit(127);
}

static void check(long result, enum step step) {
    if (result < 0) fail(step);
}

// MARK: - Landlock

// The kernel's headers of Debian 12 know less of it than the kernel may.
struct landlock_rules {
    uint64_t files, network, scopes;
};
struct __attribute__((packed)) landlock_beneath {
    uint64_t allowed;
    int32_t parent;
};

enum {
    FS_EXECUTE = 1 << 0, FS_WRITE_FILE = 1 << 1, FS_READ_FILE = 1 << 2, FS_READ_DIR = 1 << 3, FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5, FS_MAKE_DIR = 1 << 7, FS_MAKE_REG = 1 << 8, FS_REFER = 1 << 13, FS_TRUNCATE = 1 << 14,
    // Up to MAKE_SYM.
    FS_FIRST_VERSION = (1 << 13) - 1,
    FS_IOCTL_DEV = 1 << 15,
    FS_OF_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE,
};

int vi_landlock_version(void) {
    // LANDLOCK_CREATE_RULESET_VERSION
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
    return version < 0 ? 0 : (int)version;
}

static void raise_landlock(const struct vi_child *child) {
    int version = vi_landlock_version();
    if (version < 1) fail(STEP_RULESET);
    struct landlock_rules rules = {.files = FS_FIRST_VERSION};
    if (version >= 2) rules.files |= FS_REFER;
    if (version >= 3) rules.files |= FS_TRUNCATE;
    if (version >= 5) rules.files |= FS_IOCTL_DEV;
    // To bind and to connect TCP sockets; abstract Unix sockets and signals to others.
    if (version >= 4) rules.network = 3;
    if (version >= 6) rules.scopes = 3;
    size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
    check(ruleset, STEP_RULESET);
    for (size_t index = 0; index < child->path_count; index++) {
        unsigned int access = child->paths[index].access;
        struct landlock_beneath beneath = {.parent = open(child->paths[index].path, O_PATH | O_CLOEXEC)};
        if (beneath.parent < 0 && (errno == ENOENT || errno == ENOTDIR)) continue;
        check(beneath.parent, STEP_PATH);
        if (access & VI_ACCESS_READ) beneath.allowed |= FS_READ_FILE | FS_READ_DIR;
        if (access & VI_ACCESS_EXECUTE) beneath.allowed |= FS_EXECUTE;
        if (access & VI_ACCESS_WRITE) {
            beneath.allowed |= FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER
                | FS_TRUNCATE;
        }
        struct stat status;
        check(fstat(beneath.parent, &status), STEP_PATH);
        beneath.allowed &= S_ISDIR(status.st_mode) ? rules.files : rules.files & FS_OF_FILES;
        check(syscall(SYS_landlock_add_rule, ruleset, 1 /* LANDLOCK_RULE_PATH_BENEATH */, &beneath, 0), STEP_RULE);
        close(beneath.parent);
    }
    check(syscall(SYS_landlock_restrict_self, ruleset, 0), STEP_LANDLOCK);
    close(ruleset);
}

// MARK: - A root directory of its own

// Where it is put together: a directory that every system has.
static const char *const new_root = "/tmp";

// The flags of a mount that a user namespace may not take away.
static unsigned long kept_flags(int descriptor) {
    struct statfs status;
    check(fstatfs(descriptor, &status), STEP_MOUNT);
    // The first ones, up to MS_NOEXEC, have the same numbers.
    unsigned long flags = (unsigned long)status.f_flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
    if (status.f_flags & 0x400) flags |= MS_NOATIME;
    if (status.f_flags & 0x800) flags |= MS_NODIRATIME;
    if (status.f_flags & 0x1000) flags |= MS_RELATIME;
    return flags;
}

// Writes a number; there is no snprintf(3) here.
static char *append_number(char *end, int number) {
    char digits[12];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
    } while ((number /= 10) > 0);
    while (count > 0) *end++ = digits[--count];
    *end = 0;
    return end;
}

// Shows a path in the new root directory. `descriptor`: the path, opened when everything could be seen.
static void show_in_root(int root, const struct vi_path *shown, int descriptor) {
    char path[4096], source[32] = "/proc/self/fd/", target[32] = "/proc/self/fd/";
    if (strlen(shown->path) >= sizeof path) {
        errno = ENAMETOOLONG;
        fail(STEP_MOUNT);
    }
    struct stat status;
    check(fstat(descriptor, &status), STEP_PATH);
    // The directories above it.
    strcpy(path, shown->path + 1);
    for (char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdirat(root, path, 0755) != 0 && errno != EEXIST) fail(STEP_MOUNT);
        *slash = '/';
    }
    if (S_ISLNK(status.st_mode)) {
        // Like /lib, which points into /usr.
        char link[4096];
        ssize_t length = readlinkat(descriptor, "", link, sizeof link - 1);
        check(length, STEP_MOUNT);
        link[length] = 0;
        if (symlinkat(link, root, path) != 0 && errno != EEXIST) fail(STEP_MOUNT);
        close(descriptor);
        return;
    }
    if (S_ISDIR(status.st_mode)) {
        if (mkdirat(root, path, 0755) != 0 && errno != EEXIST) fail(STEP_MOUNT);
    } else {
        int file = openat(root, path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        // What is shown already, with a directory above it.
        if (file >= 0) close(file);
    }
    int place = openat(root, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    check(place, STEP_MOUNT);
    append_number(source + strlen(source), descriptor);
    append_number(target + strlen(target), place);
    check(mount(source, target, NULL, MS_BIND | MS_REC, NULL), STEP_MOUNT);
    close(place);
    // The mount now, where before was what it hides.
    place = openat(root, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    check(place, STEP_MOUNT);
    unsigned long flags = MS_BIND | MS_REMOUNT | MS_NOSUID | kept_flags(place);
    if (!(shown->access & VI_ACCESS_WRITE)) flags |= MS_RDONLY;
    if (!(shown->access & VI_ACCESS_EXECUTE)) flags |= MS_NOEXEC;
    if (!S_ISCHR(status.st_mode)) flags |= MS_NODEV;
    strcpy(target, "/proc/self/fd/");
    append_number(target + strlen(target), place);
    check(mount(NULL, target, NULL, flags, NULL), STEP_MOUNT);
    close(place);
    close(descriptor);
}

static void change_root(const struct vi_child *child) {
    check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), STEP_MOUNT);
    // They may lie below the place where the root directory is put together.
    int shown[VI_PATH_LIMIT];
    for (size_t index = 0; index < child->path_count; index++) {
        shown[index] = open(child->paths[index].path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (shown[index] < 0 && errno != ENOENT && errno != ENOTDIR) fail(STEP_PATH);
    }
    check(mount("tmpfs", new_root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m"), STEP_MOUNT);
    int root = open(new_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    check(root, STEP_MOUNT);
    for (size_t index = 0; index < child->path_count; index++) {
        if (shown[index] >= 0) show_in_root(root, &child->paths[index], shown[index]);
    }
    check(fchdir(root), STEP_ROOT);
    check(syscall(SYS_pivot_root, ".", "."), STEP_ROOT);
    check(umount2(".", MNT_DETACH), STEP_ROOT);
    check(mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL), STEP_ROOT);
    close(root);
}

// MARK: - Privileges

// Capabilities that the child of root may keep: it reads what belongs to other users, as root does without being asked.
static void drop_capabilities(void) {
    for (int capability = 0; capability <= 63; capability++) {
        if (capability == CAP_DAC_READ_SEARCH) continue;
        if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) != 1) continue;
        // Another user, or root without this right, has nothing that a program could get.
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EPERM) fail(STEP_CAPABILITIES);
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    check(syscall(SYS_capget, &header, data), STEP_CAPABILITIES);
    // With no_new_privs the program cannot get back what is not permitted here: this counts where the set above cannot be
    // made smaller, as with root without CAP_SETPCAP.
    data[0].permitted &= 1u << CAP_DAC_READ_SEARCH;
    data[0].effective = data[0].permitted;
    data[1].permitted = data[1].effective = 0;
    data[0].inheritable = data[1].inheritable = 0;
    check(syscall(SYS_capset, &header, data), STEP_CAPABILITIES);
}

static void write_file(const char *path, const char *text) {
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    check(descriptor, STEP_USER);
    check(write(descriptor, text, strlen(text)), STEP_USER);
    close(descriptor);
}

static void make_namespaces(const struct prepared *prepared) {
    unsigned int walls = prepared->child->walls;
    int flags = (walls & VI_WALL_NETWORK ? CLONE_NEWNET : 0) | (walls & VI_WALL_MOUNTS ? CLONE_NEWNS : 0);
    if (flags == 0) return;
    if (walls & VI_WALL_USER) flags |= CLONE_NEWUSER;
    check(unshare(flags), STEP_NAMESPACES);
    if (walls & VI_WALL_USER) {
        write_file("/proc/self/setgroups", "deny");
        write_file("/proc/self/uid_map", prepared->user_map);
        write_file("/proc/self/gid_map", prepared->group_map);
    }
}

// MARK: - The child

static void place_descriptors(const struct prepared *prepared) {
    // All of these are 10 or more: none is overwritten before it is used.
    check(dup3(prepared->report, report_descriptor, O_CLOEXEC), STEP_DESCRIPTORS);
    report_number = report_descriptor;
    for (int index = 0; index < 3; index++) check(dup2(prepared->descriptors[index], index), STEP_DESCRIPTORS);
    unsigned int first = (unsigned int)report_descriptor + 1;
    if (syscall(SYS_close_range, first, ~0U, 0) == 0) return;
    // A kernel before 5.9, or a filter.
    struct rlimit limit;
    check(getrlimit(RLIMIT_NOFILE, &limit), STEP_DESCRIPTORS);
    for (unsigned int number = first; number < limit.rlim_max && number < 1 << 20; number++) close((int)number);
}

static void reset_signals(void) {
    // The kernel's structure: handler, flags, restorer, mask. The C library would leave out its own two signals, which may
    // have been ignored when this process was started; SIGKILL and SIGSTOP cannot be changed.
    uint64_t standard[4] = {(uint64_t)(uintptr_t)SIG_DFL};
    for (int number = 1; number < NSIG; number++) syscall(SYS_rt_sigaction, number, standard, NULL, NSIG / 8);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void die_with_parent(pid_t parent) {
    check(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), STEP_PARENT);
    // It may have ended before.
    if (getppid() != parent) _exit(127);
}

static _Noreturn void run(struct prepared *prepared) {
    const struct vi_child *child = prepared->child;
    report_number = prepared->report;
    place_descriptors(prepared);
    reset_signals();
    check(setpgid(0, 0), STEP_GROUP);
    die_with_parent(prepared->parent);
    make_namespaces(prepared);
    if (child->walls & VI_WALL_MOUNTS) change_root(child);
    check(chdir(child->directory), STEP_DIRECTORY);
    drop_capabilities();
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), STEP_PRIVILEGES);
    if (child->walls & VI_WALL_LANDLOCK) raise_landlock(child);
    if (child->niceness != 0) check(setpriority(PRIO_PROCESS, 0, child->niceness), STEP_NICENESS);
    // Changed credentials take it away.
    die_with_parent(prepared->parent);
    // The last steps: the limits hold for this code as well.
    for (size_t index = 0; index < child->limit_count; index++) {
        struct rlimit limit = {child->limits[index].soft, child->limits[index].hard}, now;
        // Where less is allowed already it stays so: to raise a hard limit is a right that is gone.
        check(getrlimit(child->limits[index].resource, &now), STEP_LIMIT);
        if (limit.rlim_max > now.rlim_max) limit.rlim_max = now.rlim_max;
        if (limit.rlim_cur > limit.rlim_max) limit.rlim_cur = limit.rlim_max;
        if (setrlimit(child->limits[index].resource, &limit) == 0) continue;
        // No kernel refuses to lower a hard limit; valgrind does, for descriptors.
        if (errno != EPERM) fail(STEP_LIMIT);
        limit.rlim_max = now.rlim_max;
        check(setrlimit(child->limits[index].resource, &limit), STEP_LIMIT);
    }
    if (child->walls & VI_WALL_FILTER) {
        struct sock_fprog filter = {.filter = prepared->filter};
        // A signal may be sent to oneself, as abort(3) does; elsewhere only where Landlock says who may get it.
        int signals_others = child->starts_processes && child->walls & VI_WALL_LANDLOCK && vi_landlock_version() >= 6;
        filter.len = vi_make_filter(prepared->filter, getpid(), child->starts_processes, signals_others);
        check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0), STEP_FILTER);
    }
    if (child->program == NULL) _exit(0);
    // It may be traced and dumped again after this: PR_SET_DUMPABLE would not last.
    execve(child->program, child->arguments, child->environment);
    fail(STEP_PROGRAM);
}

// MARK: - The parent

// Copies of descriptors, above those that are put in place.
static int copy_descriptors(struct prepared *prepared, const int numbers[3], int report) {
    for (int index = 0; index < 3; index++) prepared->descriptors[index] = -1;
    for (int index = 0; index < 3; index++) {
        prepared->descriptors[index] = fcntl(numbers[index], F_DUPFD_CLOEXEC, 10);
        if (prepared->descriptors[index] < 0) return -1;
    }
    prepared->report = fcntl(report, F_DUPFD_CLOEXEC, 10);
    return prepared->report < 0 ? -1 : 0;
}

static void close_if_open(int descriptor) {
    if (descriptor >= 0) close(descriptor);
}

int vi_child_start(const struct vi_child *child, pid_t *process, const char **step) {
    *step = step_names[STEP_FORK];
    if (child->path_count > VI_PATH_LIMIT) return E2BIG;
    struct prepared *prepared = malloc(sizeof *prepared);
    if (prepared == NULL) return ENOMEM;
    prepared->child = child;
    prepared->parent = getpid();
    prepared->report = -1;
    snprintf(prepared->user_map, sizeof prepared->user_map, "%u %u 1", geteuid(), geteuid());
    snprintf(prepared->group_map, sizeof prepared->group_map, "%u %u 1", getegid(), getegid());
    int code = 0, pipe[2] = {-1, -1};
    pid_t id = -1;
    if (pipe2(pipe, O_CLOEXEC) != 0 || copy_descriptors(prepared, child->descriptors, pipe[1]) != 0) {
        code = errno;
    } else {
        // No handler of this process runs in the child.
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        id = fork();
        if (id == 0) run(prepared);
        code = id < 0 ? errno : 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    close_if_open(pipe[1]);
    close_if_open(prepared->report);
    for (int index = 0; index < 3; index++) close_if_open(prepared->descriptors[index]);
    free(prepared);
    if (id > 0) {
        int report[2];
        ssize_t count;
        do {
            count = read(pipe[0], report, sizeof report);
        } while (count < 0 && errno == EINTR);
        // At the end of the pipe the program runs.
        if (count == sizeof report) {
            code = report[1];
            *step = step_names[report[0]];
            while (waitpid(id, NULL, 0) < 0 && errno == EINTR) {}
        } else {
            *process = id;
        }
    }
    close_if_open(pipe[0]);
    return code;
}
