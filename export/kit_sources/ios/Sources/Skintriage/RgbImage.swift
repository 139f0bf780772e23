/// An 8-bit sRGB picture: three bytes a pixel, row by row.
public struct RgbImage: Equatable {
    public let width: Int
    public let height: Int
    public let rgb: [UInt8]

    public init(width: Int, height: Int, rgb: [UInt8]) throws {
        // Bounded first: a product that overflows would end the app.
        let bounded = width > 0 && height > 0 && width <= rgb.count && height <= rgb.count / width
        guard bounded, rgb.count == 3 * width * height else {
            throw TriageError.capture("\(rgb.count) bytes are no RGB picture of \(width)x\(height)")
        }
        self.width = width
        self.height = height
        self.rgb = rgb
    }

    /// The upright picture of a file whose EXIF orientation is 1 to 8; any other value counts as 1.
    public func upright(exifOrientation: Int) throws -> RgbImage {
        switch exifOrientation {
        case 2: return try turned(rotation: 0, mirrored: true)
        case 3: return try turned(rotation: 180, mirrored: false)
        case 4: return try turned(rotation: 180, mirrored: true)
        case 5: return try turned(rotation: 90, mirrored: true)
        case 6: return try turned(rotation: 90, mirrored: false)
        case 7: return try turned(rotation: 270, mirrored: true)
        case 8: return try turned(rotation: 270, mirrored: false)
        default: return self
        }
    }

    /// Turned clockwise by 0, 90, 180 or 270 degrees, then flipped left to right if `mirrored`.
    func turned(rotation: Int, mirrored: Bool) throws -> RgbImage {
        if rotation == 0 && !mirrored {
            return self
        }
        let sideways = rotation == 90 || rotation == 270
        let columns = sideways ? height : width
        let rows = sideways ? width : height
        var out = [UInt8](repeating: 0, count: rgb.count)
        for row in 0..<rows {
            for column in 0..<columns {
                let turnedColumn = mirrored ? columns - 1 - column : column
                let x: Int
                let y: Int
                switch rotation {
                case 90: (x, y) = (row, height - 1 - turnedColumn)
                case 180: (x, y) = (width - 1 - turnedColumn, height - 1 - row)
                case 270: (x, y) = (width - 1 - row, turnedColumn)
                default: (x, y) = (turnedColumn, row)
                }
                let from = 3 * (y * width + x)
                let to = 3 * (row * columns + column)
                out[to] = rgb[from]
                out[to + 1] = rgb[from + 1]
                out[to + 2] = rgb[from + 2]
            }
        }
        return try RgbImage(width: columns, height: rows, rgb: out)
    }
}
