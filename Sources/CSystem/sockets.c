#define _GNU_SOURCE

#include "sockets.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

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
