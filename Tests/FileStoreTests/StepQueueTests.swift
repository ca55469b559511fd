@testable import FileStore
import Foundation
import Testing

import ChunkStore

@Suite struct StepQueueTests {
    @Test("clients take turns, however many items one has; so do the items of one", arguments: [1, 4])
    func turns(threads: Int) {
        let queue = StepQueue<String>(threadLimit: threads, client: { String($0.prefix(1)) }) { _ in
            // The test does the work.
            while true { sleep(60) }
        }
        for number in 0..<100 { queue.add("a\(number)") }
        queue.add("b0")
        queue.add("c0")
        queue.add("c1")
        let first = (0..<8).map { _ in queue.take(atMost: 1)[0] }
        #expect(first == ["a0", "b0", "c0", "a1", "c1", "a2", "a3", "a4"])
        queue.putBack(["b0"])
        #expect((0..<3).map { _ in queue.take(atMost: 1)[0] } == ["a5", "b0", "a6"])
        queue.putBack(["b0", "c0"])
        let share = queue.take(atMost: 8)
        #expect(share.count == 8 && Set(share).isSuperset(of: ["b0", "c0"]), "\(share)")
    }
}
