extension Report {
    /// Throughput as bars, an SVG image.
    var chart: String { "" }
}
