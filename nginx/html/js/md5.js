/** Bytes of a block, which MD5 takes at a time. */
const BLOCK = 64;

/**
 * Blocks digested by one call. In a call of many megabytes V8, when it has to discard what it compiled, goes on with
 * the interpreter to the end: measured, 8 MiB at 12 MB/s in the middle of a file.
 */
const RUN = 512;

/**
 * MD5 of bytes that come in pieces (RFC 1321).
 *
 * Words are read straight from the memory of the pieces: MD5 is little-endian, and so is every machine with a browser.
 */
export class MD5 {
    #state = new Int32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]);
    /** The beginning of a block whose rest has not come yet. */
    #pending = new Uint8Array(BLOCK);
    #pendingWords = new Int32Array(this.#pending.buffer);
    #pendingLength = 0;
    /** Bytes so far. */
    #length = 0;

    /**
     * Adds bytes. Fast if they begin at a multiple of 4 in their buffer and the bytes before were whole blocks of 64;
     * otherwise they are copied first.
     *
     * @param {Uint8Array} bytes
     * @returns {MD5} this one
     */
    update(bytes) {
        this.#length += bytes.length;
        let at = 0;
        if (this.#pendingLength > 0) {
            at = Math.min(BLOCK - this.#pendingLength, bytes.length);
            this.#pending.set(bytes.subarray(0, at), this.#pendingLength);
            this.#pendingLength += at;
            if (this.#pendingLength < BLOCK) return this;
            this.#digest(this.#pendingWords, 0, 1);
            this.#pendingLength = 0;
        }
        const blocks = Math.floor((bytes.length - at) / BLOCK);
        if (blocks > 0) {
            const end = at + blocks * BLOCK;
            const isAligned = (bytes.byteOffset + at) % 4 === 0;
            const source = isAligned ? bytes.subarray(at, end) : bytes.slice(at, end);
            const words = new Int32Array(source.buffer, source.byteOffset, blocks * (BLOCK / 4));
            for (let block = 0; block < blocks; block += RUN) {
                this.#digest(words, block, Math.min(blocks, block + RUN));
            }
            at = end;
        }
        this.#pending.set(bytes.subarray(at));
        this.#pendingLength = bytes.length - at;
        return this;
    }

    /**
     * The digest of all bytes so far, as 32 lower-case hexadecimal digits. Nothing can be added after it.
     *
     * @returns {string}
     */
    hex() {
        const bits = this.#length * 8;
        // One bit 1, then zeros, so that 8 bytes of the last block are left for the length in bits.
        const padding = new Uint8Array(((BLOCK * 2 - 9 - this.#pendingLength) % BLOCK) + 9);
        padding[0] = 0x80;
        const view = new DataView(padding.buffer);
        view.setUint32(padding.length - 8, bits % 2 ** 32, true);
        view.setUint32(padding.length - 4, Math.floor(bits / 2 ** 32), true);
        this.update(padding);
        return Array.from(new Uint8Array(this.#state.buffer), (byte) => byte.toString(16).padStart(2, '0')).join('');
    }

    /** Unrolled, with nothing but local 32-bit integers: several times as fast as a loop over tables. */
    #digest(words, first, end) {
        let [a, b, c, d] = this.#state;
        for (let at = first * 16; at < end * 16; at += 16) {
            const a0 = a, b0 = b, c0 = c, d0 = d;
            const x0 = words[at], x1 = words[at + 1], x2 = words[at + 2], x3 = words[at + 3];
            const x4 = words[at + 4], x5 = words[at + 5], x6 = words[at + 6], x7 = words[at + 7];
            const x8 = words[at + 8], x9 = words[at + 9], x10 = words[at + 10], x11 = words[at + 11];
            const x12 = words[at + 12], x13 = words[at + 13], x14 = words[at + 14], x15 = words[at + 15];
            // Round 1
            a = (a + (d ^ (b & (c ^ d))) + x0 - 0x28955b88) | 0; a = (((a << 7) | (a >>> 25)) + b) | 0;
            d = (d + (c ^ (a & (b ^ c))) + x1 - 0x173848aa) | 0; d = (((d << 12) | (d >>> 20)) + a) | 0;
            c = (c + (b ^ (d & (a ^ b))) + x2 + 0x242070db) | 0; c = (((c << 17) | (c >>> 15)) + d) | 0;
            b = (b + (a ^ (c & (d ^ a))) + x3 - 0x3e423112) | 0; b = (((b << 22) | (b >>> 10)) + c) | 0;
            a = (a + (d ^ (b & (c ^ d))) + x4 - 0x0a83f051) | 0; a = (((a << 7) | (a >>> 25)) + b) | 0;
            d = (d + (c ^ (a & (b ^ c))) + x5 + 0x4787c62a) | 0; d = (((d << 12) | (d >>> 20)) + a) | 0;
            c = (c + (b ^ (d & (a ^ b))) + x6 - 0x57cfb9ed) | 0; c = (((c << 17) | (c >>> 15)) + d) | 0;
            b = (b + (a ^ (c & (d ^ a))) + x7 - 0x02b96aff) | 0; b = (((b << 22) | (b >>> 10)) + c) | 0;
            a = (a + (d ^ (b & (c ^ d))) + x8 + 0x698098d8) | 0; a = (((a << 7) | (a >>> 25)) + b) | 0;
            d = (d + (c ^ (a & (b ^ c))) + x9 - 0x74bb0851) | 0; d = (((d << 12) | (d >>> 20)) + a) | 0;
            c = (c + (b ^ (d & (a ^ b))) + x10 - 0x0000a44f) | 0; c = (((c << 17) | (c >>> 15)) + d) | 0;
            b = (b + (a ^ (c & (d ^ a))) + x11 - 0x76a32842) | 0; b = (((b << 22) | (b >>> 10)) + c) | 0;
            a = (a + (d ^ (b & (c ^ d))) + x12 + 0x6b901122) | 0; a = (((a << 7) | (a >>> 25)) + b) | 0;
            d = (d + (c ^ (a & (b ^ c))) + x13 - 0x02678e6d) | 0; d = (((d << 12) | (d >>> 20)) + a) | 0;
            c = (c + (b ^ (d & (a ^ b))) + x14 - 0x5986bc72) | 0; c = (((c << 17) | (c >>> 15)) + d) | 0;
            b = (b + (a ^ (c & (d ^ a))) + x15 + 0x49b40821) | 0; b = (((b << 22) | (b >>> 10)) + c) | 0;
            // Round 2
            a = (a + (c ^ (d & (b ^ c))) + x1 - 0x09e1da9e) | 0; a = (((a << 5) | (a >>> 27)) + b) | 0;
            d = (d + (b ^ (c & (a ^ b))) + x6 - 0x3fbf4cc0) | 0; d = (((d << 9) | (d >>> 23)) + a) | 0;
            c = (c + (a ^ (b & (d ^ a))) + x11 + 0x265e5a51) | 0; c = (((c << 14) | (c >>> 18)) + d) | 0;
            b = (b + (d ^ (a & (c ^ d))) + x0 - 0x16493856) | 0; b = (((b << 20) | (b >>> 12)) + c) | 0;
            a = (a + (c ^ (d & (b ^ c))) + x5 - 0x29d0efa3) | 0; a = (((a << 5) | (a >>> 27)) + b) | 0;
            d = (d + (b ^ (c & (a ^ b))) + x10 + 0x02441453) | 0; d = (((d << 9) | (d >>> 23)) + a) | 0;
            c = (c + (a ^ (b & (d ^ a))) + x15 - 0x275e197f) | 0; c = (((c << 14) | (c >>> 18)) + d) | 0;
            b = (b + (d ^ (a & (c ^ d))) + x4 - 0x182c0438) | 0; b = (((b << 20) | (b >>> 12)) + c) | 0;
            a = (a + (c ^ (d & (b ^ c))) + x9 + 0x21e1cde6) | 0; a = (((a << 5) | (a >>> 27)) + b) | 0;
            d = (d + (b ^ (c & (a ^ b))) + x14 - 0x3cc8f82a) | 0; d = (((d << 9) | (d >>> 23)) + a) | 0;
            c = (c + (a ^ (b & (d ^ a))) + x3 - 0x0b2af279) | 0; c = (((c << 14) | (c >>> 18)) + d) | 0;
            b = (b + (d ^ (a & (c ^ d))) + x8 + 0x455a14ed) | 0; b = (((b << 20) | (b >>> 12)) + c) | 0;
            a = (a + (c ^ (d & (b ^ c))) + x13 - 0x561c16fb) | 0; a = (((a << 5) | (a >>> 27)) + b) | 0;
            d = (d + (b ^ (c & (a ^ b))) + x2 - 0x03105c08) | 0; d = (((d << 9) | (d >>> 23)) + a) | 0;
            c = (c + (a ^ (b & (d ^ a))) + x7 + 0x676f02d9) | 0; c = (((c << 14) | (c >>> 18)) + d) | 0;
            b = (b + (d ^ (a & (c ^ d))) + x12 - 0x72d5b376) | 0; b = (((b << 20) | (b >>> 12)) + c) | 0;
            // Round 3
            a = (a + (b ^ c ^ d) + x5 - 0x0005c6be) | 0; a = (((a << 4) | (a >>> 28)) + b) | 0;
            d = (d + (a ^ b ^ c) + x8 - 0x788e097f) | 0; d = (((d << 11) | (d >>> 21)) + a) | 0;
            c = (c + (d ^ a ^ b) + x11 + 0x6d9d6122) | 0; c = (((c << 16) | (c >>> 16)) + d) | 0;
            b = (b + (c ^ d ^ a) + x14 - 0x021ac7f4) | 0; b = (((b << 23) | (b >>> 9)) + c) | 0;
            a = (a + (b ^ c ^ d) + x1 - 0x5b4115bc) | 0; a = (((a << 4) | (a >>> 28)) + b) | 0;
            d = (d + (a ^ b ^ c) + x4 + 0x4bdecfa9) | 0; d = (((d << 11) | (d >>> 21)) + a) | 0;
            c = (c + (d ^ a ^ b) + x7 - 0x0944b4a0) | 0; c = (((c << 16) | (c >>> 16)) + d) | 0;
            b = (b + (c ^ d ^ a) + x10 - 0x41404390) | 0; b = (((b << 23) | (b >>> 9)) + c) | 0;
            a = (a + (b ^ c ^ d) + x13 + 0x289b7ec6) | 0; a = (((a << 4) | (a >>> 28)) + b) | 0;
            d = (d + (a ^ b ^ c) + x0 - 0x155ed806) | 0; d = (((d << 11) | (d >>> 21)) + a) | 0;
            c = (c + (d ^ a ^ b) + x3 - 0x2b10cf7b) | 0; c = (((c << 16) | (c >>> 16)) + d) | 0;
            b = (b + (c ^ d ^ a) + x6 + 0x04881d05) | 0; b = (((b << 23) | (b >>> 9)) + c) | 0;
            a = (a + (b ^ c ^ d) + x9 - 0x262b2fc7) | 0; a = (((a << 4) | (a >>> 28)) + b) | 0;
            d = (d + (a ^ b ^ c) + x12 - 0x1924661b) | 0; d = (((d << 11) | (d >>> 21)) + a) | 0;
            c = (c + (d ^ a ^ b) + x15 + 0x1fa27cf8) | 0; c = (((c << 16) | (c >>> 16)) + d) | 0;
            b = (b + (c ^ d ^ a) + x2 - 0x3b53a99b) | 0; b = (((b << 23) | (b >>> 9)) + c) | 0;
            // Round 4
            a = (a + (c ^ (b | ~d)) + x0 - 0x0bd6ddbc) | 0; a = (((a << 6) | (a >>> 26)) + b) | 0;
            d = (d + (b ^ (a | ~c)) + x7 + 0x432aff97) | 0; d = (((d << 10) | (d >>> 22)) + a) | 0;
            c = (c + (a ^ (d | ~b)) + x14 - 0x546bdc59) | 0; c = (((c << 15) | (c >>> 17)) + d) | 0;
            b = (b + (d ^ (c | ~a)) + x5 - 0x036c5fc7) | 0; b = (((b << 21) | (b >>> 11)) + c) | 0;
            a = (a + (c ^ (b | ~d)) + x12 + 0x655b59c3) | 0; a = (((a << 6) | (a >>> 26)) + b) | 0;
            d = (d + (b ^ (a | ~c)) + x3 - 0x70f3336e) | 0; d = (((d << 10) | (d >>> 22)) + a) | 0;
            c = (c + (a ^ (d | ~b)) + x10 - 0x00100b83) | 0; c = (((c << 15) | (c >>> 17)) + d) | 0;
            b = (b + (d ^ (c | ~a)) + x1 - 0x7a7ba22f) | 0; b = (((b << 21) | (b >>> 11)) + c) | 0;
            a = (a + (c ^ (b | ~d)) + x8 + 0x6fa87e4f) | 0; a = (((a << 6) | (a >>> 26)) + b) | 0;
            d = (d + (b ^ (a | ~c)) + x15 - 0x01d31920) | 0; d = (((d << 10) | (d >>> 22)) + a) | 0;
            c = (c + (a ^ (d | ~b)) + x6 - 0x5cfebcec) | 0; c = (((c << 15) | (c >>> 17)) + d) | 0;
            b = (b + (d ^ (c | ~a)) + x13 + 0x4e0811a1) | 0; b = (((b << 21) | (b >>> 11)) + c) | 0;
            a = (a + (c ^ (b | ~d)) + x4 - 0x08ac817e) | 0; a = (((a << 6) | (a >>> 26)) + b) | 0;
            d = (d + (b ^ (a | ~c)) + x11 - 0x42c50dcb) | 0; d = (((d << 10) | (d >>> 22)) + a) | 0;
            c = (c + (a ^ (d | ~b)) + x2 + 0x2ad7d2bb) | 0; c = (((c << 15) | (c >>> 17)) + d) | 0;
            b = (b + (d ^ (c | ~a)) + x9 - 0x14792c6f) | 0; b = (((b << 21) | (b >>> 11)) + c) | 0;
            a = (a + a0) | 0; b = (b + b0) | 0; c = (c + c0) | 0; d = (d + d0) | 0;
        }
        this.#state.set([a, b, c, d]);
    }
}
