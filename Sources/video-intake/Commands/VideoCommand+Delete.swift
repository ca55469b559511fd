import Maintenance
import ArgumentParser
import Model
import Foundation
import Glibc
import Intake
import System

extension VideoCommand {
    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete videos: their records, and the files that no other record points to.",
            discussion: """
                A file goes with the last video that points to it, and with it what transcoding made of it and its \
                job. Asks first; if there is nobody to ask, --yes is needed. If one of the videos does not exist, \
                none is deleted.
                """)

        @Argument(help: "The videos' numbers.") var ids: [Int64]
        @Flag(help: "Delete without asking.") var yes = false
        @OptionGroup var options: SettingOptions

        func run() throws {
            let maintainer = try options.settings().makeMaintainer()
            let videos = try orExit { try find(maintainer) }
            guard try yes || confirm(videos) else {
                print("nothing was deleted")
                return
            }
            var (freed, isComplete) = (0, true)
            for video in videos {
                // Another process may have been faster.
                guard let deleted = try orExit({ try maintainer.deleteVideo(id: video.id) }) else { continue }
                freed += deleted.freed
                print(Self.line(deleted))
                for (path, cause) in deleted.left {
                    isComplete = false
                    complain("\(path.printable()) is still there: \(cause)")
                }
            }
            if videos.count > 1 { print("\(sizeText(freed)) freed in all") }
            if !isComplete { throw ExitCode(1) }
        }

        /// The videos, each once.
        private func find(_ maintainer: Maintainer) throws -> [Video] {
            var (videos, isComplete) = ([Video](), true)
            for id in ids where !videos.contains(where: { $0.id == id }) {
                if let video = try maintainer.catalogue.video(id: id) {
                    videos.append(video)
                } else {
                    isComplete = false
                    complain(VideoCommand.noSuchVideo(id))
                }
            }
            if !isComplete { throw ExitCode(1) }
            return videos
        }

        private func confirm(_ videos: [Video]) throws -> Bool {
            guard isatty(STDIN_FILENO) == 1 else {
                complain("nobody can be asked here whether to delete \(Self.count(videos)): add --yes to delete them")
                throw ExitCode(64)
            }
            var table = TextTable(["VIDEO", "NAME", "SIZE", "FILE"], rightAligned: [0, 2])
            for video in videos {
                table.add(["\(video.id)", video.name, sizeText(video.size), video.path])
            }
            table.lines.forEach { print($0) }
            print("Delete \(Self.count(videos))? [y/N] ", terminator: "")
            fflush(nil)
            return ["y", "yes"].contains(readLine()?.lowercased().trimmingCharacters(in: .whitespaces))
        }

        private static func count(_ videos: [Video]) -> String {
            videos.count == 1 ? "1 video" : "\(videos.count) videos"
        }

        private static func line(_ deleted: DeletedVideo) -> String {
            let what = "video \(deleted.video.id), \(deleted.video.name.printable()): deleted"
            if deleted.isFileShared { return what + "; other videos point to its file, which stays" }
            return what + (deleted.left.isEmpty ? " with its file" : "")
                + ", \(sizeText(deleted.freed)) freed"
        }
    }
}
