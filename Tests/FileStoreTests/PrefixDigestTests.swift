@testable import FileStore
import ChunkStore
import Foundation
import System
import TestSupport
import Testing

@Suite struct PrefixDigestTests {
    private func file(_ content: [UInt8]) throws -> (StoredFile, URL) {
        let directory = try makeTemporaryDirectory()
        let store = try FileChunkStore(directory: directory.path, reserve: .bytes(0))
        let file = try store.makeUpload(1).file
        try file.write(content, at: 0)
        return (file, directory)
    }

    @Test(
        "md5 of known text, RFC 1321, A.5",
        arguments: [
            ("", "d41d8cd98f00b204e9800998ecf8427e"), ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"), ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
            (
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                "d174ab98d277d9f5a5611c2c9f419d9f"
            ), (String(repeating: "1234567890", count: 8), "57edf4a22be3c955ac49da2e2107b67a"),
        ])
    func known(text: String, md5: String) {
        var digest = MD5Digest()
        Array(text.utf8).withUnsafeBytes { digest.update($0) }
        #expect(digest.finish() == md5)
        #expect(md5Hex(Array(text.utf8)) == md5)
    }

    @Test("md5 of every length up to five blocks, in any two pieces, is libcrypto's")
    func pieces() {
        let bytes = (0..<320).map { UInt8(truncatingIfNeeded: $0 &* 181 ^ $0 >> 3) }
        for length in 0...bytes.count {
            for cut in stride(from: 0, through: length, by: 7) {
                var digest = MD5Digest()
                bytes[..<cut].withUnsafeBytes { digest.update($0) }
                bytes[cut..<length].withUnsafeBytes { digest.update($0) }
                #expect(digest.finish() == md5Hex(Array(bytes[..<length])), "\(cut) of \(length)")
            }
        }
    }

    @Test("the digest is the file's, however it was advanced", arguments: [1, 4096, 5 << 20, 11 << 20])
    func advances(step: Int) throws {
        let content = videoBytes(12_345_678)
        let (file, directory) = try file(content)
        defer { try? FileManager.default.removeItem(at: directory) }
        let digest = PrefixDigest(file)
        for end in stride(from: step, to: min(content.count, 200 * step), by: step) { digest.advance(to: end) }
        digest.wait(lag: 1 << 20)
        #expect(try digest.finish(content.count) == md5Hex(content))
    }

    @Test("bytes that changed after they were read count as they are at the end")
    func restarts() throws {
        var content = videoBytes(9_000_000)
        let (file, directory) = try file(content)
        defer { try? FileManager.default.removeItem(at: directory) }
        let digest = PrefixDigest(file)
        for round in 0..<20 {
            digest.advance(to: content.count)
            if round % 2 == 0 { digest.wait(lag: 0) }
            content[round * 1000] ^= 0xFF
            try file.write(content[round * 1000...round * 1000], at: round * 1000)
            digest.restart(to: round * 1000)
        }
        #expect(try digest.finish(content.count) == md5Hex(content))
        #expect(try digest.finish(content.count) == md5Hex(content))
    }

    @Test("bytes that change while their digest waits for its turn count as they are at the end")
    func restartsInTheQueue() throws {
        var content = videoBytes(200_000)
        let (file, directory) = try file(content)
        defer { try? FileManager.default.removeItem(at: directory) }
        let digest = PrefixDigest(file)
        for round in 0..<200 {
            digest.advance(to: content.count / 2)
            digest.wait(lag: 0)
            digest.advance(to: content.count)
            digest.restart(to: 0)
            content[round] ^= 0xFF
            try file.write(content[round...round], at: round)
            digest.advance(to: content.count)
            #expect(try digest.finish(content.count) == md5Hex(content))
        }
    }

    @Test("a digest goes on from where a suspended one was, without what that has read", arguments: [1, 64, 2_999_999])
    func suspended(position: Int) throws {
        let content = videoBytes(3_000_000)
        let (file, directory) = try file(content)
        defer { try? FileManager.default.removeItem(at: directory) }
        let first = PrefixDigest(file)
        first.advance(to: position)
        first.wait(lag: 0)
        let state = try #require(first.suspend())
        #expect(state.position == position)
        // Had it been read again, this would tell.
        try file.write([UInt8](repeating: 0, count: position), at: 0)
        #expect(try PrefixDigest(file, from: state).finish(content.count) == md5Hex(content))
        #expect(PrefixDigest(file).suspend() == nil)
    }

    @Test("one that is suspended in the middle of its work has read no more than it says", arguments: 0..<20)
    func suspendedInTheMiddle(round: Int) throws {
        let content = videoBytes(6_000_000)
        let (file, directory) = try file(content)
        defer { try? FileManager.default.removeItem(at: directory) }
        let first = PrefixDigest(file)
        first.advance(to: content.count)
        usleep(UInt32(round * 300))
        let second = PrefixDigest(file, from: first.suspend())
        #expect(try second.finish(content.count) == md5Hex(content))
    }

    @Test("files that are digested at once do not mix", arguments: [2, 3, 8, 9, 30])
    func together(files: Int) throws {
        let contents = (0..<files).map {
            videoBytes([5_000_000, 4_999_999, 64, 63, 200_000, 17, 1 << 20][$0 % 7] + $0)
        }
        let made = try contents.map { try file($0) }
        defer { for (_, directory) in made { try? FileManager.default.removeItem(at: directory) } }
        let digests = made.map { PrefixDigest($0.0) }
        for share in 1...5 {
            for (digest, content) in zip(digests, contents) { digest.advance(to: content.count * share / 5) }
        }
        for (digest, content) in zip(digests, contents) {
            #expect(try digest.finish(content.count) == md5Hex(content))
        }
    }

    @Test("a file that is too short fails alone")
    func failure() throws {
        let content = videoBytes(3_000_000)
        let (whole, cut) = (try file(content), try file(content))
        defer { for (_, directory) in [whole, cut] { try? FileManager.default.removeItem(at: directory) } }
        try cut.0.truncate(to: 2_000_000)
        let digests = (PrefixDigest(whole.0), PrefixDigest(cut.0))
        digests.1.advance(to: content.count)
        digests.0.advance(to: content.count)
        #expect(try digests.0.finish(content.count) == md5Hex(content))
        #expect(throws: SystemError.self) { try digests.1.finish(content.count) }
        try cut.0.write(content, at: 0)
        #expect(try digests.1.finish(content.count) == md5Hex(content))
    }
}
