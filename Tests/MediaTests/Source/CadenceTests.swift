import Testing

@testable import Media

@Suite struct CadenceTests {
    /// Intervals of pictures at these times, on a clock of so many ticks a second.
    private func intervals(_ times: [Double], ticks: Double = 90_000) -> [Int: Int] {
        var packets = TrackPackets()
        for time in times {
            let time = (time * ticks).rounded() / ticks
            packets.take(Packet(time: time, decodingTime: time, isKey: true))
        }
        packets.finish()
        return packets.intervals
    }

    @Test(
        "usual cadences are found on every clock",
        arguments: ["24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60", "15", "10"],
        [90_000.0, 1000])
    func usual(name: String, ticks: Double) {
        let parts = name.split(separator: "/").map { Double($0)! }
        let rate = parts[0] / (parts.count > 1 ? parts[1] : 1)
        let times = (0..<300).map { Double($0) / rate }
        let found = Cadence(intervals: intervals(times, ticks: ticks), announced: rate)
        #expect(found.description == name)
        // Without a word of the file, on a clock of milliseconds 24 and 24000/1001 are the same.
        let measured = Cadence(intervals: intervals(times, ticks: ticks), announced: nil)
        #expect(abs(measured.rate / rate - 1) < 0.002)
    }

    @Test("drops do not make it slower, nor bursts faster; what a strange file announces does not count")
    func variable() {
        let dropped = (0..<900).filter { $0 % 7 != 0 }.map { Double($0) / 30 }
        #expect(Cadence(intervals: intervals(dropped), announced: 25.95).description == "30")
        let still = (0..<25).map { Double($0) / 25 } + (0..<75).map { 61 + Double($0) / 25 }
        #expect(Cadence(intervals: intervals(still), announced: 1.55).description == "25")
        let slides = (0..<20).map { Double($0) * 10 }
        #expect(Cadence(intervals: intervals(slides), announced: 0.1).description == "4")
        let demonstration = slides + (1..<90).map { 190 + Double($0) / 30 }
        #expect(Cadence(intervals: intervals(demonstration), announced: 0.5).description == "30")
        let slower = (0..<300).map { Double($0) / 30 } + (1..<50).map { 10 + Double($0) / 5 }
        #expect(Cadence(intervals: intervals(slower), announced: 17).description == "30")
        let jitter = (0..<900).map { number -> Double in
            let late = Double(number * 7919 % 13 - 6) / 1000
            return Double(number) / 30 + late
        }
        #expect((25...33).contains(Cadence(intervals: intervals(jitter), announced: 30).rate))
        let fast = (0..<500).map { Double($0) / 240 }
        #expect(Cadence(intervals: intervals(fast), announced: 90_000).description == "60")
        let odd = (0..<500).map { Double($0) / 17.3 }
        #expect(abs(Cadence(intervals: intervals(odd), announced: nil).rate - 17.3) < 0.05)
    }

    @Test("one picture has the cadence that the file announces, or 25")
    func onePicture() {
        #expect(Cadence(intervals: [:], announced: 30).description == "30")
        #expect(Cadence(intervals: [:], announced: nil).description == "25")
    }
}
