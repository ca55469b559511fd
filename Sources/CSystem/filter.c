#define _GNU_SOURCE

#include "filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "this architecture's calls are not known"
#endif

// Younger than the headers of Debian 12; the same on all architectures.
enum { FCHMODAT2 = 452, SETXATTRAT = 463, REMOVEXATTRAT = 466, OPEN_TREE_ATTR = 467, FILE_SETATTR = 469 };

// What a program that turns one file into another has no use for.
static const int denied[] = {
    // Talking to others. No pairs of sockets either: one of datagrams can send elsewhere.
    SYS_socket, SYS_socketpair, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_sendto, SYS_sendmsg, SYS_sendmmsg,
    SYS_shmget, SYS_shmat, SYS_shmctl, SYS_semget, SYS_semctl, SYS_semop, SYS_semtimedop, SYS_msgget, SYS_msgsnd,
    SYS_msgrcv, SYS_msgctl, SYS_mq_open, SYS_mq_unlink, SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
    // Other processes, and getting away from one's own group, which is killed as a whole.
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_madvise, SYS_process_mrelease, SYS_kcmp,
    SYS_pidfd_open, SYS_pidfd_getfd, SYS_pidfd_send_signal, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_setpgid,
    SYS_setsid, SYS_migrate_pages, SYS_move_pages,
    // Permissions, owners, times and attributes of files, which Landlock leaves alone.
    SYS_fchmod, SYS_fchmodat, FCHMODAT2, SYS_fchown, SYS_fchownat, SYS_utimensat, SYS_setxattr, SYS_lsetxattr,
    SYS_fsetxattr, SETXATTRAT, SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr, REMOVEXATTRAT, FILE_SETATTR,
    // What is no file or directory is not published, and must not lead this service elsewhere before that is seen.
    SYS_mknodat, SYS_symlinkat, SYS_name_to_handle_at, SYS_open_by_handle_at,
    // Memory that no limit counts.
    SYS_memfd_create, SYS_inotify_init1, SYS_fanotify_init, SYS_fanotify_mark,
#if defined(__x86_64__)
    SYS_chmod, SYS_chown, SYS_lchown, SYS_utime, SYS_utimes, SYS_futimesat, SYS_mknod, SYS_symlink,
    SYS_inotify_init,
#endif
    // Mounts and namespaces.
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_unshare, SYS_setns, SYS_open_tree, SYS_move_mount,
    SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_mount_setattr, OPEN_TREE_ATTR, SYS_quotactl, SYS_quotactl_fd,
    SYS_swapon, SYS_swapoff,
    // The kernel and the machine.
    SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_kexec_load,
    SYS_kexec_file_load, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_reboot, SYS_acct, SYS_syslog,
    SYS_personality, SYS_settimeofday, SYS_clock_settime, SYS_clock_adjtime, SYS_adjtimex, SYS_sethostname,
    SYS_setdomainname, SYS_vhangup, SYS_lookup_dcookie, SYS_memfd_secret,
#if defined(__x86_64__)
    SYS_ioperm, SYS_iopl, SYS_modify_ldt, SYS__sysctl, SYS_uselib, SYS_ustat, SYS_sysfs,
#endif
};

// Calls that name a process: allowed for the one that calls, by 0 or its number.
static const struct {
    int call, argument;
} of_oneself[] = {
    {SYS_prlimit64, 0},     {SYS_sched_setaffinity, 0}, {SYS_sched_setscheduler, 0}, {SYS_sched_setparam, 0},
    {SYS_sched_setattr, 0}, {SYS_setpriority, 1},       {SYS_ioprio_set, 1},
};

// Signals, by the argument that names a process.
static const int signals[] = {SYS_kill, SYS_tkill, SYS_tgkill};

struct writer {
    struct sock_filter *filter;
    unsigned short count;
};

static void add(struct writer *writer, struct sock_filter instruction) {
    // A filter that does not fit must not become a weaker one.
    if (writer->count == VI_FILTER_LIMIT) __builtin_trap();
    writer->filter[writer->count++] = instruction;
}

static void load(struct writer *writer, size_t offset) {
    add(writer, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

// The lower half, which is all of an int: both architectures are little-endian.
static void load_argument(struct writer *writer, int index) {
    load(writer, offsetof(struct seccomp_data, args) + 8 * (size_t)index);
}

static void load_call(struct writer *writer) { load(writer, offsetof(struct seccomp_data, nr)); }

// Passes over `count` instructions unless the loaded value is this one.
static void unless(struct writer *writer, uint32_t value, unsigned char count) {
    add(writer, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, count));
}

// Passes over `count` instructions if the loaded value is this one.
static void pass_over(struct writer *writer, uint32_t value, unsigned char count) {
    add(writer, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, count, 0));
}

static void end(struct writer *writer, uint32_t action) {
    add(writer, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

static const uint32_t not_permitted = SECCOMP_RET_ERRNO | EPERM;

static void deny(struct writer *writer, int call) {
    unless(writer, (uint32_t)call, 1);
    end(writer, not_permitted);
}

// Denies a call where its argument is neither of two values.
static void allow_for(struct writer *writer, int call, int argument, uint32_t value, uint32_t other) {
    unless(writer, (uint32_t)call, 5);
    load_argument(writer, argument);
    pass_over(writer, value, 2);
    pass_over(writer, other, 1);
    end(writer, not_permitted);
    load_call(writer);
}

// Denies a call where its argument is this value.
static void deny_for(struct writer *writer, int call, int argument, uint32_t value) {
    unless(writer, (uint32_t)call, 4);
    load_argument(writer, argument);
    unless(writer, value, 1);
    end(writer, not_permitted);
    load_call(writer);
}

// Denies a call where its first argument has some bit of these, or has not all of those.
static void check_flags(struct writer *writer, int call, uint32_t never, uint32_t always) {
    unless(writer, (uint32_t)call, 6);
    load_argument(writer, 0);
    add(writer, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, never, 2, 0));
    add(writer, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, always));
    pass_over(writer, always, 1);
    end(writer, not_permitted);
    load_call(writer);
}

unsigned short vi_make_filter(
    struct sock_filter filter[VI_FILTER_LIMIT], pid_t process, int starts_processes, int signals_others) {
    struct writer writer = {.filter = filter};
    uint32_t own = (uint32_t)process;
    // Another architecture's calls have other numbers.
    load(&writer, offsetof(struct seccomp_data, arch));
    pass_over(&writer, ARCHITECTURE, 1);
    end(&writer, SECCOMP_RET_KILL_PROCESS);
    load_call(&writer);
#if defined(__x86_64__)
    // x32: the same architecture, other numbers.
    add(&writer, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1));
    end(&writer, SECCOMP_RET_KILL_PROCESS);
#endif
    for (size_t index = 0; index < sizeof denied / sizeof *denied; index++) deny(&writer, denied[index]);
    for (size_t index = 0; index < sizeof of_oneself / sizeof *of_oneself; index++) {
        allow_for(&writer, of_oneself[index].call, of_oneself[index].argument, 0, own);
    }
    // tkill(2) names a thread, of which only the first has the process's number; the C library uses tgkill(2).
    for (size_t index = 0; index < sizeof signals / sizeof *signals && !signals_others; index++) {
        allow_for(&writer, signals[index], 0, own, own);
    }
    // To outlive the parent, and to have a signal sent to another process by the kernel.
    deny_for(&writer, SYS_prctl, 0, PR_SET_PDEATHSIG);
    deny_for(&writer, SYS_fcntl, 1, F_SETOWN);
    deny_for(&writer, SYS_fcntl, 1, F_SETOWN_EX);
    deny_for(&writer, SYS_fcntl, 1, F_SETSIG);
    // Its flags are in memory, where a filter cannot look: the C library takes clone(2) then.
    unless(&writer, SYS_clone3, 1);
    end(&writer, SECCOMP_RET_ERRNO | ENOSYS);
    uint32_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID
        | CLONE_NEWNET | CLONE_PARENT;
    check_flags(&writer, SYS_clone, namespaces, starts_processes ? 0 : CLONE_THREAD);
#if defined(__x86_64__)
    if (!starts_processes) {
        deny(&writer, SYS_fork);
        deny(&writer, SYS_vfork);
    }
#endif
    end(&writer, SECCOMP_RET_ALLOW);
    return writer.count;
}
