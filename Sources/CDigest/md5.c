#include "CDigest.h"

#include <string.h>

// Four lanes, a vector that every x86-64 and every 64-bit ARM has; two of them keep one of their cores busy.
typedef uint32_t quad __attribute__((vector_size(16)));
typedef uint32_t unaligned_quad __attribute__((vector_size(16), aligned(1)));
enum { quads = vi_md5_lanes / 4 };

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "MD5 reads its words with the lowest byte first"
#endif

// The same four words of four lanes, as four words each of one lane.
static inline void transpose(quad words[4], const uint8_t *const bytes[4], size_t offset) {
    quad r0 = *(const unaligned_quad *)(bytes[0] + offset), r1 = *(const unaligned_quad *)(bytes[1] + offset);
    quad r2 = *(const unaligned_quad *)(bytes[2] + offset), r3 = *(const unaligned_quad *)(bytes[3] + offset);
    quad low01 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5), high01 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
    quad low23 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5), high23 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
    words[0] = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
    words[1] = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
    words[2] = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
    words[3] = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
}

// RFC 1321, 3.4: step i adds words[word] and constants[i], and turns to the left by a number of bits that recurs.
static const uint32_t constants[64] = {
    0xd76aa478u, 0xe8c7b756u, 0x242070dbu, 0xc1bdceeeu, 0xf57c0fafu, 0x4787c62au, 0xa8304613u, 0xfd469501u,
    0x698098d8u, 0x8b44f7afu, 0xffff5bb1u, 0x895cd7beu, 0x6b901122u, 0xfd987193u, 0xa679438eu, 0x49b40821u,
    0xf61e2562u, 0xc040b340u, 0x265e5a51u, 0xe9b6c7aau, 0xd62f105du, 0x02441453u, 0xd8a1e681u, 0xe7d3fbc8u,
    0x21e1cde6u, 0xc33707d6u, 0xf4d50d87u, 0x455a14edu, 0xa9e3e905u, 0xfcefa3f8u, 0x676f02d9u, 0x8d2a4c8au,
    0xfffa3942u, 0x8771f681u, 0x6d9d6122u, 0xfde5380cu, 0xa4beea44u, 0x4bdecfa9u, 0xf6bb4b60u, 0xbebfbc70u,
    0x289b7ec6u, 0xeaa127fau, 0xd4ef3085u, 0x04881d05u, 0xd9d4d039u, 0xe6db99e5u, 0x1fa27cf8u, 0xc4ac5665u,
    0xf4292244u, 0x432aff97u, 0xab9423a7u, 0xfc93a039u, 0x655b59c3u, 0x8f0ccc92u, 0xffeff47du, 0x85845dd1u,
    0x6fa87e4fu, 0xfe2ce6e0u, 0xa3014314u, 0x4e0811a1u, 0xf7537e82u, 0xbd3af235u, 0x2ad7d2bbu, 0xeb86d391u,
};

#define FOUR(step, i, word, by, s0, s1, s2, s3)                                \
    step(a, b, c, d, ((word) % 16), s0, constants[i])                          \
    step(d, a, b, c, ((word + by) % 16), s1, constants[i + 1])                 \
    step(c, d, a, b, ((word + 2 * by) % 16), s2, constants[i + 2])             \
    step(b, c, d, a, ((word + 3 * by) % 16), s3, constants[i + 3])
#define SIXTEEN(step, i, word, by, ...)                                        \
    FOUR(step, i, word, by, __VA_ARGS__)                                       \
    FOUR(step, i + 4, word + 4 * by, by, __VA_ARGS__)                          \
    FOUR(step, i + 8, word + 8 * by, by, __VA_ARGS__)                          \
    FOUR(step, i + 12, word + 12 * by, by, __VA_ARGS__)

// All 64 steps: step(a, b, c, d, word, bits, constant) is a = b + ((a + f(b, c, d) + words[word] + constant) <<< bits).
#define STEPS(step1, step2, step3, step4)                                      \
    SIXTEEN(step1, 0, 0, 1, 7, 12, 17, 22)                                     \
    SIXTEEN(step2, 16, 1, 5, 5, 9, 14, 20)                                     \
    SIXTEEN(step3, 32, 5, 3, 4, 11, 16, 23)                                    \
    SIXTEEN(step4, 48, 0, 7, 6, 10, 15, 21)

// F and G with one operation less.
#define F(x, y, z) (z ^ (x & (y ^ z)))
#define G(x, y, z) (y ^ (z & (x ^ y)))
#define H(x, y, z) (x ^ y ^ z)
#define I(x, y, z) (y ^ (x | ~z))

#define LANES(f, a, b, c, d, word, shift, constant)                            \
    for (int q = 0; q < quads; q++) {                                          \
        a[q] += f(b[q], c[q], d[q]) + words[q][word] + constant;               \
        a[q] = (a[q] << shift | a[q] >> (32 - shift)) + b[q];                  \
    }

#define LANES1(...) LANES(F, __VA_ARGS__)
#define LANES2(...) LANES(G, __VA_ARGS__)
#define LANES3(...) LANES(H, __VA_ARGS__)
#define LANES4(...) LANES(I, __VA_ARGS__)

// Continues `vi_md5_lanes` digests. state[word * lanes + lane]: the four words of each.
static void update_lanes(uint32_t state[4 * vi_md5_lanes], const uint8_t *const bytes[vi_md5_lanes], size_t blocks) {
    quad a[quads], b[quads], c[quads], d[quads];
    for (int q = 0; q < quads; q++) {
        a[q] = *(const unaligned_quad *)&state[4 * q];
        b[q] = *(const unaligned_quad *)&state[vi_md5_lanes + 4 * q];
        c[q] = *(const unaligned_quad *)&state[2 * vi_md5_lanes + 4 * q];
        d[q] = *(const unaligned_quad *)&state[3 * vi_md5_lanes + 4 * q];
    }
    for (size_t offset = 0; offset < 64 * blocks; offset += 64) {
        quad words[quads][16], a0[quads], b0[quads], c0[quads], d0[quads];
        for (int q = 0; q < quads; q++) {
            for (int part = 0; part < 4; part++) transpose(&words[q][4 * part], &bytes[4 * q], offset + 16 * part);
            a0[q] = a[q], b0[q] = b[q], c0[q] = c[q], d0[q] = d[q];
        }
        STEPS(LANES1, LANES2, LANES3, LANES4)
        for (int q = 0; q < quads; q++) a[q] += a0[q], b[q] += b0[q], c[q] += c0[q], d[q] += d0[q];
    }
    for (int q = 0; q < quads; q++) {
        *(unaligned_quad *)&state[4 * q] = a[q];
        *(unaligned_quad *)&state[vi_md5_lanes + 4 * q] = b[q];
        *(unaligned_quad *)&state[2 * vi_md5_lanes + 4 * q] = c[q];
        *(unaligned_quad *)&state[3 * vi_md5_lanes + 4 * q] = d[q];
    }
}

// One digest is as fast as the chain of operations from one step's result to the next one's: five in RFC 1321, four here in
// rounds 2 and 3. The barriers keep the compiler from adding in another order, which makes the chain longer.
#define IN_ORDER(x) __asm__("" : "+r"(x))
#define BEGIN(a, word, constant) a += load(bytes + 4 * word) + constant; IN_ORDER(a)
#define ADD(a, value) a += value; IN_ORDER(a)
#define END(a, b, shift) a = a << shift | a >> (32 - shift); IN_ORDER(a); a += b;

#define ROUND1(a, b, c, d, word, shift, constant) \
    BEGIN(a, word, constant); ADD(a, (d ^ (b & (c ^ d)))); END(a, b, shift)
// The two halves of G have no bit in common: added one after the other, only one waits for b.
#define ROUND2(a, b, c, d, word, shift, constant) \
    BEGIN(a, word, constant); ADD(a, (c & ~d)); ADD(a, (b & d)); END(a, b, shift)
#define ROUND3(a, b, c, d, word, shift, constant) \
    BEGIN(a, word, constant); { uint32_t old = c ^ d; IN_ORDER(old); ADD(a, (b ^ old)); } END(a, b, shift)
#define ROUND4(a, b, c, d, word, shift, constant) \
    BEGIN(a, word, constant); ADD(a, (c ^ (b | ~d))); END(a, b, shift)

static inline uint32_t load(const uint8_t *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static void update_one(uint32_t state[4], const uint8_t *bytes, size_t blocks) {
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    for (; blocks > 0; blocks--, bytes += 64) {
        uint32_t a0 = a, b0 = b, c0 = c, d0 = d;
        STEPS(ROUND1, ROUND2, ROUND3, ROUND4)
        a += a0, b += b0, c += c0, d += d0;
    }
    state[0] = a, state[1] = b, state[2] = c, state[3] = d;
}

void vi_md5_begin(struct vi_md5 *md5) {
    *md5 = (struct vi_md5){.state = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u}};
}

void vi_md5_update(struct vi_md5 *md5, const uint8_t *bytes, size_t count) {
    size_t held = md5->length % vi_md5_block;
    md5->length += count;
    if (held > 0) {
        size_t missing = vi_md5_block - held;
        if (missing > count) missing = count;
        if (missing > 0) memcpy(md5->block + held, bytes, missing);
        if (held + missing < vi_md5_block) return;
        update_one(md5->state, md5->block, 1);
        bytes += missing, count -= missing;
    }
    update_one(md5->state, bytes, count / vi_md5_block);
    size_t rest = count % vi_md5_block;
    if (rest > 0) memcpy(md5->block, bytes + count - rest, rest);
}

void vi_md5_update_several(struct vi_md5 *md5s, size_t digests, const uint8_t *const *bytes, size_t count) {
    size_t done = digests > 1 ? count / vi_md5_block * vi_md5_block : 0;
    for (size_t lane = 0; lane < digests; lane++) {
        if (md5s[lane].length % vi_md5_block != 0) done = 0;
    }
    if (done > 0) {
        // What the lanes without a digest do is never looked at.
        uint32_t state[4 * vi_md5_lanes] = {0};
        const uint8_t *sources[vi_md5_lanes];
        for (size_t lane = 0; lane < vi_md5_lanes; lane++) sources[lane] = bytes[lane < digests ? lane : 0];
        for (size_t lane = 0; lane < digests; lane++) {
            for (int word = 0; word < 4; word++) state[word * vi_md5_lanes + lane] = md5s[lane].state[word];
        }
        update_lanes(state, sources, done / vi_md5_block);
        for (size_t lane = 0; lane < digests; lane++) {
            for (int word = 0; word < 4; word++) md5s[lane].state[word] = state[word * vi_md5_lanes + lane];
            md5s[lane].length += done;
        }
    }
    for (size_t lane = 0; lane < digests; lane++) vi_md5_update(&md5s[lane], bytes[lane] + done, count - done);
}

void vi_md5_end(struct vi_md5 *md5, uint8_t digest[16]) {
    // A 1 bit, 0 bits up to 8 bytes before the end of a block, and the number of bits before them.
    static const uint8_t padding[vi_md5_block] = {0x80};
    uint64_t bits = md5->length * 8;
    size_t held = md5->length % vi_md5_block, room = vi_md5_block - sizeof bits;
    vi_md5_update(md5, padding, (held < room ? room : room + vi_md5_block) - held);
    vi_md5_update(md5, (const uint8_t *)&bits, sizeof bits);
    memcpy(digest, md5->state, sizeof md5->state);
}
