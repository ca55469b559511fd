import ArgumentParser
import System

struct ClassCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "class",
        abstract: "Manage the categories that editors choose from.",
        subcommands: [Add.self, List.self, Remove.self])

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Add a category and print its number.")

        @Argument(help: "The category's name.") var name: String
        @Option(help: "The game it belongs to.") var game = ""
        @OptionGroup var options: SettingOptions

        func run() throws {
            guard !name.isEmpty else { throw ValidationError("the category's name must not be empty") }
            let catalogue = try options.settings().openCatalogueForMaintenance()
            print(try orExit { try catalogue.addClass(name: name, game: game) })
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the categories: number, name, game.")

        @OptionGroup var options: SettingOptions

        func run() throws {
            let catalogue = try options.settings().openCatalogueForMaintenance()
            for known in try orExit({ try catalogue.classes() }) {
                print("\(known.id)\t\(known.name.printable())\t\(known.gameName.printable())")
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a category. Its videos stay, without one.")

        @Argument(help: "The category's number.") var id: Int64
        @OptionGroup var options: SettingOptions

        func run() throws {
            let catalogue = try options.settings().openCatalogueForMaintenance()
            guard try orExit({ try catalogue.removeClass(id) }) else {
                throw ending(1, "there is no category \(id); `video-intake class list` shows them")
            }
        }
    }
}
