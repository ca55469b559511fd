import FileStore
import ChunkStore
import Foundation
import Intake
import Logging
import Worker

/// The values of all settings, checked. What each is for is in `Setting.table`.
struct Settings {
    /// Processors that this process may use.
    static var processors: Int { ProcessInfo.processInfo.activeProcessorCount }

    /// Which of several sites on the machine it is, `""` for the only one.
    let site: String
    /// The file that was read, `nil` if there is none.
    let file: String?
    var socket = ""
    var threads = max(8, 4 * Settings.processors)
    var dataDirectory = ""
    var reserve = FileChunkStore.Reserve.automatic
    var logLevel = Logger.Level.info
    var intake = IntakeSettings()
    var jobs = WorkerSettings.defaultJobs(processors: Settings.processors)
    var lease = Duration.seconds(60)
    /// `nil` for the built-in one.
    var profile: String?
    /// Empty if there is no receiver of events.
    var webhookSecret = ""
    var allowsPrivateWebhook = false

    /// One line about each setting that is wrong.
    private(set) var errors: [String] = []
    /// Each setting's name, its text, which is `nil` for a secret, and where it comes from.
    private(set) var effective: [(name: String, value: String?, origin: String)] = []

    /// Reads and checks all settings. One that is wrong keeps its default and is in `errors`.
    ///
    /// - Parameter sources: `nil` for the defaults.
    init(_ sources: SettingSources? = nil) {
        (site, file) = (sources?.site ?? "", sources?.path)
        for row in Setting.table {
            row.reset(&self)
            var origin = "default"
            if let found = sources?[row.name] {
                if row.set(&self, found.text) {
                    origin = found.label
                } else {
                    errors.append(
                        "\(found.label): \(row.shown(found.text)) is not allowed: it must be \(row.allowed)")
                    origin = "default, because \(found.label) is wrong"
                }
            }
            let text = row.text(self)
            effective.append((SettingSources.prefix + row.name, row.isSecret && !text.isEmpty ? nil : text, origin))
        }
        if intake.webhookURL != nil, sources?["WEBHOOK_SECRET"]?.text ?? "" == "" {
            errors.append(
                "\(SettingSources.prefix)WEBHOOK_SECRET must be set where WEBHOOK_URL is, in the environment or in the "
                    + "file that --config names: at least \(Setting.secretLength) bytes that the receiver knows too; "
                    + "`openssl rand -hex 32` makes some")
        }
    }

    /// What this site's names end in.
    var suffix: String { site.isEmpty ? "" : "-\(site)" }

    /// Where nginx puts request bodies.
    var bodyDirectory: String {
        get { intake.bodyDirectory ?? "" }
        set { intake.bodyDirectory = newValue }
    }

    /// The settings that differ, in their order.
    func rows(differingFrom other: Settings) -> [Setting] {
        Setting.table.filter { $0.text(self) != $0.text(other) }
    }
}
