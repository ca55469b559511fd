import Foundation
import Glibc
import Testing
import TestSupport

extension EndToEnd {
    /// Where a catalogue comes from, and what happens where there is none.
    @Suite final class Initialisation {
        private let directory: URL
        private var data: String { directory.path + "/data" }

        init() throws { directory = try makeTemporaryDirectory() }

        deinit { try? FileManager.default.removeItem(at: directory) }

        private func run(
            _ arguments: String..., environment: [String: String] = [:]
        ) throws -> (end: ChildProcess.End?, output: String, errors: String) {
            try ChildProcess.run(
                NginxSite.binary, arguments + ["--data-directory", data],
                environment: ChildProcess.plainEnvironment.merging(environment) { $1 })
        }

        private func start(_ command: String, _ environment: [String: String]) throws -> ChildProcess {
            try ChildProcess(
                NginxSite.binary,
                [command, "--data-directory", data]
                    + (command == "serve" ? ["--socket", directory.path + "/socket", "--reserve", "0"] : []),
                environment: ChildProcess.plainEnvironment.merging(environment) { $1 }, directory: directory.path,
                output: directory.path + "/output", errors: directory.path + "/errors")
        }

        @Test func itMakesACatalogueOnceAndLeavesItAlone() throws {
            let made = try run("init")
            #expect(made.end == .exit(0) && made.output == "\(data)/video-intake.db: an empty catalogue was made\n")
            #expect(try FileManager.default.contentsOfDirectory(atPath: data) == ["video-intake.db"])
            #expect(try run("class", "add", "kept").output == "1\n")
            let again = try run("init")
            #expect(again.end == .exit(0) && again.output.hasSuffix("is there already and stays as it is\n"))
            #expect(try run("class", "list").output == "1\tkept\t\n")
        }

        @Test(.enabled(if: geteuid() == 0, "only root has others' files"))
        func rootMakesItForTheOwnerOfTheDirectory() throws {
            try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: false)
            try #require(chown(data, 33, 33) == 0 && chmod(directory.path, 0o755) == 0)
            #expect(try run("init").end == .exit(0))
            var status = stat()
            #expect(stat(data + "/video-intake.db", &status) == 0 && status.st_uid == 33 && status.st_gid == 33)
        }

        @Test(.enabled(if: geteuid() == 0, "only root becomes somebody else"))
        func whoMayNotLookIntoTheDirectoryIsTold() throws {
            try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: false)
            try #require(chmod(data, 0o700) == 0 && chmod(directory.path, 0o755) == 0)
            let result = try ChildProcess.run(
                "setpriv",
                [
                    "--reuid", "65534", "--regid", "65534", "--clear-groups", NginxSite.binary, "init",
                    "--data-directory", data,
                ])
            #expect(result.end == .exit(1))
            #expect(result.errors == "video-intake: cannot write to the directory \(data): Permission denied\n")
        }

        /// At some of its calls; with time at each.
        @Test(arguments: [FaultLibrary.Action.killBefore, .killAfter, .fail(EIO), .fail(ENOSPC)])
        func whereItEndsTooEarlyTheNextOneMakesAWholeOne(action: FaultLibrary.Action) throws {
            let faults = try FaultLibrary()
            let step = EndToEnd.Kills.soakMinutes == nil ? 40 : 1
            var (due, ends) = (Int.random(in: 1...step), [ChildProcess.End]())
            while true {
                try? FileManager.default.removeItem(atPath: data)
                // mkdir(2) of the directory itself does not count.
                try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: false)
                faults.arm(action, nil, due: due)
                let end = try run("init", environment: faults.environment(for: URL(fileURLWithPath: data))).end
                let wasHit = faults.hits > 0
                faults.disarm()
                if !wasHit { break }
                ends.append(try #require(end))
                // Whole, or not there at all.
                if access(data + "/video-intake.db", F_OK) == 0 { #expect(try run("class", "list").end == .exit(0)) }
                #expect(try run("init").end == .exit(0))
                #expect(try run("class", "add", "a").output == "1\n")
                due += .random(in: 1...step)
            }
            #expect(due > 40, "\(due) calls")
            print("\(action): \(ends.count) calls, \(Set(ends.map { "\($0)" }).sorted())")
        }

        @Test(arguments: [
            ["serve"], ["worker"], ["gc"], ["check"], ["class", "list"], ["video", "list"], ["job", "list"],
        ])
        func withoutACatalogueEveryCommandAsksForTheDisk(command: [String]) throws {
            for exists in [false, true] {
                if exists {
                    try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: false)
                }
                let result = try ChildProcess.run(NginxSite.binary, command + ["--data-directory", data])
                #expect(result.end == .exit(64))
                #expect(
                    result.errors
                        == "video-intake: no catalogue in \(data): is the disk mounted? Mount it, or "
                        + "restore a backup; `video-intake init` is only for a site that never had one\n")
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: data) == [])
        }

        @Test func underSystemdRequestsMayComeAgainUntilTheRestartFindsTheDisk() throws {
            let notify = try NotifySocket()
            let environment = ["INVOCATION_ID": "1", "NOTIFY_SOCKET": notify.address]
            let socket = directory.path + "/socket"
            func ask(_ target: String, _ method: String = "POST") throws -> ReceivedReply {
                let connection = try FastCGIClient(socket, timeLimit: 10)
                let body = Array("a=1".utf8)
                connection.send(FCGI.request(SentRequest(method: method, target, body: body)))
                return try #require(connection.reply().received)
            }
            let start = ContinuousClock.now
            let early = try self.start("serve", environment)
            try #require(eventually { access(socket, F_OK) == 0 })
            var answered = 0
            while early.poll() == nil {
                // None before it listens, and none after it has stopped.
                if let reply = try? ask("/service/upload/upload_file") {
                    #expect(reply.status == 409 && reply.code == -2)
                    answered += 1
                }
                usleep(200_000)
            }
            #expect(answered > 10)
            #expect(early.wait(within: 10) == .exit(75))
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            #expect(seconds > 4.9 && seconds < 10, "\(seconds)")
            #expect(notify.count("READY=1") == 0 && notify.all.contains { $0.contains("is the disk mounted?") })

            let checked = try self.start("serve", environment)
            try #require(eventually { access(socket, F_OK) == 0 })
            #expect(eventually(within: 4) { (try? ask("/healthz?ready", "GET").status) == 503 })
            #expect(checked.stop() == .exit(0))

            // The disk has come.
            #expect(try run("init").end == .exit(0))
            let late = try self.start("serve", environment)
            #expect(notify.waits(for: "READY=1"))
            #expect(try ask("/healthz?ready", "GET").status == 200)
            #expect(late.stop() == .exit(0))
        }

        @Test func underSystemdAWorkerWaitsForTheDiskToo() throws {
            let start = ContinuousClock.now
            #expect(try self.start("worker", ["INVOCATION_ID": "1"]).wait(within: 20) == .exit(75))
            #expect(ContinuousClock.now - start > .seconds(4.9))
            let stopped = try self.start("worker", ["INVOCATION_ID": "1"])
            #expect(eventually { textOfFile(directory.path + "/errors").split(separator: "\n").count == 2 })
            #expect(stopped.stop(within: 3) == .exit(0))
            // A desktop's shell has the variable too, but there the process that systemd has started is another one.
            let byHand = try self.start("worker", ["INVOCATION_ID": "1", "SYSTEMD_EXEC_PID": "1"])
            #expect(byHand.wait(within: 3) == .exit(64))
        }

        /// With a directory in place of /etc/default.
        @Test(.enabled(if: geteuid() == 0, "only root can mount"))
        func everyCommandReadsTheSettingsFileOfItsSite() throws {
            let etc = directory.appendingPathComponent("etc")
            try FileManager.default.createDirectory(at: etc, withIntermediateDirectories: false)
            func check(
                _ arguments: String..., user: String? = nil, config: String? = nil
            ) throws -> (end: ChildProcess.End?, output: String, errors: String) {
                var environment = ChildProcess.plainEnvironment
                environment["VIDEO_INTAKE_CONFIG"] = config
                let user = user.map { ["setpriv", "--reuid", $0, "--regid", $0, "--clear-groups"] } ?? []
                return try ChildProcess.run(
                    "unshare",
                    ["--mount", "sh", "-c", "mount --bind \"$0\" /etc/default && exec \"$@\"", etc.path] + user
                        + [NginxSite.binary] + NginxSite.configCheck + arguments, environment: environment)
            }
            func write(_ name: String, _ text: String) throws {
                try Data(text.utf8).write(to: etc.appendingPathComponent(name))
            }
            let none = try check()
            #expect(none.end == .exit(0), "\(none.errors)")
            #expect(none.output.contains("VIDEO_INTAKE_DATA_DIRECTORY=/var/lib/video-intake\n"))
            #expect(none.output.contains("# The settings file: none, /etc/default/video-intake does not exist\n"))

            try write("video-intake", "VIDEO_INTAKE_THREADS=11\n")
            try write("video-intake-shop_2", "VIDEO_INTAKE_THREADS=22\n")
            let first = try check()
            #expect(first.output.contains("VIDEO_INTAKE_THREADS=11\n"))
            #expect(first.output.contains("# The settings file: /etc/default/video-intake\n"))
            let second = try check("--site", "shop_2")
            for line in [
                "THREADS=22", "DATA_DIRECTORY=/var/lib/video-intake-shop_2",
                "BODY_DIRECTORY=/var/lib/video-intake-shop_2/body",
                "SOCKET=/run/video-intake-shop_2/video-intake.sock",
            ] { #expect(second.output.contains("VIDEO_INTAKE_\(line)\n"), "\(second.output)") }
            // Another file, and none.
            let other = directory.path + "/other"
            try Data("VIDEO_INTAKE_THREADS=33\n".utf8).write(to: URL(fileURLWithPath: other))
            #expect(try check("--config", other).output.contains("VIDEO_INTAKE_THREADS=33\n"))
            #expect(try check("--site", "shop_2", "--config", other).output.contains("=/var/lib/video-intake-shop_2\n"))
            let byEnvironment = try check(config: "/dev/null")
            #expect(byEnvironment.end == .exit(0) && !byEnvironment.output.contains("VIDEO_INTAKE_THREADS=11\n"))

            let missing = try check("--site", "shop_3")
            #expect(missing.end == .exit(64) && missing.errors.contains("/etc/default/video-intake-shop_3"))
            for wrong in ["shop 2", "../x", String(repeating: "x", count: 33)] {
                let result = try check("--site", wrong)
                #expect(result.end == .exit(64) && result.errors.contains("--site: \"\(wrong)\""), "\(result.errors)")
            }
            try #require(chmod(etc.path + "/video-intake", 0o640) == 0 && chmod(directory.path, 0o755) == 0)
            let unreadable = try check(user: "65534")
            #expect(unreadable.end == .exit(64) && unreadable.errors.contains("run this as root or as www-data"))
        }
    }
}
