import Foundation
import Glibc
import Synchronization
import Testing
import TestSupport

extension EndToEnd {
    /// What serve and worker have to do with systemd: readiness, life signs, reload, the journal.
    @Suite struct Supervision {
        private static func newUpload(chunks: Int = 6) -> PageUpload {
            var upload = PageUpload(content: SampleFile(size: chunks * 65_536 - 7).bytes)
            upload.chunkSize = 65_536
            upload.owner = EndToEnd.newOwner()
            return upload
        }

        /// A settings file, and how to change it.
        private final class SettingsFile: Sendable {
            let path: String
            private let directory: URL

            init(_ lines: String...) throws {
                directory = try makeTemporaryDirectory()
                path = directory.path + "/settings"
                try write(lines)
            }

            deinit { try? FileManager.default.removeItem(at: directory) }

            func write(_ lines: [String]) throws {
                try Data(lines.map { "VIDEO_INTAKE_\($0)\n" }.joined().utf8).write(to: URL(fileURLWithPath: path))
            }
        }

        @Test(arguments: [false, true])
        func itIsReadyWhenRequestsSucceedAndSaysWhenItStops(isAbstract: Bool) throws {
            let notify = try NotifySocket(isAbstract: isAbstract)
            let site = try NginxSite(.handOff, environment: ["NOTIFY_SOCKET": notify.address])
            for round in 1...10 {
                #expect(notify.waits(for: "READY=1", count: round))
                let connection = try FastCGIClient(site.socketPath, timeLimit: 10)
                connection.send(FCGI.request(Self.newUpload(chunks: 1).determineRequest()))
                #expect(connection.reply().received?.code == 2)
                #expect(site.responder.stop() == .exit(0))
                #expect(notify.count("STOPPING=1") == round)
                try site.startResponder()
            }
            #expect(notify.all.allSatisfy { $0.contains("\nSTATUS=") })
        }

        @Test func aWorkerSaysTheSame() throws {
            let notify = try NotifySocket()
            let site = try NginxSite(.handOff)
            defer { site.stop() }
            let directory = site.dataDirectory.path
            let worker = try ChildProcess(
                NginxSite.binary, ["worker", "--data-directory", directory, "--reserve", "0"],
                environment: ChildProcess.plainEnvironment.merging(
                    ["NOTIFY_SOCKET": notify.address, "WATCHDOG_USEC": "10000000"]) { $1 },
                directory: directory, output: "\(directory)/log/worker.out", errors: "\(directory)/log/worker.log")
            #expect(notify.waits(for: "READY=1"))
            #expect(notify.waits(for: "WATCHDOG=1", count: 2))
            #expect(worker.stop() == .exit(0))
            #expect(notify.count("STOPPING=1") == 1)
        }

        /// A process says every half of the unit's time that it lives.
        @Test(arguments: ["video-intake.service", "video-intake-worker.service"])
        func theWatchdogWaitsLongerThanNginx(unit: String) throws {
            let nginx = Repository.directory.path + "/nginx"
            let limit = try #require(
                textOfFile("\(nginx)/snippets/video-intake/upload.conf").firstMatch(of: /fastcgi_read_timeout (\d+)s;/))
            let watchdog = try #require(textOfFile("\(nginx)/systemd/\(unit)").firstMatch(of: /\nWatchdogSec=(\d+)\n/))
            #expect(Int(watchdog.1)! / 2 > Int(limit.1)!)
        }

        @Test func itLivesWhileAThreadIsFreeOrComesFurther() throws {
            let notify = try NotifySocket()
            let site = try NginxSite(
                .stream, flags: ["--threads", "2"],
                environment: ["NOTIFY_SOCKET": notify.address, "WATCHDOG_USEC": "2000000"])
            #expect(notify.waits(for: "WATCHDOG=1", count: 3))

            // Peers that take their time are no fault of this process.
            let slow = try (0..<2).map { _ in
                let connection = try FastCGIClient(site.socketPath, timeLimit: 60)
                let bytes = FCGI.request(Self.newUpload().request(0))
                connection.send(Array(bytes.prefix(bytes.count / 2)))
                return connection
            }
            let before = notify.count("WATCHDOG=1")
            #expect(notify.waits(for: "WATCHDOG=1", count: before + 4))
            _ = slow
            site.responder.stop(within: 12)

            try site.startResponder()
            try site.waitUntilReady()
            // All threads wait for the catalogue, whose lock somebody keeps; after 10 s they give up.
            try site.catalogueFile.whileLocked { _ in
                try onThreads(3) { index in
                    guard index == 2 else {
                        _ = try? site.send(Self.newUpload().request(0))
                        return
                    }
                    usleep(3_500_000)
                    let before = notify.count("WATCHDOG=1")
                    usleep(3_000_000)
                    #expect(notify.count("WATCHDOG=1") == before)
                }
            }
            let after = notify.count("WATCHDOG=1")
            #expect(notify.waits(for: "WATCHDOG=1", count: after + 2))
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func SIGHUPChangesLimitsAndNoRequestFails(mode: InProcessSite.BodyMode) throws {
            let notify = try NotifySocket()
            let settings = try SettingsFile("SIZE_LIMIT=1G", "LOG_LEVEL=notice")
            let site = try NginxSite(
                mode, flags: ["--config", settings.path], environment: ["NOTIFY_SOCKET": notify.address])
            let isOver = Atomic(false)
            let failed = try onThreads(4) { index -> [Int] in
                if index == 0 {
                    defer { isOver.store(true, ordering: .relaxed) }
                    for round in 1...40 {
                        try settings.write(["SIZE_LIMIT=\(round)G", "LOG_LEVEL=\(round % 2 == 0 ? "notice" : "info")"])
                        site.responder.signal(SIGHUP)
                        if round % 4 == 0 { usleep(50_000) }
                    }
                    return []
                }
                var failed: [Int] = []
                while !isOver.load(ordering: .relaxed) {
                    let replies = try Self.newUpload(chunks: 8).send(to: site).map(\.reply)
                    failed += replies.filter { $0.status != 200 || ($0.code ?? -1) < 1 }.map(\.status)
                }
                return failed
            }
            #expect(failed.flatMap(\.self) == [])
            #expect(site.responder.poll() == nil)
            #expect(notify.waits(for: "READY=1", count: 2) && notify.count("RELOADING=1") > 0)

            // The limits are the new ones.
            let words = notify.count("RELOADING=1")
            try settings.write(["SIZE_LIMIT=1M", "THREADS=99", "LOG_LEVEL=debug", "EXTENSIONS=flv"])
            site.responder.signal(SIGHUP)
            #expect(notify.waits(for: "RELOADING=1", count: words + 1))
            #expect(
                eventually { site.responderLog.contains("changed=SIZE_LIMIT,EXTENSIONS,LOG_LEVEL") },
                "\(site.responderLog.suffix(900))")
            #expect(site.responderLog.contains("a setting has changed that needs a restart setting=THREADS"))
            #expect(try site.send(Self.newUpload().request(0)).code == -3)
            _ = try site.send(Self.newUpload().determineRequest())
            #expect(eventually { site.responderLog.contains(" debug: ") })

            // A mistake changes nothing.
            try settings.write(["SIZE_LIMIT=1M", "EXTENSIONS=mp4", "HOLD_TIME=long"])
            site.responder.signal(SIGHUP)
            #expect(eventually { site.responderLog.contains("the settings stay as they were") })
            #expect(site.responderLog.contains("line 3: VIDEO_INTAKE_HOLD_TIME: \\\"long\\\" is not allowed"))
            let refused = try site.send(Self.newUpload().request(0))
            #expect(refused.code == -3, "\(refused)")
            try settings.write(["EXTENSIONS=mp4"])
            site.responder.signal(SIGHUP)
            #expect(eventually { (try? Self.newUpload(chunks: 1).send(to: site).completing?.code) == 1 })
            #expect(site.responder.stop() == .exit(0))
        }

        @Test func SIGHUPNeverKills() throws {
            let notify = try NotifySocket()
            let site = try NginxSite(.stream, environment: ["NOTIFY_SOCKET": notify.address])
            for round in 1...5 {
                // From the first moment at which it reads its settings; while it stops, too.
                let isOver = Atomic(false)
                let child = site.responder
                _ = try onThreads(2) { index in
                    guard index == 0 else {
                        while !isOver.load(ordering: .relaxed) {
                            child.signal(SIGHUP)
                            usleep(500)
                        }
                        return
                    }
                    usleep(100_000)
                    child.signal(SIGTERM)
                    #expect(child.wait(within: 15) == .exit(0))
                    isOver.store(true, ordering: .relaxed)
                }
                try site.startResponder()
                // Until then it is another program's process, which starts this one.
                try #require(eventually { Self.blocksHangUps(site.responder.id) })
                for _ in 0..<200 {
                    site.responder.signal(SIGHUP)
                    usleep(500)
                }
                #expect(notify.waits(for: "READY=1", count: round + 1))
                try site.waitUntilReady()
            }
        }

        private static func blocksHangUps(_ process: pid_t) -> Bool {
            let line = textOfFile("/proc/\(process)/status").split(separator: "\n").first { $0.hasPrefix("SigBlk:") }
            return line.flatMap { UInt64($0.dropFirst(7).trimmingCharacters(in: .whitespaces), radix: 16) } ?? 0 & 1
                != 0
        }

        @Test func aWorkerTellsAnotherReceiverAfterSIGHUP() throws {
            let (first, second) = (try Receiver(), try Receiver())
            let secret = "WEBHOOK_SECRET=0123456789abcdef"
            let settings = try SettingsFile("WEBHOOK_URL=\(first.url)", secret, "WEBHOOK_PRIVATE=yes")
            let site = try TranscodingSite(["--config", settings.path])
            let worker = try site.site.startWorker(["--config", settings.path])
            let one = try site.upload(Self.newUpload())
            #expect(eventually { first.names.contains("upload.completed \(one)") })
            try settings.write(["WEBHOOK_URL=\(second.url)", secret, "WEBHOOK_PRIVATE=yes"])
            worker.signal(SIGHUP)
            #expect(eventually { site.site.workerLog.contains("settings read again changed=WEBHOOK_URL") })
            let two = try site.upload(Self.newUpload())
            #expect(eventually { second.names.contains("upload.completed \(two)") })
            #expect(!first.names.contains("upload.completed \(two)"))

            // To nobody, and then to somebody again, for both processes.
            try settings.write([])
            for process in [worker, site.site.responder] { process.signal(SIGHUP) }
            #expect(
                eventually { site.site.responderLog.contains("changed=WEBHOOK_URL,WEBHOOK_SECRET,WEBHOOK_PRIVATE") })
            let three = try site.upload(Self.newUpload())
            try settings.write(["WEBHOOK_URL=\(first.url)", secret, "WEBHOOK_PRIVATE=yes"])
            for process in [worker, site.site.responder] { process.signal(SIGHUP) }
            #expect(
                eventually {
                    site.site.responderLog.components(separatedBy: "changed=WEBHOOK_URL,").count == 3
                        && site.site.workerLog.components(separatedBy: "changed=WEBHOOK_URL").count == 4
                })
            let four = try site.upload(Self.newUpload())
            #expect(eventually { first.names.contains("upload.completed \(four)") })
            #expect(!(first.names + second.names).contains("upload.completed \(three)"))
            #expect(worker.stop() == .exit(0))
        }

        /// Standard error as systemd connects it: the stream's device and inode are in the environment.
        @Test func theJournalGetsPrioritiesAndNoTime() throws {
            let directory = try makeTemporaryDirectory()
            let log = directory.path + "/log/responder.log"
            try FileManager.default.createDirectory(
                atPath: directory.path + "/log", withIntermediateDirectories: true)
            try Data().write(to: URL(fileURLWithPath: log))
            var status = stat()
            try #require(stat(log, &status) == 0)
            let site = try NginxSite(
                .handOff, flags: ["--log-level", "debug"], directory: directory,
                environment: ["JOURNAL_STREAM": "\(status.st_dev):\(status.st_ino)"])
            #expect(try Self.newUpload().send(to: site).completing?.code == 1)
            // A name that would begin another line, with a priority of its own.
            try site.catalogueFile.run(
                "UPDATE video_info SET path = 'upload/lost' || char(10) || '<0>forged', probed = 0")
            try site.restartResponder()
            #expect(eventually { site.responderLog.contains("a file is lost") })
            let lines = site.responderLog.split(separator: "\n")
            for line in lines { #expect(line.wholeMatch(of: /<[3-7]>[^0-9<].*/) != nil, "\(line)") }
            for expected in ["<5>serving ", "<5>stopped", "<7>", "<3>a file is lost "] {
                #expect(lines.contains { $0.hasPrefix(expected) }, "\(expected)")
            }
            #expect(lines.contains { $0.contains("lost\\n<0>forged") })
            // Somebody else's journal is none.
            site.stop()
            let other = try NginxSite(.handOff, environment: ["JOURNAL_STREAM": "1:1"])
            let first = try #require(other.responderLog.split(separator: "\n").first)
            #expect(first.prefixMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} notice:.*/) != nil, "\(first)")
        }

        /// What a supervisor may make of it: a pipe that refuses what it has no room for.
        @Test func aLineWaitsForTheReaderOfAFullPipe() throws {
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            let pipe = directory.path + "/pipe"
            try #require(mkfifo(pipe, 0o600) == 0)
            let reader = open(pipe, O_RDWR | O_NONBLOCK)
            defer { close(reader) }
            var filler = [UInt8](repeating: UInt8(ascii: "."), count: 4096)
            while write(reader, filler, filler.count) > 0 {}
            let child = try ChildProcess(
                "python3",
                [
                    "-c", "import os, sys; os.set_blocking(2, False); os.execv(sys.argv[1], sys.argv[1:])",
                    NginxSite.binary, "serve", "--threads", "0",
                ], environment: ChildProcess.plainEnvironment, directory: directory.path,
                output: directory.path + "/output", errors: pipe)
            // It gives up after a second.
            usleep(700_000)
            var text = ""
            _ = eventually {
                let count = read(reader, &filler, filler.count)
                text += String(decoding: filler.prefix(max(0, count)), as: UTF8.self)
                return count < 0 && child.poll() != nil
            }
            #expect(child.wait(within: 20) == .exit(64))
            let line = ".video-intake: --threads: \"0\" is not allowed: it must be a whole number from 1 to 1024\n"
            #expect(text.hasSuffix(line), "\(text.suffix(200))")
        }

        @Test func theJournalGetsTheReasonOfAStartThatFails() throws {
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            let log = directory.path + "/errors"
            try Data().write(to: URL(fileURLWithPath: log))
            var status = stat()
            try #require(stat(log, &status) == 0)
            let child = try ChildProcess(
                NginxSite.binary, ["serve", "--data-directory", directory.path, "--threads", "0"],
                environment: ChildProcess.plainEnvironment.merging(
                    ["JOURNAL_STREAM": "\(status.st_dev):\(status.st_ino)"]) { $1 },
                directory: directory.path, output: log, errors: log)
            #expect(child.wait(within: 20) == .exit(64))
            #expect(textOfFile(log) == "<3>--threads: \"0\" is not allowed: it must be a whole number from 1 to 1024\n")
        }
    }
}
