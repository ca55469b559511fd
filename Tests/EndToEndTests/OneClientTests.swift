import Foundation
import Glibc
import Testing
import TestSupport

extension EndToEnd {
    /// One address does its worst to nginx while others upload.
    @Suite(.serialized) struct OneClient {
        /// What an attacker's connections have sent of a request.
        enum Attack: CaseIterable {
            case nothing, partOfTheHead, slowBodies, bodiesButForOneByte

            var connections: Int { self == .bodiesButForOneByte ? 700 : 2200 }

            func sent(_ body: [UInt8]) -> [UInt8] {
                let request = SentRequest("/service/upload/upload_file", contentType: "text/plain", body: body)
                switch self {
                case .nothing: return []
                case .partOfTheHead: return Array(request.httpHead(contentLength: body.count).dropLast(2))
                case .slowBodies: return request.httpHead(contentLength: body.count) + [1]
                case .bodiesButForOneByte: return request.http().dropLast()
                }
            }
        }

        init() {
            // Its own connections, and nginx's, which inherits the limit as it does from nginx/run.
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            limit.rlim_cur = limit.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }

        @Test("others upload as if it were not there", arguments: Attack.allCases)
        func others(attack: Attack) throws {
            let site = try NginxSite(.handOff)
            let bytes = attack.sent([UInt8](repeating: 120, count: attack == .bodiesButForOneByte ? 65_536 : 5 << 20))
            let attackers = try (0..<attack.connections).map { _ in
                let attacker = try HTTPConnection(port: site.port, from: "127.0.0.2")
                if !bytes.isEmpty { try attacker.send(bytes) }
                return attacker
            }
            if attack == .slowBodies || attack == .bodiesButForOneByte {
                #expect(eventually { site.nginxLog.contains(#"limiting connections by zone "video_intake_clients""#) })
            }
            var upload = PageUpload(content: SampleFile(size: 64 << 20).bytes)
            upload.chunkSize = 2 << 20
            upload.owner = EndToEnd.newOwner()
            let arrivals = try upload.send(to: site)
            #expect(arrivals.allSatisfy { $0.reply.status == 200 }, "\(arrivals.map(\.reply.status))")
            #expect(arrivals.completing?.code == 1)
            withExtendedLifetime(attackers) {}
        }

        @Test("addresses of one IPv6 network are counted together, and those of an IPv4 address in both of its forms")
        func networks() throws {
            let site = try NginxSite(.handOff) { files in
                try files.addToSite("set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;")
                for (zone, limit, other) in [("clients", 600, 1), ("networks", 1200, 2)] {
                    try files.replace(
                        "limit_conn video_intake_\(zone) \(limit);", with: "limit_conn video_intake_\(zone) \(other);",
                        in: NginxFiles.snippet("upload"))
                }
            }
            var request = SentRequest("/service/upload/upload_file", contentType: "text/plain", body: [1])
            var underWay: [HTTPConnection] = []
            for (address, isRefused) in [
                ("192.0.2.1", false), ("192.0.2.1", true), ("::ffff:192.0.2.1", true), ("::ffff:192.0.2.2", false),
                ("192.0.2.2", true), ("2001:db8:1:2::1", false), ("2001:db8:1:2:ffff::9", true),
                ("2001:db8:1:3::1", false), ("2001:db8:1:4::1", true), ("2001:db8:2:4::1", false),
            ] {
                request.headers = [("X-Forwarded-For", address)]
                if isRefused {
                    #expect(try site.send(request).headers["x-intake-reason"] == "unavailable", "\(address)")
                } else {
                    let connection = try site.connect()
                    let before = site.bodyFiles().count
                    // Under way until its last byte comes.
                    try connection.send(request.httpHead(contentLength: 400_000))
                    try connection.send([UInt8](repeating: 1, count: 300_000))
                    #expect(eventually { site.bodyFiles().count > before }, "\(address)")
                    underWay.append(connection)
                }
            }
        }

        @Test("questions take no place of a chunk, nor chunks one of a question")
        func questions() throws {
            let site = try NginxSite(.handOff) { files in
                try files.replace(
                    "limit_conn video_intake_clients 600;", with: "limit_conn video_intake_clients 1;",
                    in: NginxFiles.snippet("upload"))
            }
            let chunk = SentRequest("/service/upload/upload_file", contentType: "text/plain", body: [1])
            let underWay = try site.connect()
            try underWay.send(chunk.httpHead(contentLength: 2))
            #expect(eventually { (try? site.send(chunk).status) == 409 })
            var question = SentRequest("/service/upload/list_class", contentType: "text/plain", body: [])
            #expect(try site.send(question).code == 1)
            // What is no question's length never reaches the disk.
            question.body = [UInt8](repeating: 1, count: 262_145)
            let reply = try site.send(question)
            #expect(reply.status == 413 && reply.message == "请求体不能超过 262144 字节")
            withExtendedLifetime(underWay) {}
        }
    }
}
