import Foundation
import TestSupport

/// video-intake itself, with the shipped nginx configuration.
struct Intake: LookupContestant {
    let name: String
    let promise: String
    private let mode: NginxSite.BodyMode
    private let flags: [String]

    static let handOff = Intake(
        name: "video-intake", promise: "md5, synced at the end", mode: .handOff, flags: [])
    static let stream = Intake(
        name: "video-intake, FastCGI stdin", promise: "md5, synced at the end", mode: .stream, flags: [])
    static let power = Intake(
        name: "video-intake, durability power", promise: "md5, every chunk synced", mode: .handOff,
        flags: ["--durability", "power"])

    var storage: String? { "upload" }

    func start(in directory: String) throws -> RunningContestant {
        let site = try NginxSite(mode, flags: flags, directory: URL(fileURLWithPath: directory))
        return RunningContestant(port: site.port, nginx: [site.nginx], backends: [site.responder], site: site)
    }

    func upload(_ client: Client) throws {
        try PageForm.upload(client)
    }
}
