import Foundation
import Testing
import TestTools
import class TestTools.Locked

@testable import System

@Suite struct GroupCommitTests {
    private struct Failed: Error {}

    /// Submits from so many threads and waits for all. Returns what each got, `nil` for an error.
    private func submit(_ count: Int, to group: GroupCommit<Int, Int, Failed>) -> [Int: Int?] {
        let results: Locked<[Int: Int?]> = Locked([:])
        let done = DispatchGroup()
        for item in 0..<count {
            done.enter()
            Thread.detachNewThread {
                let result = try? group.submit(item)
                results.withLock { $0[item] = .some(result) }
                done.leave()
            }
        }
        done.wait()
        return results.withLock(\.self)
    }

    @Test("each gets its own result, and who comes while a run lasts shares the next one")
    func shared() {
        let runs: Locked<[[Int]]> = Locked([])
        let group = GroupCommit<Int, Int, Failed> { items in
            runs.withLock { $0.append(items) }
            usleep(50_000)
            return items.map { $0 * 10 }
        }
        let results = submit(20, to: group)
        #expect(results == Dictionary(uniqueKeysWithValues: (0..<20).map { ($0, $0 * 10) }))
        let all = runs.withLock(\.self)
        #expect(all.flatMap(\.self).sorted() == Array(0..<20))
        #expect(all.count < 20)
    }

    @Test("a run that fails fails for all that are in it, and for nobody else")
    func failing() {
        let group = GroupCommit<Int, Int, Failed> { items throws(Failed) in
            usleep(20_000)
            if items.contains(7) { throw Failed() }
            return items
        }
        let results = submit(20, to: group)
        #expect(results[7] == .some(nil))
        #expect(results.allSatisfy { $0.value == nil || $0.value == $0.key })
        #expect((try? group.submit(1)) == 1)
    }
}
