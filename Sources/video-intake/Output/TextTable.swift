import System

/// Rows of text in columns, for people in front of a terminal.
struct TextTable {
    private var rows: [[String]]
    private let rightAligned: Set<Int>

    /// - Parameters:
    ///   - header: the names of the columns.
    ///   - rightAligned: the columns of numbers.
    init(_ header: [String], rightAligned: Set<Int> = []) {
        rows = [header]
        self.rightAligned = rightAligned
    }

    mutating func add(_ row: [String]) {
        rows.append(row.map { $0.printable() })
    }

    /// One line for each row, the header first.
    var lines: [String] {
        var widths = Array(repeating: 0, count: rows[0].count)
        for row in rows {
            for (column, cell) in row.enumerated() { widths[column] = max(widths[column], Self.width(cell)) }
        }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - Self.width(cell))
                let isLast = column == row.count - 1
                line += rightAligned.contains(column) ? padding + cell : cell + (isLast ? "" : padding)
                if !isLast { line += "  " }
            }
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }

    /// How many columns of a terminal the text takes: Chinese characters and the like take two.
    static func width(_ text: String) -> Int {
        // A character of several parts is as wide as its first one, the others join it.
        text.reduce(0) { width, character in width + (isWide(character.unicodeScalars.first!) ? 2 : 1) }
    }

    /// https://www.unicode.org/reports/tr11/
    private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF,
            0xFE10...0xFE19, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF,
            0x1F900...0x1FAFF, 0x20000...0x3FFFD:
            true
        default: false
        }
    }
}
