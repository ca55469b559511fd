import Foundation
import Glibc
import Testing
import TestSupport

extension EndToEnd {
    /// What serve and worker try at their start, and what they say where the kernel, a unit or a mount forbids it.
    @Suite final class SelfTests {
        private let directory: URL
        private var data: String { directory.path + "/data" }

        init() throws {
            directory = try makeTemporaryDirectory()
            try NginxSite.makeCatalogue(in: data)
        }

        deinit { try? FileManager.default.removeItem(at: directory) }

        /// Starts a command; if it does not end by itself, it is ended.
        private func start(
            _ command: String, _ environment: [String: String] = [:], before: [String] = []
        ) throws -> (end: ChildProcess.End?, errors: String) {
            let errors = "\(directory.path)/errors.\(UUID().uuidString)"
            let notify = try NotifySocket()
            let words =
                before + [NginxSite.binary, command, "--data-directory", data]
                + (command == "serve" ? ["--socket", directory.path + "/socket"] : [])
            let child = try ChildProcess(
                words[0].contains("/") ? words[0] : "/usr/bin/env", words[0].contains("/") ? Array(words[1...]) : words,
                environment: ChildProcess.plainEnvironment.merging(["NOTIFY_SOCKET": notify.address]) { $1 }
                    .merging(environment) { $1 },
                directory: directory.path, output: errors, errors: errors)
            let isOver = eventually(within: 60) { child.poll() != nil || notify.count("READY=1") > 0 }
            #expect(isOver, "\(textOfFile(errors))")
            let end = child.poll()
            if end == nil { #expect(child.stop() == .exit(0)) }
            return (end, textOfFile(errors))
        }

        private func expectNothingLeft() throws {
            for name in ["incoming", "body", "upload", "transcoding"] where access("\(data)/\(name)", F_OK) == 0 {
                #expect(try FileManager.default.contentsOfDirectory(atPath: "\(data)/\(name)") == [])
            }
        }

        /// A call that systemd refuses with this error, by its number on this processor, and what is said of it.
        private static let refused: [(call: Int, error: Int32, commands: [String], words: [String])] = {
            #if arch(x86_64)
                [
                    (437, ENOSYS, ["serve", "worker"], ["openat2", "RestrictSUIDSGID=yes"]),
                    (265, EPERM, ["serve", "worker"], ["linkat", "SystemCallFilter="]),
                    (75, ENOSYS, ["serve", "worker"], ["fdatasync", "SystemCallFilter="]),
                    (73, ENOSYS, ["serve", "worker"], ["flock", "SystemCallFilter="]),
                    (302, EPERM, ["serve", "worker"], ["prlimit", "SystemCallFilter="]),
                    (316, ENOSYS, ["worker"], ["rename", "SystemCallFilter="]),
                ]
            #else
                []
            #endif
        }()

        @Test(arguments: refused)
        func aForbiddenCallIsNamedWithTheLikelySetting(
            call: Int, error: Int32, commands: [String], words: [String]
        ) throws {
            for command in commands {
                let result = try start(command, FaultLibrary.denying([call: error]))
                #expect(result.end == .exit(64), "\(command): \(result)")
                let lines = result.errors.split(separator: "\n").filter { $0.contains("self-test: ") }
                #expect(lines.count == 1, "\(result.errors)")
                for word in words + [error == EPERM ? "EPERM" : "ENOSYS"] {
                    #expect(lines.first?.contains(word) == true, "\(command): \(word) in \(result.errors)")
                }
            }
            // What the test could not remove, the next one does.
            for command in commands { #expect(try start(command).end == nil) }
            try expectNothingLeft()
        }

        @Test(arguments: ["serve", "worker"])
        func nothingIsLeftOfOneThatSucceeds(command: String) throws {
            let result = try start(command)
            #expect(result.end == nil, "\(result.errors)")
            try expectNothingLeft()
        }

        /// A disk that fails may be well after a restart.
        @Test(arguments: [ChangeKind.fdatasync, .pwrite, .fsync, .link, .unlink])
        func aDiskThatFailsIsNoFaultOfASetting(kind: ChangeKind) throws {
            let faults = try FaultLibrary()
            for command in ["serve", "worker"] {
                faults.arm(.fail(EIO), kind, due: 1, sticky: true)
                defer { faults.disarm() }
                let result = try start(command, faults.environment(for: URL(fileURLWithPath: data)))
                #expect(result.end == .exit(1), "\(result)")
                #expect(result.errors.contains(": Input/output error"), "\(result.errors)")
                #expect(!result.errors.contains("of the unit"))
            }
        }

        @Test(arguments: ["serve", "worker"])
        func aFullDiskIsServed(command: String) throws {
            let faults = try FaultLibrary()
            faults.arm(.fail(ENOSPC), .link, due: 1, sticky: true)
            defer { faults.disarm() }
            let result = try start(command, faults.environment(for: URL(fileURLWithPath: data)))
            #expect(result.end == nil && result.errors.contains("the disk is full"), "\(result)")
        }

        @Test(.enabled(if: geteuid() == 0, "only root can mount"), arguments: ["serve", "worker"])
        func aReadOnlyDirectoryIsNamed(command: String) throws {
            let result = try start(
                command,
                before: [
                    "unshare", "--mount", "sh", "-c", "mount --bind -o ro \"$0\" \"$0\" && exec \"$@\"", data,
                ])
            #expect(result.end == .exit(64), "\(result)")
            #expect(result.errors.contains("(EROFS): name the directory in ReadWritePaths="), "\(result.errors)")
        }

        @Test(.enabled(if: geteuid() == 0, "only root can become others"), arguments: ["serve", "worker"])
        func anothersDirectoryIsNamed(command: String) throws {
            try #require(chmod(directory.path, 0o777) == 0 && chmod(data, 0o755) == 0)
            let result = try start(
                command, before: ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"])
            #expect(result.end == .exit(64), "\(result)")
            #expect(
                result.errors.contains("(EACCES)") && result.errors.contains("run it as www-data"), "\(result.errors)")
        }

        /// Videos are second names of the same bytes, which no other file system can have.
        @Test(.enabled(if: geteuid() == 0, "only root can mount"), arguments: ["serve", "worker"])
        func aMountBelowTheDataDirectoryIsRefused(command: String) throws {
            try FileManager.default.createDirectory(atPath: data + "/upload", withIntermediateDirectories: false)
            let result = try start(
                command,
                before: [
                    "unshare", "--mount", "sh", "-c", "mount -t tmpfs none \"$0\" && exec \"$@\"", data + "/upload",
                ])
            #expect(result.end == .exit(64) && result.errors.contains("(EXDEV)"), "\(result)")
        }

        @Test(arguments: ["serve", "worker"], ["incoming", "upload", "upload/mp4", "trash"])
        func aLinkInPlaceOfADirectoryIsRefusedWithWhatToDo(command: String, name: String) throws {
            let (files, other) = (FileManager.default, directory.path + "/other")
            try files.createDirectory(atPath: other, withIntermediateDirectories: false)
            if name.contains("/") {
                try files.createDirectory(atPath: data + "/upload", withIntermediateDirectories: true)
            }
            try? files.removeItem(atPath: "\(data)/\(name)")
            try files.createSymbolicLink(atPath: "\(data)/\(name)", withDestinationPath: other)
            let result = try start(command)
            #expect(result.end == .exit(64), "\(result)")
            let sentence = "\(data)/\(name) is a symbolic link, and no file is reached through one. "
            #expect(result.errors.contains(sentence) && result.errors.contains("mount --bind"), "\(result.errors)")
            #expect(try files.contentsOfDirectory(atPath: other) == [])
        }

        /// The data directory itself may be one.
        @Test(arguments: ["serve", "worker"]) func aLinkToTheDataDirectoryWorks(command: String) throws {
            try FileManager.default.moveItem(atPath: data, toPath: data + ".other")
            try FileManager.default.createSymbolicLink(atPath: data, withDestinationPath: data + ".other")
            let result = try start(command)
            #expect(result.end == nil, "\(result)")
        }

        @Test func withoutFfprobeServeOnlyWarnsAndAWorkerRefuses() throws {
            let bin = directory.path + "/bin"
            try FileManager.default.createDirectory(atPath: bin, withIntermediateDirectories: false)
            let serve = try start("serve", ["PATH": bin])
            #expect(serve.end == nil && serve.errors.contains("warning: ffprobe is not in PATH"), "\(serve)")
            let worker = try start("worker", ["PATH": bin])
            #expect(worker.end == .exit(69) && worker.errors.contains("ffmpeg is not in PATH"), "\(worker)")
            // One that cannot be run.
            for name in ["ffprobe", "ffmpeg"] {
                try Data("#!/bin/sh\necho 'libx264.so.164: cannot open shared object file' >&2\nexit 127\n".utf8)
                    .write(to: URL(fileURLWithPath: "\(bin)/\(name)"))
                try #require(chmod("\(bin)/\(name)", 0o755) == 0)
            }
            let broken = try start("serve", ["PATH": bin])
            #expect(broken.end == nil && broken.errors.contains("warning: ffprobe does not work: "), "\(broken)")
            let refused = try start("worker", ["PATH": bin])
            #expect(refused.end == .exit(1) && refused.errors.contains("libx264.so.164"), "\(refused)")
        }

        @Test(.enabled(if: geteuid() == 0, "only root can mount"), arguments: InProcessSite.BodyMode.allCases)
        func bodiesOnAnotherFileSystemWorkAndAreSaid(mode: InProcessSite.BodyMode) throws {
            let other = directory.appendingPathComponent("site")
            let body = other.path + "/body"
            try FileManager.default.createDirectory(atPath: body, withIntermediateDirectories: true)
            try #require(
                try ChildProcess.run("mount", ["-t", "tmpfs", "-o", "size=64m", "none", body]).end == .exit(0))
            defer { _ = try? ChildProcess.run("umount", ["--lazy", body]) }
            let site = try NginxSite(mode, directory: other)
            defer { site.stop() }
            #expect(
                site.responderLog.contains(
                    "warning: bodies and data are on two file systems: bodies under way need room"))
            var upload = PageUpload(content: SampleFile(size: 5 * 65_536 - 7).bytes)
            upload.chunkSize = 65_536
            let path = try #require(try upload.send(to: site).completing?.path)
            let isIdentical = try site.storedBytes(path) == upload.content
            #expect(isIdentical)
            #expect(site.leftovers() == [])
        }
    }
}
