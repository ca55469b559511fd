#include "CDigest.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <nmmintrin.h>
#define WITH_INSTRUCTION __attribute__((target("sse4.2")))

int vi_has_crc32c(void) {
    unsigned int a, b, c = 0, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2);
}

typedef uint64_t __attribute__((aligned(1), may_alias)) word;
static inline WITH_INSTRUCTION uint64_t step(uint64_t crc, const uint8_t *bytes) {
    return _mm_crc32_u64(crc, *(const word *)bytes);
}

WITH_INSTRUCTION uint32_t vi_crc32c(uint32_t crc, const uint8_t *bytes, size_t count) {
    uint64_t wide = crc;
    for (; count >= 8; count -= 8, bytes += 8) wide = step(wide, bytes);
    crc = (uint32_t)wide;
    for (; count > 0; count--, bytes++) crc = _mm_crc32_u8(crc, *bytes);
    return crc;
}

WITH_INSTRUCTION void vi_crc32c_three(uint32_t crcs[3], const uint8_t *bytes, size_t stride) {
    uint64_t a = crcs[0], b = crcs[1], c = crcs[2];
    for (const uint8_t *end = bytes + stride; bytes < end; bytes += 8) {
        a = step(a, bytes);
        b = step(b, bytes + stride);
        c = step(c, bytes + 2 * stride);
    }
    crcs[0] = (uint32_t)a, crcs[1] = (uint32_t)b, crcs[2] = (uint32_t)c;
}
#else
int vi_has_crc32c(void) { return 0; }
uint32_t vi_crc32c(uint32_t crc, const uint8_t *bytes, size_t count) { return (void)bytes, (void)count, crc; }
void vi_crc32c_three(uint32_t crcs[3], const uint8_t *bytes, size_t stride) { (void)crcs, (void)bytes, (void)stride; }
#endif
