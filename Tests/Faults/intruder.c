// A tool in the place of ffmpeg or ffprobe that tries everything which it must not do, and says what worked.
//
//     intruder PARENT CATALOGUE VIDEO SECRET INPUT OUTPUT SOCKET PORT
//
// PARENT: the process that has started it. CATALOGUE, VIDEO, SECRET: files that are none of its business. INPUT: the file
// that it may read. OUTPUT: the directory that it may write to, `-` if there is none. SOCKET: a path at which a Unix socket
// listens. PORT: of 127.0.0.1, where a TCP and a UDP socket are. Prints a line for each attempt: "worked NAME" or "failed
// NAME: why". With `fail` as one more argument it ends with 1. With the first argument `foreign` it makes a system call of another architecture.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

extern char **environ;

static void say(const char *name, const char *detail, long result) {
    if (result >= 0) {
        printf("worked %s%s\n", name, detail);
    } else {
        printf("failed %s%s: %s\n", name, detail, strerror(errno));
    }
    fflush(stdout);
}

// A call with arguments that could not succeed: what counts is whether it is looked at.
static void reach(const char *name, long result) {
    if (result < 0 && errno != EPERM && errno != ENOSYS && errno != EACCES) result = 0;
    say("reach ", name, result);
}

static long read_some(const char *path) {
    char byte;
    int file = open(path, O_RDONLY | O_NONBLOCK);
    if (file < 0) return -1;
    long count = read(file, &byte, 1);
    int code = errno;
    close(file);
    errno = code;
    return count < 0 ? -1 : 0;
}

static long create(const char *directory, const char *name, int keep) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (file < 0) return -1;
    long count = write(file, "x", 1);
    close(file);
    if (!keep) unlink(path);
    return count;
}

static char *directory_of(const char *path) {
    char *copy = strdup(path);
    *strrchr(copy, '/') = 0;
    return copy;
}

static void try_files(char **arguments) {
    const char *catalogue = arguments[2], *video = arguments[3], *secret = arguments[4], *input = arguments[5];
    const char *output = arguments[6];
    char path[4096], *data = directory_of(catalogue);
    say("read ", "catalogue", read_some(catalogue));
    say("read ", "video", read_some(video));
    say("read ", "secret", read_some(secret));
    for (int index = 0; index < 5; index++) {
        static const char *const names[] = {"environ", "maps", "mem", "cmdline", "fd/0"};
        snprintf(path, sizeof path, "/proc/%s/%s", arguments[1], names[index]);
        say("read parent's ", names[index], index == 2 ? open(path, O_RDONLY) : read_some(path));
    }
    say("read ", "/etc/passwd", read_some("/etc/passwd"));
    say("list ", "data", open(data, O_RDONLY | O_DIRECTORY));
    say("write ", "catalogue", open(catalogue, O_WRONLY));
    say("truncate ", "catalogue", truncate(catalogue, 7));
    say("chmod ", "catalogue", chmod(catalogue, 0600));
    say("chmod ", "input", chmod(input, 0600));
    int file = open(input, O_RDONLY);
    say("fchmod ", "input", fchmod(file, 0600));
    say("set times of ", "input", futimens(file, NULL));
    say("set times of ", "catalogue", utimensat(AT_FDCWD, catalogue, NULL, 0));
    say("set attribute of ", "input", setxattr(input, "user.x", "x", 1, 0));
    say("write ", "input", open(input, O_WRONLY));
    say("create ", "in data", create(data, "intruder", 0));
    say("create ", "in /tmp", create("/tmp", "intruder", 0));
    snprintf(path, sizeof path, "%s/taken", output);
    say("link ", "catalogue", link(catalogue, path));
    say("rename ", "video", rename(video, path));
    say("unlink ", "video", unlink(video));
    if (strcmp(output, "-") != 0) {
        snprintf(path, sizeof path, "%s/other", output);
        say("symlink ", "in output", symlink("/etc/passwd", path));
        snprintf(path, sizeof path, "%s/pipe", output);
        say("pipe ", "in output", mkfifo(path, 0600));
        // It may run more than once for an output.
        snprintf(path, sizeof path, "%s/made", output);
        unlink(path);
        say("allowed: create ", "in output", create(output, "made", 1));
    }
    say("allowed: read ", "input", read_some(input));
}

static void try_network(char **arguments) {
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    strncpy(path.sun_path, arguments[7], sizeof path.sun_path - 1);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(arguments[8]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int tcp = socket(AF_INET, SOCK_STREAM, 0);
    say("connect ", "tcp", tcp < 0 ? -1 : connect(tcp, (struct sockaddr *)&address, sizeof address));
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    say("send ", "udp", udp < 0 ? -1 : sendto(udp, "x", 1, 0, (struct sockaddr *)&address, sizeof address));
    int local = socket(AF_UNIX, SOCK_STREAM, 0);
    say("connect ", "unix", local < 0 ? -1 : connect(local, (struct sockaddr *)&path, sizeof path));
    int pair[2];
    say("socketpair", "", socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    say("netlink", "", socket(AF_NETLINK, SOCK_RAW, 0));
    int shared = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    say("shared memory", "", shared);
    if (shared >= 0) shmctl(shared, IPC_RMID, NULL);
}

static void try_processes(char **arguments) {
    pid_t parent = (pid_t)atoi(arguments[1]);
    char byte;
    struct iovec iovec = {&byte, 1};
    struct rlimit limit;
    say("signal ", "parent", kill(parent, 0));
    say("signal ", "parent by tgkill", syscall(SYS_tgkill, parent, parent, 0));
    say("signal ", "parent by tkill", syscall(SYS_tkill, parent, 0));
    say("signal ", "all", kill(-1, 0));
    int ends[2] = {-1, -1};
    (void)!pipe(ends);
    say("signal ", "parent by the kernel", fcntl(ends[0], F_SETOWN, parent));
    say("queue a signal", "", syscall(SYS_rt_sigqueueinfo, parent, 0, &byte));
    say("ptrace ", "parent", ptrace(PTRACE_SEIZE, parent, NULL, NULL));
    reach("process_vm_readv", process_vm_readv(parent, &iovec, 1, &iovec, 1, 0));
    reach("pidfd_open", syscall(SYS_pidfd_open, parent, 0));
    reach("kcmp", syscall(SYS_kcmp, parent, parent, 0, 0, 0));
    say("limits of ", "parent", prlimit(parent, RLIMIT_NOFILE, NULL, &limit));
    say("niceness of ", "parent", setpriority(PRIO_PROCESS, (id_t)parent, 0));
    say("leave the group", "", setsid());
    say("outlive the parent", "", prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0));
    pid_t child = fork();
    if (child == 0) _exit(0);
    if (child > 0) waitpid(child, NULL, 0);
    say("fork", "", child);
    say("allowed: signal ", "itself", kill(getpid(), 0));
}

static void try_kernel(void) {
    reach("mount", mount("none", "/nowhere", "tmpfs", 0, NULL));
    reach("umount2", umount2("/nowhere", 0));
    reach("pivot_root", syscall(SYS_pivot_root, "/nowhere", "/nowhere"));
    reach("chroot", chroot("/nowhere"));
    reach("unshare user", unshare(CLONE_NEWUSER));
    reach("unshare files", unshare(CLONE_NEWNS));
    reach("setns", setns(-1, 0));
    reach("clone user", syscall(SYS_clone, CLONE_NEWUSER | CLONE_THREAD, 0, 0, 0, 0));
    reach("clone3", syscall(SYS_clone3, NULL, 0));
    reach("bpf", syscall(SYS_bpf, 999, NULL, 0));
    reach("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
    reach("io_uring_setup", syscall(SYS_io_uring_setup, 0, NULL));
    reach("userfaultfd", syscall(SYS_userfaultfd, ~0));
    reach("keyctl", syscall(SYS_keyctl, 999, 0, 0, 0, 0));
    reach("add_key", syscall(SYS_add_key, NULL, NULL, NULL, 0, 0));
    reach("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, ~0));
    reach("init_module", syscall(SYS_init_module, NULL, 0, NULL));
    reach("open_by_handle_at", syscall(SYS_open_by_handle_at, -1, NULL, 0));
    reach("name_to_handle_at", syscall(SYS_name_to_handle_at, -1, NULL, NULL, NULL, 0));
    reach("quotactl", syscall(SYS_quotactl, 0, NULL, 0, NULL));
    reach("swapon", syscall(SYS_swapon, NULL, 0));
    reach("reboot", syscall(SYS_reboot, 0, 0, 0, NULL));
}

static void say_what_there_is(void) {
    int count = 0;
    for (int number = 3; number < 65536; number++) count += fcntl(number, F_GETFD) >= 0;
    printf("has %d descriptors\n", count);
    for (char **variable = environ; *variable; variable++) {
        printf("has %.*s\n", (int)strcspn(*variable, "="), *variable);
    }
    printf("has user %d, no_new_privs %d\n", (int)getuid(), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct rights[2] = {{0}};
    syscall(SYS_capget, &header, rights);
    printf("has rights %08x%08x\n", rights[1].permitted, rights[0].permitted);
    fflush(stdout);
}

int main(int count, char **arguments) {
    if (count > 1 && strcmp(arguments[1], "foreign") == 0) {
#if defined(__x86_64__)
        long result = count > 2 ? syscall(0x40000000 | 39) : 0;
        if (count == 2) __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
        printf("worked foreign call %ld\n", result);
#endif
        return 0;
    }
    if (count != 9 && count != 10) return 64;
    say_what_there_is();
    try_files(arguments);
    try_network(arguments);
    try_processes(arguments);
    try_kernel();
    return count == 10;
}
