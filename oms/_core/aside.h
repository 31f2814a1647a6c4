/* A process beside the engine's: it has the engine's memory as it was at the fork, writes what is
 * asked of it into an open file, and ends. Included by engine.pyx through aside.pxd.
 *
 * The child is alone with this thread: it must not touch Python, and nothing but this file and the
 * snapshot writer runs in it (fork() of the C library makes malloc usable). It has none of the
 * parent's files but that one, no signal handler runs in it, it may use every core, gives
 * way to the others, and dies with the thread that made it.
 */
#ifndef QUORATE_ASIDE_H
#define QUORATE_ASIDE_H

#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define QUORATE_ASIDE_FD 3 /* of that file, in the child; below it only stderr */
#define QUORATE_PIECE_BYTES ((size_t)2 << 20)

__attribute__((unused)) static void quorate_close_from(int first)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0)
        return;
#endif
    for (long fd = first, end = sysconf(_SC_OPEN_MAX); fd < end; fd++)
        (void)close((int)fd);
}

/* As fork(): 0 in the child, which can do nothing any more but write to QUORATE_ASIDE_FD. */
__attribute__((unused)) static int quorate_fork_aside(int file)
{
    const pid_t parent = getpid();
    cpu_set_t every;
    sigset_t all, before;
    pid_t child;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    child = fork();
    if (child != 0) {
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        return child;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* it ended before it could be asked to take this one with it */
    if (file != QUORATE_ASIDE_FD && dup2(file, QUORATE_ASIDE_FD) < 0)
        _exit(1);
    (void)close(0);
    (void)close(1);
    quorate_close_from(QUORATE_ASIDE_FD + 1);
    memset(&every, 0xFF, sizeof(every));
    (void)sched_setaffinity(0, sizeof(every), &every);
    (void)!nice(5);
    return 0;
}

/* The end of the child: status 0 when everything is in the file. */
__attribute__((noreturn, unused)) static void quorate_end_aside(const void *data, size_t bytes)
{
    const char *at = (const char *)data;
    while (bytes) {
        ssize_t done = write(QUORATE_ASIDE_FD, at, bytes);
        if (done <= 0)
            _exit(1);
        at += done;
        bytes -= (size_t)done;
    }
    _exit(0);
}

/* After a fork the kernel splits large pages where they are written to: make them whole again, a
 * piece at a time. Only advice; kernels before 6.1 do not know it. */
__attribute__((unused)) static void quorate_join_pages(void *pages, size_t bytes)
{
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
    const uintptr_t last_byte = QUORATE_PIECE_BYTES - 1;
    const uintptr_t first = ((uintptr_t)pages + last_byte) & ~last_byte;
    const uintptr_t end = (uintptr_t)pages + bytes;
    for (uintptr_t at = first; at + QUORATE_PIECE_BYTES <= end; at += QUORATE_PIECE_BYTES)
        (void)madvise((void *)at, QUORATE_PIECE_BYTES, MADV_COLLAPSE);
}

#endif
