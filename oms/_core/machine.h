/* What C can say and Cython cannot: the check that is always on, pages from the system, the
 * constants above 2^63, products of 128 bits.
 *
 * Included by every part of the engine through machine.pxd. Nothing here knows the engine.
 */
#ifndef QUORATE_MACHINE_H
#define QUORATE_MACHINE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mremap */
#endif

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifndef QUORATE_DEBUG
#define QUORATE_DEBUG 0 /* 1: every command is followed by a walk over every structure */
#endif

/* Always on. A dead replica is repaired by the others; a wrong one is not. */
#define INVARIANT(condition)                                           \
    do {                                                               \
        if (__builtin_expect(!(condition), 0))                         \
            quorate_invariant_failed(#condition, __FILE__, __LINE__);  \
    } while (0)

__attribute__((noreturn, cold, unused)) static void quorate_invariant_failed(
    const char *condition, const char *file, int line)
{
    fprintf(stderr, "INVARIANT failed: %s (%s:%d)\n", condition, file, line);
    fflush(stderr);
    abort();
}

#define QUORATE_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define QUORATE_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* GCC takes a function of nothing but __builtin_prefetch for one without effect, and drops it. */
#if defined(__x86_64__)
#define QUORATE_PREFETCH(address) \
    __asm__ __volatile__("prefetcht0 %0" : : "m"(*(const char *)(address)))
#else
#define QUORATE_PREFETCH(address) __builtin_prefetch((const void *)(address))
#endif

/* Called where an order does what few do: the compiler moves such code out of everybody's way. */
__attribute__((noinline, cold, unused)) static void quorate_rare(void)
{
    __asm__ __volatile__("");
}

/* Sums of values, each below 2^62, of which there are millions. */
typedef __int128 quorate_wide;

#define QUORATE_MIX 0x9E3779B97F4A7C15ULL
#define QUORATE_PAIR 0xC2B2AE3D27D4EB4FULL
#define QUORATE_U64_MAX 0xFFFFFFFFFFFFFFFFULL

static inline uint64_t quorate_crossed(uint64_t a, uint64_t b)
{
    const unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t quorate_high(uint64_t a, uint64_t b)
{
    return (uint64_t)(((unsigned __int128)a * b) >> 64);
}

/* whole * part / of, rounded toward zero; |part| <= of, so that the answer fits. */
static inline int64_t quorate_share(int64_t whole, int64_t part, int64_t of)
{
    int64_t product;
    if (__builtin_expect(!__builtin_mul_overflow(whole, part, &product), 1))
        return product / of;
    return (int64_t)((__int128)whole * part / of);
}

/* What is due of an amount at a rate of 10^-7, less what was charged too much before (`carry`, in
 * 10^-7 units), rounded up; the carry is then what was charged too much now. */
static inline int64_t quorate_rated(int64_t rate, int64_t amount, int64_t *carry)
{
    const __int128 due = (__int128)rate * amount - *carry;
    int64_t charged = (int64_t)(due / 10000000);
    if (due % 10000000 > 0)
        charged += 1;
    *carry = (int64_t)((__int128)charged * 10000000 - due);
    return charged;
}

/* Value (at least 0) at a rate of 10^-8, rounded up. In two parts, so that nothing overflows. */
static inline quorate_wide quorate_converted(quorate_wide value, int64_t rate)
{
    const quorate_wide part = value % 100000000 * rate;
    return value / 100000000 * rate + (part + 99999999) / 100000000;
}

/* 128 bytes of zeros. A memset of this size becomes `rep stos`, which costs more than an event. */
typedef uint64_t quorate_pair __attribute__((vector_size(16), aligned(8), may_alias));

static inline void quorate_zero_128(void *target)
{
    quorate_pair *pairs = (quorate_pair *)target;
    const quorate_pair zero = {0, 0};
    pairs[0] = zero;
    pairs[1] = zero;
    pairs[2] = zero;
    pairs[3] = zero;
    pairs[4] = zero;
    pairs[5] = zero;
    pairs[6] = zero;
    pairs[7] = zero;
}

#ifdef __SANITIZE_ADDRESS__
#define QUORATE_SANITIZED 1 /* scripts/sanitize: from the allocator, which guards both ends */
#else
#define QUORATE_SANITIZED 0
#endif
#define QUORATE_HUGE_FROM (2u << 20)

/* Only advice: 4 KiB pages do as well. */
__attribute__((unused)) static void quorate_want_huge(void *pages, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    if (bytes >= QUORATE_HUGE_FROM)
        (void)madvise(pages, bytes, MADV_HUGEPAGE);
#else
    (void)pages;
    (void)bytes;
#endif
}

/* Zeroed, page-aligned and not touched: a page costs memory only once it is written to. */
__attribute__((unused)) static void *quorate_take(size_t bytes)
{
    if (QUORATE_SANITIZED) {
        void *guarded = calloc(1, bytes);
        INVARIANT(guarded != NULL);
        return guarded;
    }
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    INVARIANT(pages != MAP_FAILED);
    quorate_want_huge(pages, bytes);
    return pages;
}

__attribute__((unused)) static void quorate_release(void *pages, size_t bytes)
{
    if (QUORATE_SANITIZED)
        free(pages);
    else if (pages != NULL)
        INVARIANT(munmap(pages, bytes) == 0);
}

/* Pages that become more, perhaps at another address: they are moved by the system, not copied. */
__attribute__((unused)) static void *quorate_stretch(void *pages, size_t before, size_t bytes)
{
    void *stretched;
    if (pages == NULL)
        return quorate_take(bytes);
    if (QUORATE_SANITIZED)
        stretched = realloc(pages, bytes);
    else
        stretched = mremap(pages, before, bytes, MREMAP_MAYMOVE);
    INVARIANT(stretched != NULL && stretched != MAP_FAILED);
    if (!QUORATE_SANITIZED)
        quorate_want_huge(stretched, bytes);
    return stretched;
}

/* Cold growth of a small array that doubles. */
__attribute__((unused)) static void *quorate_grow(void *array, size_t bytes)
{
    void *grown = realloc(array, bytes);
    INVARIANT(grown != NULL);
    return grown;
}

#endif
