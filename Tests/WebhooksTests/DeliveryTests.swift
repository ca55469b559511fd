import Model
import Foundation
import Testing
import TestSupport

@testable import Webhooks

/// When events are delivered, and how often.
@Suite struct DeliveryTests {
    @Test("a receiver that was down gets everything once it is up, of each video in order")
    func downThenUp() throws {
        let outbox = try Outbox()
        let receiver = try Receiver(isUp: false)
        for name in ["a", "b", "c"] { try outbox.record(name, isReady: true) }
        let delivery = RunningDelivery(outbox.delivery(Outbox.webhook(receiver.url)))
        // The clock stands still: each is tried once.
        #expect(eventually { outbox.log.withLock(\.count) == 3 })
        #expect(
            outbox.log.withLock { $0.allSatisfy { $0.contains("Connection refused") || $0.contains("connect to") } })
        #expect(receiver.requests.isEmpty)
        receiver.start()
        outbox.advance(10)
        #expect(try eventually { try outbox.undelivered == 0 })
        #expect(delivery.stop(within: 2))
        #expect(receiver.requests.count == 6)
        for video in 1...3 {
            let names = receiver.names.filter { $0.hasSuffix(" \(video)") }
            #expect(names == ["upload.completed \(video)", "video.ready \(video)"])
        }
    }

    @Test("an event that failed is sent again, the same but for the signature, later each time")
    func again() throws {
        let outbox = try Outbox()
        let receiver = try Receiver { _, index in .status(index < 7 ? 500 : 200) }
        try outbox.record("a")
        let webhook = Outbox.webhook(receiver.url)
        for expected: Int64 in [5, 15, 60, 300, 900, 3600, 3600] {
            #expect(outbox.deliverAll(webhook) == [.failed])
            let delay = try outbox.delay
            #expect(delay * 10 >= expected * 8 && delay * 10 <= expected * 12, "\(delay) for \(expected)")
            outbox.advance(delay - 1)
            #expect(outbox.deliverAll(webhook) == [])
            outbox.advance(1)
        }
        #expect(outbox.deliverAll(webhook) == [.delivered])
        outbox.advance(100_000)
        #expect(outbox.deliverAll(webhook) == [])
        #expect(receiver.requests.count == 8)
        #expect(Set(receiver.requests.map { $0["X-Video-Intake-Id"] }) == ["1"])
        #expect(Set(receiver.requests.map(\.body)).count == 1)
        #expect(Set(receiver.requests.map { $0["X-Video-Intake-Signature"] }).count == 8)
    }

    @Test("the delays and how far they vary")
    func schedule() {
        let schedule = RetrySchedule()
        #expect(
            [1, 2, 3, 4, 5, 6, 7, 1000].map { schedule.delay(after: $0, jitter: 0) }
                == [5, 15, 60, 300, 900, 3600, 3600, 3600])
        #expect(schedule.delay(after: 1, jitter: -1) == 4 && schedule.delay(after: 1, jitter: 1) == 6)
        #expect(schedule.delay(after: 9, jitter: -1) == 2880 && schedule.delay(after: 9, jitter: 1) == 4320)
        #expect(RetrySchedule([0]).delay(after: 1, jitter: 0) == 1)
        // What is further away was written by a clock that was ahead.
        #expect(schedule.delay(after: 9, jitter: 1) < Event.longestDelay)
    }

    @Test("an event that the receiver does not want holds up its video's next one, and no other video's")
    func others() throws {
        let outbox = try Outbox()
        let receiver = try Receiver { request, _ in .status(request.name.hasSuffix(" 1") ? 422 : 200) }
        try outbox.record("a", isReady: true)
        try outbox.record("b", isReady: true)
        var pace = Outbox.quick
        // A pause would be noticed.
        pace.pauses = 60...60
        let delivery = RunningDelivery(outbox.delivery(Outbox.webhook(receiver.url), pace: pace))
        #expect(eventually { receiver.requests.count == 3 })
        #expect(receiver.names == ["upload.completed 1", "upload.completed 2", "video.ready 2"])
        #expect(delivery.stop(within: 2))
    }

    @Test("while the receiver is not well there are pauses that grow, also between different events")
    func pauses() throws {
        let outbox = try Outbox()
        let times = Locked<[ContinuousClock.Instant]>([])
        let receiver = try Receiver { _, index in
            times.withLock { $0.append(.now) }
            return .status(index < 5 ? 503 : 200)
        }
        for name in ["a", "b", "c", "d", "e", "f", "g"] { try outbox.record(name) }
        var pace = Outbox.quick
        pace.pauses = 0.1...0.4
        let delivery = RunningDelivery(outbox.delivery(Outbox.webhook(receiver.url), pace: pace))
        #expect(eventually { receiver.requests.count == 7 })
        #expect(delivery.stop(within: 2))
        let gaps = times.withLock { times in zip(times, times.dropFirst()).map { $1 - $0 } }
        for (gap, least) in zip(gaps, [0.1, 0.2, 0.4, 0.4, 0.4]) { #expect(gap >= .seconds(least), "\(gaps)") }
    }

    @Test("a receiver that never answers costs its time limit, and other events are tried after it")
    func silence() throws {
        let outbox = try Outbox()
        let receiver = try Receiver { request, _ in request.name.hasSuffix(" 1") ? .silence : .status(200) }
        try outbox.record("a")
        try outbox.record("b")
        let webhook = Outbox.webhook(receiver.url, timeout: 0.5)
        let start = ContinuousClock.now
        let delivery = RunningDelivery(outbox.delivery(webhook))
        #expect(try eventually { try outbox.undelivered == 1 })
        #expect(ContinuousClock.now - start >= .milliseconds(500))
        #expect(receiver.names == ["upload.completed 1", "upload.completed 2"])
        #expect(outbox.log.withLock { $0.contains { $0.contains("timed out after 0.5 s") } })
        #expect(delivery.stop(within: 2))
    }

    @Test("a connection that does not come about costs its time limit")
    func noConnection() throws {
        let outbox = try Outbox()
        try outbox.record("a")
        // The receiver takes connections, but there is no TLS on them.
        let receiver = try Receiver { _, _ in .silence }
        let webhook = Webhook(
            url: "https://127.0.0.1:\(receiver.port)/", secret: Outbox.secret, allowsPrivateAddresses: true, agent: "a",
            connectTimeout: 0.3)
        let start = ContinuousClock.now
        #expect(outbox.deliverAll(webhook) == [.failed])
        #expect(ContinuousClock.now - start < .seconds(5))
        #expect(outbox.cause == "no connection within 0.3 s")
    }

    @Test("it ends soon though the receiver never answers, and who comes next sends the event at once")
    func stop() throws {
        let outbox = try Outbox()
        let silent = try Receiver { _, _ in .silence }
        try outbox.record("a")
        let delivery = RunningDelivery(outbox.delivery(Outbox.webhook(silent.url, timeout: 60)))
        #expect(eventually { silent.requests.count == 1 })
        #expect(delivery.stop(within: 3))
        let receiver = try Receiver()
        #expect(outbox.deliverAll(Outbox.webhook(receiver.url)) == [.delivered])
        #expect(receiver.requests.first?.body == silent.requests.first?.body)
    }

    @Test("a request under way goes on when its receiver is set once more, and is given up for another one")
    func replaced() throws {
        let outbox = try Outbox()
        let (silent, other) = (try Receiver { _, _ in .silence }, try Receiver())
        try outbox.record("a")
        let webhook = CurrentWebhook(Outbox.webhook(silent.url, timeout: 60))
        let delivery = RunningDelivery(outbox.delivery(webhook))
        #expect(eventually { silent.requests.count == 1 })
        webhook.replace(with: Outbox.webhook(silent.url, timeout: 60))
        // It looks once a second whether it is to end.
        usleep(2_500_000)
        #expect(silent.requests.count == 1)
        webhook.replace(with: Outbox.webhook(other.url))
        #expect(eventually { other.requests.count == 1 })
        #expect(delivery.stop(within: 2))
    }

    @Test("it ends soon while it waits", arguments: [true, false])
    func stopWaiting(isReceiverUp: Bool) throws {
        let outbox = try Outbox()
        let receiver = try Receiver(isUp: isReceiverUp)
        try outbox.record("a")
        var pace = Outbox.quick
        pace.pauses = 60...60
        pace.idle = 60
        let delivery = RunningDelivery(outbox.delivery(Outbox.webhook(receiver.url), pace: pace))
        #expect(eventually { outbox.log.withLock(\.count) == 1 })
        #expect(delivery.stop(within: 2))
    }

    @Test("what a deliverer that died had is sent again when its lease has ended, with the same id")
    func delivererDies() throws {
        let (outbox, receiver) = (try Outbox(), try Receiver())
        try outbox.record("a", isReady: true)
        // It had sent the event, and was killed before it could say so.
        let dead = try #require(try outbox.catalogue.claimEvents(limit: 1, lease: 60, now: outbox.now).first)
        let webhook = Outbox.webhook(receiver.url)
        try WebhookConnection(webhook).deliver(dead, time: outbox.now) { false }
        outbox.advance(59)
        #expect(outbox.deliverAll(webhook) == [])
        outbox.advance(1)
        #expect(outbox.deliverAll(webhook) == [.delivered, .delivered])
        #expect(receiver.requests.map { $0["X-Video-Intake-Id"] } == ["1", "1", "2"])
        #expect(Set(receiver.requests.prefix(2).map(\.body)).count == 1)
    }

    @Test("an event is nobody else's for longer than its request may last")
    func lease() throws {
        let outbox = try Outbox()
        let delay = Locked<Int64>(0)
        let receiver = try Receiver { _, _ in
            let now = (try? outbox.delay) ?? 0
            delay.withLock { $0 = now }
            return .status(200)
        }
        try outbox.record("a")
        let webhook = Webhook(
            url: receiver.url, secret: Outbox.secret, allowsPrivateAddresses: true, agent: "video-intake/0")
        #expect(outbox.deliverAll(webhook) == [.delivered])
        #expect(Double(delay.withLock(\.self)) > 2 * webhook.timeout)
    }

    @Test("several deliverers send each event once")
    func several() throws {
        let (outbox, receiver) = (try Outbox(), try Receiver())
        for number in 0..<20 { try outbox.record("\(number)", isReady: true) }
        let deliveries = (0..<3).map { _ in RunningDelivery(outbox.delivery(Outbox.webhook(receiver.url))) }
        #expect(try eventually { try outbox.undelivered == 0 })
        for delivery in deliveries { #expect(delivery.stop(within: 2)) }
        #expect(receiver.requests.count == 40)
        for video in 1...20 {
            #expect(
                receiver.names.filter { $0.hasSuffix(" \(video)") }
                    == ["upload.completed \(video)", "video.ready \(video)"])
        }
    }
}
