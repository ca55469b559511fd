/// The size of a picture with square pixels, as it is shown.
package struct PictureSize: Hashable, Codable, Sendable, CustomStringConvertible {
    package let width: Int
    package let height: Int

    package init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }

    package var description: String { "\(width)x\(height)" }

    package var pixels: Int { width * height }

    /// How much larger the picture would be if it filled the frame that people call by `height`: 16:9, upright for an
    /// upright picture.
    ///
    /// A wide film of 1920x800 fills the frame of 1080, and so does a telephone's 1080x1920.
    func scale(toFrame height: Int) -> Double {
        let (short, long) = (Double(min(width, self.height)), Double(max(width, self.height)))
        return min(Double(height) / short, Double(height) * 16 / 9 / long)
    }

    /// The size that fits into the frame called by `height`, never larger than this one, in even numbers, as 4:2:0 needs.
    func fitted(toFrame height: Int) -> PictureSize {
        let scale = min(1, scale(toFrame: height))
        func even(_ side: Int) -> Int {
            max(2, min(side / 2, Int((Double(side) * scale / 2).rounded())) * 2)
        }
        return PictureSize(width: even(width), height: even(self.height))
    }

    /// The size that fits into a square, never larger than this one, in even numbers.
    func fitted(toSquare side: Int) -> PictureSize {
        let scale = min(1, Double(side) / Double(max(width, height)))
        func even(_ side: Int) -> Int { max(2, Int(Double(side) * scale / 2) * 2) }
        return PictureSize(width: even(width), height: even(height))
    }
}
