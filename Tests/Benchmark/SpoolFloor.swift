import ChunkStore
import ArgumentParser
import FastCGI
import Foundation
import Glibc
import TestSupport

/// The floor: nginx hands bodies off as for video-intake, to a responder that does nothing with them.
struct SpoolFloor: Contestant {
    let name = "spool floor"
    let promise = "nothing is stored"

    func start(in directory: String) throws -> RunningContestant {
        let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path
        let responder = try startBackend(program, ["idle-responder", directory + "/video-intake.sock"], in: directory)
        try waitForBackend(responder, "intake-benchmark", in: directory) {
            access(directory + "/video-intake.sock", F_OK) == 0
        }
        let nginx = try OtherNginx(beforeResponderIn: directory)
        return RunningContestant(port: nginx.port, nginx: [nginx.process], backends: [responder])
    }

    func upload(_ client: Client) throws {
        try PageForm.upload(client)
    }
}

extension OtherNginx {
    /// With the shipped configuration, for a responder that listens on `video-intake.sock` in `directory`.
    init(beforeResponderIn directory: String) throws {
        let site = """
            set $video_intake_socket unix:video-intake.sock;
            set $video_intake_data .;
            set $video_intake_owner "";
            client_body_temp_path body;

            """
        try self.init(in: directory, server: site + "include snippets/video-intake/upload.conf;")
    }
}

/// The responder of the floor.
struct IdleResponder: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "idle-responder", shouldDisplay: false)

    @Argument var socket: String

    func run() throws {
        let server = try FastCGIServer(socket: try ListeningSocket.bind(path: socket), threads: 16) { request in
            _ = request.reply(
                status: 200, headers: [("Content-Type", "application/json; charset=utf-8")],
                body: Array(#"{"code":1,"msg":"ok","data":null}"#.utf8))
        }
        try server.start()
        while true { sleep(1000) }
    }
}
