import ArgumentParser
import Model
import Catalogue
import SQLiteCatalogue
import Foundation
import Glibc

struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Make the data directory and its empty catalogue; once for a site.",
        discussion: """
            No other command makes a catalogue: while a disk is not mounted, a new one would give out video numbers anew. \
            One that is there is left alone. Run it as the user of `serve`; root gives what it makes to the owner of the \
            data directory.
            """)

    @OptionGroup var options: SettingOptions

    func run() throws {
        let settings = try options.settings()
        guard !Self.waitsForDisk(settings.dataDirectory) else {
            complain("/etc/fstab has a disk for \(settings.dataDirectory), and it is not mounted: mount it first")
            throw ExitCode(64)

        }
        try orExit { try Settings.makeDirectory(settings.dataDirectory, mode: 0o750) }
        try Self.becomeOwner(of: settings.dataDirectory)
        if access(settings.cataloguePath, F_OK) == 0 {
            print("\(settings.cataloguePath) is there already and stays as it is")
            return
        }
        try orExit { _ = try Catalogue(sqlite: settings.cataloguePath, creates: true) }
        print("\(settings.cataloguePath): an empty catalogue was made")
    }

    /// Whether the directory is a mount point without its disk: the catalogue is on that.
    private static func waitsForDisk(_ directory: String) -> Bool {
        guard let table = try? String(contentsOfFile: "/etc/fstab", encoding: .utf8) else { return false }
        let isMountPoint = table.split(separator: "\n").contains { line in
            let fields = line.split(whereSeparator: \.isWhitespace)
            return fields.count > 1 && !fields[0].hasPrefix("#") && fields[1] == directory
        }
        guard isMountPoint else { return false }
        var (own, above) = (stat(), stat())
        guard stat(directory, &own) == 0, stat(directory + "/..", &above) == 0 else { return true }
        return own.st_dev == above.st_dev
    }

    /// What root makes, the service, which is not root, could not write.
    private static func becomeOwner(of directory: String) throws {
        var status = stat()
        guard geteuid() == 0, stat(directory, &status) == 0, status.st_uid != 0 else { return }
        guard setegid(status.st_gid) == 0, seteuid(status.st_uid) == 0 else {
            throw ending(1, "\(directory) is another user's: \(String(cString: strerror(errno)))")
        }
    }
}
