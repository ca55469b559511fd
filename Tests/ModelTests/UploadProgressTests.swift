import Testing
import Model

private typealias Progress = UploadProgress<String>

private func progress(chunks: Int, received: [Int] = []) -> Progress {
    var set = ChunkSet(chunks: chunks)
    for chunk in received { set.insert(chunk) }
    return Progress(received: set)
}

/// A request that brings a chunk: claims, stores and decides.
private func bring(_ chunk: Int, to progress: inout Progress) -> Progress.Decision {
    if case .write = progress.claim(chunk) { progress.stored(chunk) } else { progress.release(chunk) }
    return progress.decide()
}

extension UploadProgress.Decision {
    fileprivate var name: String { String(describing: self).prefix { $0 != "(" }.description }
}

extension UploadProgress.Claim {
    fileprivate var name: String { String(describing: self).prefix { $0 != "(" }.description }
}

@Suite struct UploadProgressTests {
    @Test("a page that sends one chunk at a time is never held, and its last chunk completes the file")
    func oneAtATime() {
        var upload = progress(chunks: 4)
        for chunk in 0..<4 {
            upload.begin()
            #expect(bring(chunk, to: &upload).name == (chunk < 3 ? "partial" : "complete"))
            upload.end()
        }
    }

    @Test("with overlapping requests a chunk that leaves at most two missing is held", arguments: 0...7)
    func heldWhenNearlyWhole(missingAfter: Int) {
        var upload = progress(chunks: 8, received: Array(0..<7 - missingAfter))
        upload.begin()
        upload.begin()
        let expected = missingAfter == 0 ? "complete" : missingAfter <= 2 ? "hold" : "partial"
        #expect(bring(7 - missingAfter, to: &upload).name == expected)
    }

    @Test("one of as many requests as ever came at once gets its reply, where all would wait", arguments: 2...4)
    func oneIsAnswered(requests: Int) {
        var upload = progress(chunks: 8, received: Array(0..<6))
        for _ in 0..<requests { upload.begin() }
        _ = bring(6, to: &upload)
        for held in 0..<requests {
            let expected = held + 1 < requests || held < 2 ? "hold" : "partial"
            #expect(upload.decide(held: held).name == expected)
        }
    }

    @Test("an upload is nearly whole when the requests under way could bring all but the last chunks", arguments: 1...3)
    func nearlyWhole(requests: Int) {
        for received in 0...8 {
            var upload = progress(chunks: 8, received: Array(0..<received))
            for _ in 0..<requests { upload.begin() }
            #expect(upload.isNearlyWhole == (8 - received <= 2 + requests))
        }
    }

    @Test("only one request completes a file, whoever else brings its last chunk")
    func oneCompletes() {
        var upload = progress(chunks: 2, received: [0])
        upload.begin()
        upload.begin()
        #expect(upload.claim(1).name == "write")
        #expect(upload.claim(1).name == "busy")
        upload.stored(1)
        #expect(upload.decide().name == "complete")
        #expect(upload.claim(1).name == "hold")
        #expect(upload.decide().name == "hold")
        upload.finish(.over("video"))
        #expect(upload.claim(1).name == "over")
        #expect(upload.decide().name == "over")
    }

    @Test("a file is not completed while a chunk of it is compared or replaced")
    func notWhileWriting() {
        var upload = progress(chunks: 2, received: [0])
        upload.begin()
        upload.begin()
        #expect(upload.claim(0).name == "compare")
        #expect(bring(1, to: &upload).name == "hold")
        upload.replace(0)
        #expect(upload.received.missing == 1)
        upload.stored(0)
        #expect(upload.decide().name == "complete")
    }

    @Test("a held request whose time is up gets code 2, but goes on waiting while the file is completed")
    func expiry() {
        var upload = progress(chunks: 3, received: [0])
        upload.begin()
        upload.begin()
        #expect(bring(1, to: &upload).name == "hold")
        #expect(upload.expire().name == "partial")
        #expect(upload.partialReplies == 1)
        upload.partialReplyWritten()
        #expect(bring(2, to: &upload).name == "complete")
        #expect(upload.expire().name == "hold")
    }

    @Test("a held request goes on waiting while all that is missing is being written")
    func expiryBesideWriting() {
        var upload = progress(chunks: 3, received: [0, 1])
        upload.begin()
        upload.begin()
        // Another page rewrites a chunk while the last one comes.
        #expect(upload.claim(0).name == "compare")
        upload.replace(0)
        #expect(bring(2, to: &upload).name == "hold")
        #expect(upload.expire().name == "hold")
        upload.release(0)
        #expect(upload.expire().name == "partial")
    }

    @Test("a completion that could not be recorded can be taken up by a later request")
    func reopened() {
        var upload = progress(chunks: 1)
        upload.begin()
        #expect(bring(0, to: &upload).name == "complete")
        upload.finish(.open)
        #expect(bring(0, to: &upload).name == "complete")
    }

    @Test("an upload that failed says so to every request under way")
    func failed() {
        var upload = progress(chunks: 3)
        upload.begin()
        _ = upload.claim(1)
        upload.finish(.over("container"))
        upload.stored(1)
        #expect(upload.decide().name == "over")
        #expect(upload.claim(2).name == "over")
    }

    @Test("a recorded chunk that a request here is writing does not count before that request says so")
    func mergeLeavesOutWhatIsWritten() {
        var upload = progress(chunks: 3)
        _ = upload.claim(2)
        var recorded = ChunkSet(chunks: 3)
        for chunk in [1, 2] { recorded.insert(chunk) }
        upload.merge(recorded)
        #expect(upload.received.contains(1) && !upload.received.contains(2))
        upload.stored(2)
        #expect(upload.received.contains(2))
    }

    @Test("a chunk that is being written may be recorded already, and is counted once")
    func recordedHere() {
        var progress = UploadProgress<String>(received: ChunkSet(chunks: 5))
        #expect(progress.recordedHere == 0)
        _ = progress.claim(0)
        _ = progress.claim(3)
        #expect(progress.recordedHere == 2)
        progress.stored(0)
        progress.release(3)
        #expect(progress.recordedHere == 1)
        _ = progress.claim(0)
        #expect(progress.recordedHere == 1)
        progress.replace(0)
        #expect(progress.recordedHere == 1)
    }
}
