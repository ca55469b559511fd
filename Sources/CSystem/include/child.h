// Starts child processes that are kept away from everything but what they are given.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// What stands between a child and the rest of the machine. Bits of `vi_child.walls`.
enum {
    // Landlock: the child opens only the paths that it is given. https://docs.kernel.org/userspace-api/landlock.html
    VI_WALL_LANDLOCK = 1,
    // The same by a root directory of its own, which has nothing but these paths.
    VI_WALL_MOUNTS = 2,
    // A filter of system calls. https://docs.kernel.org/userspace-api/seccomp_filter.html
    VI_WALL_FILTER = 4,
    // A network namespace without a way out.
    VI_WALL_NETWORK = 8,
    // The namespaces are made in a user namespace with the same user, which others than root need.
    VI_WALL_USER = 16,
};

// What a child may do with a path. Bits of `vi_path.access`.
enum {
    VI_ACCESS_READ = 1,
    VI_ACCESS_EXECUTE = 2,
    // Write to the file, or make, write and remove what is below the directory: files and directories, nothing else.
    VI_ACCESS_WRITE = 4,
};

struct vi_path {
    // An absolute path. One that is not there is left out.
    const char *path;
    unsigned int access;
};

struct vi_limit {
    // RLIMIT_…, and its values.
    int resource;
    uint64_t soft, hard;
};

struct vi_child {
    // NULL: nothing is run, the child ends once all walls stand.
    const char *program;
    char *const *arguments;
    char *const *environment;
    const char *directory;
    // What become the child's descriptors 0, 1 and 2. It gets no other one.
    int descriptors[3];
    int niceness;
    const struct vi_limit *limits;
    size_t limit_count;
    const struct vi_path *paths;
    size_t path_count;
    unsigned int walls;
    // Whether it may start processes of its own, and send them signals.
    int starts_processes;
};

// Starts a child process: leader of a process group of its own, no signal blocked or ignored, no new privileges, killed
// when the calling thread ends. Returns when the program runs.
//
// Returns 0, or an errno; then `step` is the name of what failed. Thread-safe.
int vi_child_start(const struct vi_child *child, pid_t *process, const char **step);

// The version of the kernel's Landlock; 0 if there is none.
int vi_landlock_version(void);
