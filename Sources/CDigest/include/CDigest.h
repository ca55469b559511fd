// Digests: MD5, of one stream and of several at once, which Swift's vectors cannot express well (a transposition of words),
// and CRC32C with the processor's instruction, which has no name in Swift. No function keeps anything; thread-safe.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { vi_md5_lanes = 8, vi_md5_block = 64 };

// A running MD5. https://www.rfc-editor.org/rfc/rfc1321
struct vi_md5 {
    // A, B, C and D.
    uint32_t state[4];
    // Bytes so far; those of them that are no whole block yet are at the beginning of `block`.
    uint64_t length;
    uint8_t block[vi_md5_block];
};

void vi_md5_begin(struct vi_md5 *md5);

// Whole blocks are 6 % faster than libcrypto's on x86-64.
void vi_md5_update(struct vi_md5 *md5, const uint8_t *bytes, size_t count);

// Continues several digests by the same number of bytes each, in lockstep where all of them are at the beginning of a
// block.
//
// One MD5 keeps a core waiting for itself: each of its 64 steps needs the one before. Eight that do not depend on each
// other take little longer than one.
//
// md5s: `digests` of them, at most `vi_md5_lanes`. bytes[digest]: may be at any address.
void vi_md5_update_several(struct vi_md5 *md5s, size_t digests, const uint8_t *const *bytes, size_t count);

// Writes the digest of everything so far.
void vi_md5_end(struct vi_md5 *md5, uint8_t digest[16]);

// Whether the processor has the instruction; without it the two functions below must not be called.
int vi_has_crc32c(void);

// Continues a CRC32C over more bytes. `crc` is the register, not yet inverted.
uint32_t vi_crc32c(uint32_t crc, const uint8_t *bytes, size_t count);

// Continues three CRC32Cs, of the `stride` bytes at `bytes` and those that follow twice, at the speed of one: the
// instruction's result is there after three cycles, but another one can begin in each. `stride` is a multiple of 8.
void vi_crc32c_three(uint32_t crcs[3], const uint8_t *bytes, size_t stride);
