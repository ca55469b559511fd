// The filter of system calls of a child process.
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

// Instructions that a filter may have.
enum { VI_FILTER_LIMIT = 640 };

// Writes a filter that fails what no codec needs with EPERM, and returns its number of instructions. Safe after fork(2).
//
// `process` is the one that it is for. Whether that may start processes, and may send signals to others:
unsigned short vi_make_filter(
    struct sock_filter filter[VI_FILTER_LIMIT], pid_t process, int starts_processes, int signals_others);
