/* A shim to preload: counts the C library's calls on files below one directory, and lets chosen ones misbehave.
 *
 * Nothing is counted before shim_watch(). A rule applies to the calls numbered first to last (from 1), of one name or
 * of all, so many times at most: it fails the call, shortens a write, delays, kills the process, or asks another
 * process to act meanwhile.
 * Every call is written to the trace when it is over (a killed one when it begins): number, name, file, result, errno.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum act { FAIL, SHORTEN, DELAY, KILL_BEFORE, KILL_AFTER, KILL_WITHIN, ASK_BEFORE, ASK_AFTER };

struct rule {
    long first, last, times;
    char name[16];
    enum act act;
    long value;
};

struct call {
    long number; /* 0: nobody watches */
    const char *name;
    const char *file;
    int error;
    long bytes_max; /* of a write, -1: as many as there are */
    int kill_after, ask_after;
};

#define RULES_MAX 8
#define DESCRIPTORS_MAX 4096

static char directory[4096];
static struct rule rules[RULES_MAX];
static int rule_count, trace_fd = -1, ask_fd = -1, answer_fd = -1;
static atomic_long counted;
static char *watched_files[DESCRIPTORS_MAX];

/* What the test calls. */

void shim_watch(const char *below, int trace, int ask, int answer)
{
    rule_count = 0;
    atomic_store(&counted, 0);
    trace_fd = trace;
    ask_fd = ask;
    answer_fd = answer;
    snprintf(directory, sizeof directory, "%s/", below);
}

void shim_rule(long first, long last, long times, const char *name, int act, long value)
{
    struct rule *rule = &rules[rule_count];
    if (rule_count == RULES_MAX)
        abort();
    rule->first = first;
    rule->last = last;
    rule->times = times;
    rule->act = act;
    rule->value = value;
    snprintf(rule->name, sizeof rule->name, "%s", name);
    rule_count++;
}

void shim_ask(char what)
{
    char answer;
    if (syscall(SYS_write, ask_fd, &what, 1) == 1)
        while (syscall(SYS_read, answer_fd, &answer, 1) < 0 && errno == EINTR)
            continue;
}

/* Which files are watched: by their path, and by the descriptors that came from it. */

static const char *at_path(const char *path)
{
    size_t size = strlen(directory);
    if (size == 0 || path == NULL || strncmp(path, directory, size - 1) != 0)
        return NULL;
    if (path[size - 1] == '\0')
        return ".";
    return path[size - 1] == '/' ? path + size : NULL;
}

static const char *at_descriptor(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS_MAX ? watched_files[fd] : NULL;
}

static void watch_descriptor(int fd, const char *file)
{
    if (fd >= 0 && fd < DESCRIPTORS_MAX)
        watched_files[fd] = file == NULL ? NULL : strdup(file); /* not freed: another thread may still read it */
}

/* What happens around each call. */

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static void trace(const struct call *call, long result, int error)
{
    if (trace_fd >= 0)
        dprintf(trace_fd, "%ld %s %s %ld %d\n", call->number, call->name, call->file, result, error);
}

static void delay(long milliseconds)
{
    struct timespec span = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&span, NULL);
}

static int applies(struct rule *rule, const struct call *call)
{
    if (call->number < rule->first || call->number > rule->last)
        return 0;
    if (rule->name[0] != '\0' && strcmp(rule->name, call->name) != 0)
        return 0;
    return rule->times-- > 0;
}

static void apply(const struct rule *rule, struct call *call)
{
    switch (rule->act) {
    case FAIL: call->error = (int)rule->value; break;
    case SHORTEN: call->bytes_max = rule->value; break;
    case DELAY: delay(rule->value); break;
    case KILL_BEFORE: trace(call, -1, 0); die(); break;
    case KILL_AFTER: call->kill_after = 1; break;
    case KILL_WITHIN: call->bytes_max = rule->value; call->kill_after = 1; break;
    case ASK_BEFORE: shim_ask((char)rule->value); break;
    case ASK_AFTER: call->ask_after = (int)rule->value; break;
    }
}

static struct call before(const char *name, const char *file)
{
    struct call call = {0, name, file, 0, -1, 0, 0};
    if (file == NULL)
        return call;
    call.number = atomic_fetch_add(&counted, 1) + 1;
    for (int i = 0; i < rule_count; i++)
        if (applies(&rules[i], &call))
            apply(&rules[i], &call);
    return call;
}

static void after(const struct call *call, long result)
{
    int error = errno;
    if (call->number == 0)
        return;
    trace(call, result, result < 0 ? error : 0);
    if (call->kill_after)
        die();
    if (call->ask_after)
        shim_ask((char)call->ask_after);
    errno = error;
}

static size_t bounded(const struct call *call, size_t size)
{
    return call->bytes_max >= 0 && (size_t)call->bytes_max < size ? (size_t)call->bytes_max : size;
}

/* The calls. `real(name)` is what the C library has under that name. */

#define real(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define PERFORM(kind, file, perform)                               \
    struct call call = before(kind, file);                         \
    long result = call.error ? (errno = call.error, -1) : (perform); \
    after(&call, result);

#define WATCH(type, name, kind, parameters, arguments, file) \
    type name parameters                                     \
    {                                                        \
        PERFORM(kind, file, real(name) arguments)            \
        return (type)result;                                 \
    }

#define WATCH_OPEN(name, parameters, arguments)   \
    int name parameters                           \
    {                                             \
        va_list rest;                             \
        va_start(rest, flags);                    \
        mode_t mode = va_arg(rest, mode_t);       \
        va_end(rest);                             \
        PERFORM("open", at_path(path), real(name) arguments) \
        if (result >= 0)                          \
            watch_descriptor((int)result, at_path(path)); \
        return (int)result;                       \
    }

WATCH_OPEN(open, (const char *path, int flags, ...), (path, flags, mode))
WATCH_OPEN(open64, (const char *path, int flags, ...), (path, flags, mode))
WATCH_OPEN(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode))
WATCH_OPEN(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode))

int close(int fd)
{
    const char *file = at_descriptor(fd);
    struct call call = before("close", file);
    watch_descriptor(fd, NULL);
    long result = real(close)(fd); /* also if it is to fail: the descriptor is gone then, too */
    if (call.error) {
        errno = call.error;
        result = -1;
    }
    after(&call, result);
    return (int)result;
}

WATCH(ssize_t, read, "read", (int fd, void *data, size_t size), (fd, data, size), at_descriptor(fd))
WATCH(ssize_t, pread, "pread", (int fd, void *data, size_t size, off_t at), (fd, data, size, at), at_descriptor(fd))
WATCH(ssize_t, pread64, "pread", (int fd, void *data, size_t size, off64_t at), (fd, data, size, at), at_descriptor(fd))
WATCH(ssize_t, write, "write", (int fd, const void *data, size_t size), (fd, data, bounded(&call, size)), at_descriptor(fd))
WATCH(ssize_t, pwrite, "pwrite", (int fd, const void *data, size_t size, off_t at), (fd, data, bounded(&call, size), at), at_descriptor(fd))
WATCH(ssize_t, pwrite64, "pwrite", (int fd, const void *data, size_t size, off64_t at), (fd, data, bounded(&call, size), at), at_descriptor(fd))
WATCH(ssize_t, writev, "writev", (int fd, const struct iovec *parts, int count), (fd, parts, count), at_descriptor(fd))
WATCH(int, fsync, "fsync", (int fd), (fd), at_descriptor(fd))
WATCH(int, fdatasync, "fdatasync", (int fd), (fd), at_descriptor(fd))
WATCH(int, ftruncate, "ftruncate", (int fd, off_t size), (fd, size), at_descriptor(fd))
WATCH(int, ftruncate64, "ftruncate", (int fd, off64_t size), (fd, size), at_descriptor(fd))
WATCH(off_t, lseek, "lseek", (int fd, off_t offset, int whence), (fd, offset, whence), at_descriptor(fd))
WATCH(off64_t, lseek64, "lseek", (int fd, off64_t offset, int whence), (fd, offset, whence), at_descriptor(fd))
WATCH(int, flock, "flock", (int fd, int operation), (fd, operation), at_descriptor(fd))
WATCH(int, fchmod, "fchmod", (int fd, mode_t mode), (fd, mode), at_descriptor(fd))
WATCH(int, fchown, "fchown", (int fd, uid_t user, gid_t group), (fd, user, group), at_descriptor(fd))
WATCH(int, rename, "rename", (const char *old, const char *new), (old, new), at_path(new))
WATCH(int, renameat2, "renameat2", (int at, const char *old, int to, const char *new, unsigned flags), (at, old, to, new, flags), at_path(new))
WATCH(int, link, "link", (const char *old, const char *new), (old, new), at_path(new))
WATCH(int, linkat, "link", (int at, const char *old, int to, const char *new, int flags), (at, old, to, new, flags), at_path(new))
WATCH(int, unlink, "unlink", (const char *path), (path), at_path(path))
WATCH(int, mkdir, "mkdir", (const char *path, mode_t mode), (path, mode), at_path(path))

/* A stat's structure is only passed on: the headers of some C libraries define these functions themselves. */
struct stat;
struct stat64;
struct statx;
int stat(const char *, struct stat *), lstat(const char *, struct stat *), fstat(int, struct stat *);
int stat64(const char *, struct stat64 *), lstat64(const char *, struct stat64 *), fstat64(int, struct stat64 *);
int fstatat64(int, const char *, struct stat64 *, int);
int __xstat64(int, const char *, struct stat64 *), __lxstat64(int, const char *, struct stat64 *);
int __fxstat64(int, int, struct stat64 *);
int statx(int, const char *, int, unsigned, struct statx *);

WATCH(int, stat, "stat", (const char *path, struct stat *found), (path, found), at_path(path))
WATCH(int, stat64, "stat", (const char *path, struct stat64 *found), (path, found), at_path(path))
WATCH(int, lstat, "lstat", (const char *path, struct stat *found), (path, found), at_path(path))
WATCH(int, lstat64, "lstat", (const char *path, struct stat64 *found), (path, found), at_path(path))
WATCH(int, fstat, "fstat", (int fd, struct stat *found), (fd, found), at_descriptor(fd))
WATCH(int, fstat64, "fstat", (int fd, struct stat64 *found), (fd, found), at_descriptor(fd))
WATCH(int, fstatat64, "stat", (int at, const char *path, struct stat64 *found, int flags), (at, path, found, flags), at_path(path))
WATCH(int, __xstat64, "stat", (int version, const char *path, struct stat64 *found), (version, path, found), at_path(path))
WATCH(int, __lxstat64, "lstat", (int version, const char *path, struct stat64 *found), (version, path, found), at_path(path))
WATCH(int, __fxstat64, "fstat", (int version, int fd, struct stat64 *found), (version, fd, found), at_descriptor(fd))
WATCH(int, statx, "stat", (int at, const char *path, int flags, unsigned mask, struct statx *found), (at, path, flags, mask, found), at_path(path))

DIR *opendir(const char *path)
{
    DIR *opened = NULL;
    PERFORM("opendir", at_path(path), (opened = real(opendir)(path)) == NULL ? -1 : 0)
    (void)result;
    return opened;
}

static long duplicate(int fd, int command, long argument, long (*perform)(int, int, long))
{
    PERFORM("dup", at_descriptor(fd), perform(fd, command, argument))
    if (result >= 0)
        watch_descriptor((int)result, at_descriptor(fd));
    return result;
}

static long real_fcntl(int fd, int command, long argument)
{
    return ((int (*)(int, int, ...))dlsym(RTLD_NEXT, "fcntl64"))(fd, command, argument);
}

int fcntl64(int fd, int command, ...)
{
    va_list rest;
    va_start(rest, command);
    long argument = va_arg(rest, long);
    va_end(rest);
    if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
        return (int)duplicate(fd, command, argument, real_fcntl);
    return (int)real_fcntl(fd, command, argument);
}
