/// PNG files whose pixels are damaged or run out: `_check_png` and `_lacks_rows` of mobile_runtime/structure.py.
enum PngStructure {
    private static let end: [UInt8] = Array("IEND".utf8) + [0xae, 0x42, 0x60, 0x82]
    private static let channels = [0: 1, 2: 3, 3: 1, 4: 2, 6: 4]
    /// First column, first row and steps of each pass over a picture (PNG specification, 8.2).
    private static let whole = [(0, 0, 1, 1)]
    private static let adam7 = [
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
    ]
    private static let checksums: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xedb8_8320 : value >> 1 }
    }

    /// Whether the pixels are not what their checksums are of, or end within a chunk or before the picture is whole.
    static func lacksPart(_ file: FileBytes) -> Bool {
        (try? lacks(file)) ?? true  // true: a length points outside the file, or zlib's data are damaged
    }

    private static func lacks(_ file: FileBytes) throws -> Bool {
        guard hasEnd(file) else { return true }
        var packed: [UInt8] = []
        var at = 8
        for _ in 0..<Constants.maxParts {
            if at + 8 > file.count || file.has("IEND", at: at + 4) {
                let bytes = try rowBytes(file)
                return try InflatedLength.of(packed, limit: bytes) < bytes  // what follows is no part of the picture
            }
            let stop = at + 8 + (try file.bigEndian(at, 4))
            if file.has("IDAT", at: at + 4) {
                guard stop + 4 <= file.count, checksum(file.data[(at + 4)..<stop]) == (try file.bigEndian(stop, 4)) else {
                    return true
                }
                packed += file.data[(at + 8)..<stop]
            }
            at = stop + 4
        }
        return true  // no camera writes so many chunks
    }

    private static func hasEnd(_ file: FileBytes) -> Bool {
        stride(from: file.count - end.count, through: 0, by: -1).contains { file.data[$0] == end[0] && file.has(end, at: $0) }
    }

    private static func checksum(_ bytes: ArraySlice<UInt8>) -> Int {
        Int(~bytes.reduce(UInt32.max) { checksums[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] ^ ($0 >> 8) })
    }

    /// Bytes of all rows, filters included.
    private static func rowBytes(_ file: FileBytes) throws -> Int {
        // Pictures of more are refused when they are decoded; their product must fit a number.
        let width = min(try file.bigEndian(16, 4), Constants.maxPixels)
        let height = min(try file.bigEndian(20, 4), Constants.maxPixels)
        guard let channels = channels[try file.byte(25)] else { throw FileBytes.Outside() }
        let bits = try file.byte(24) * channels
        return (try file.byte(28) == 0 ? whole : adam7).reduce(0) { bytes, pass in
            let columns = (width - pass.0 + pass.2 - 1) / pass.2
            let rows = (height - pass.1 + pass.3 - 1) / pass.3
            return min(columns, rows) > 0 ? bytes + rows * (1 + (columns * bits + 7) / 8) : bytes
        }
    }
}
