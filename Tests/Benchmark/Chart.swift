/// Throughput as horizontal bars, an SVG image that needs nothing else and follows the reader's light or dark colours.
struct Chart {
    /// What one contestant reached: MB a second for each of the chart's loads, `nil` where it was not measured.
    struct Row {
        let name: String
        let figures: [Double?]
        /// Drawn in the colour of the project.
        let isOwn: Bool
    }

    let title: String
    /// What the bars of each row stand for, from above.
    let loads: [String]
    let rows: [Row]

    private static let width = 760.0
    private static let barsLeft = 250.0
    private static let barsWidth = 420.0
    private static let barHeight = 13.0
    private static let rowGap = 12.0
    private static let top = 64.0

    var svg: String {
        let longest = rows.flatMap(\.figures).compactMap { $0 }.max() ?? 1
        let rowHeight = Double(loads.count) * Self.barHeight + Self.rowGap
        let height = Self.top + Double(rows.count) * rowHeight + 8
        var lines = [
            #"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \#(Int(Self.width)) \#(Int(height))" "#
                + #"width="\#(Int(Self.width))" height="\#(Int(height))" role="img">"#,
            "<title>\(Self.escaped(title))</title>", "<style>\(Self.style)</style>",
            #"<text class="title" x="0" y="18">\#(Self.escaped(title))</text>"#,
        ]
        for (index, load) in loads.enumerated() {
            let left = Self.barsLeft + Double(index) * 90
            lines.append(#"<rect class="own load\#(index)" x="\#(left)" y="34" width="12" height="12"/>"#)
            lines.append(#"<text x="\#(left + 18)" y="44">\#(Self.escaped(load))</text>"#)
        }
        for (index, row) in rows.enumerated() {
            let y = Self.top + Double(index) * rowHeight
            let middle = y + Double(loads.count) * Self.barHeight / 2 + 4
            lines.append(
                #"<text class="name" x="\#(Self.barsLeft - 10)" y="\#(middle)">\#(Self.escaped(row.name))</text>"#)
            for (bar, figure) in row.figures.enumerated() {
                guard let figure else { continue }
                let (top, length) = (y + Double(bar) * Self.barHeight, figure / longest * Self.barsWidth)
                let kind = row.isOwn ? "own" : "other"
                lines.append(
                    #"<rect class="\#(kind) load\#(bar)" x="\#(Self.barsLeft)" y="\#(top)" "#
                        + #"width="\#((length * 10).rounded() / 10)" height="\#(Self.barHeight - 2)"/>"#)
                lines.append(
                    #"<text class="figure" x="\#((Self.barsLeft + length + 5).rounded())" y="\#(top + 9)">"#
                        + "\(number(figure))</text>")
            }
        }
        return (lines + ["</svg>", ""]).joined(separator: "\n")
    }

    private static let style = """
        text { font: 12px system-ui, sans-serif; fill: #24292f; } .title { font-size: 15px; font-weight: 600; } \
        .name { text-anchor: end; } .figure { font-size: 10px; } .own { fill: #0969da; } .other { fill: #8c959f; } \
        .load1 { opacity: 0.55; } \
        @media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .own { fill: #4493f8; } .other { fill: #7d8590; } }
        """

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
    }
}

extension Report {
    /// The throughput of single videos: the longest two.
    var chart: Chart {
        let shown = loads.filter { $0.videos == 1 }.sorted { $0.size < $1.size }.suffix(2)
        return Chart(
            title: "Upload of one video over 3 connections, MB/s", loads: shown.map(\.name),
            rows: contestants.map { contestant in
                Chart.Row(
                    name: contestant.name, figures: shown.map { throughput(contestant.name, $0) },
                    isOwn: contestant.name.hasPrefix(Intake.handOff.name))
            })
    }
}
