// Digests of several streams at once, which Swift's vectors cannot express well: a transposition of words.
#ifndef VIDEO_INTAKE_CDIGEST_H
#define VIDEO_INTAKE_CDIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { vi_md5_lanes = 8 };

// Continues `vi_md5_lanes` MD5 digests, each by the same number of blocks of 64 bytes.
//
// One MD5 keeps a core waiting for itself: each of its 64 steps needs the one before. Eight that do not depend on each
// other take little longer than one. https://www.rfc-editor.org/rfc/rfc1321
//
// state[word * lanes + lane]: the four words A, B, C and D of each digest. bytes[lane]: may be at any address; two lanes may have
// the same bytes.
void vi_md5_update(uint32_t state[4 * vi_md5_lanes], const uint8_t *const bytes[vi_md5_lanes], size_t blocks);

// Continues one MD5 digest: 6 % faster than libcrypto's on x86-64.
//
// state: the words A, B, C and D. bytes: may be at any address.
void vi_md5_update_one(uint32_t state[4], const uint8_t *bytes, size_t blocks);

#endif
