// Unix sockets and epoll(7), whose structures Swift handles badly: a path that is a tuple of 108 elements, a transparent
// union, a packed structure with a union in it. Each function returns what its system call returns and sets errno. All
// are thread-safe.
#ifndef VIDEO_INTAKE_SOCKETS_H
#define VIDEO_INTAKE_SOCKETS_H

#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/types.h>

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

#endif
