// Debian's libfcgi (libfcgi-dev 2.4.2-2+deb12u1). Its interface is described in the comments of <fcgiapp.h>, the
// protocol's numbers are in <fastcgi.h>.
#ifndef VIDEO_INTAKE_CFASTCGI_SHIM_H
#define VIDEO_INTAKE_CFASTCGI_SHIM_H

#include <fastcgi.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>

// Hidden without _GNU_SOURCE: https://man7.org/linux/man-pages/man2/memfd_create.2.html
extern int memfd_create(const char *name, unsigned int flags);

// fcntl(2) is variadic, which Swift cannot call with every argument type.
static inline int vi_fcntl(int descriptor, int command, int argument) {
    return fcntl(descriptor, command, argument);
}

// `struct epoll_event` is packed and holds a union, both of which Swift handles badly.
static inline int vi_epoll_add(int epoll, int descriptor, uint32_t events) {
    struct epoll_event event = {.events = events, .data = {.fd = descriptor}};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

// Waits for one event. Stores the descriptor it is about and returns what epoll_wait(2) returns.
static inline int vi_epoll_wait_one(int epoll, int *descriptor, int milliseconds) {
    struct epoll_event event;
    int count = epoll_wait(epoll, &event, 1, milliseconds);
    if (count > 0) *descriptor = event.data.fd;
    return count;
}

// An enumerator in glibc, a macro of another type elsewhere.
static const uint32_t VI_EPOLLIN = EPOLLIN;
static const uint32_t VI_EPOLLEXCLUSIVE = EPOLLEXCLUSIVE;

// `handler` is a macro for a union member, and SIG_DFL and SIG_IGN are casts that Swift does not import.
static inline int vi_is_default_action(const struct sigaction *action) {
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_DFL;
}

#endif
