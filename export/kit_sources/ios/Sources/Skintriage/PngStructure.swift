/// PNG files of which a part is damaged or whose pixels run out, or are in high dynamic range: `_check_png` and `_lacks_rows` of
/// mobile_runtime/structure.py.
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

    /// Whether a part is not what its checksum is of, or the file ends within one or the pixels before the picture is whole.
    static func lacksPart(_ file: FileBytes) -> Bool {
        (try? lacks(file)) ?? true  // true: a length points outside the file, or zlib's data are damaged
    }

    private static func lacks(_ file: FileBytes) throws -> Bool {
        guard hasEnd(file) else { return true }
        var packed: [UInt8] = []
        var parts = 0
        try walk(file) { kind, content in
            parts += 1
            guard parts <= Constants.maxParts else { throw FileBytes.Outside() }  // no camera writes so many chunks
            let end = content.upperBound
            guard end + 4 <= file.count, checksum(file.data[kind..<end]) == (try file.bigEndian(end, 4)) else {
                throw FileBytes.Outside()
            }
            packed += file.has("IDAT", at: kind) ? file.data[content] : []
        }
        let bytes = try rowBytes(file)
        return try InflatedLength.of(packed, limit: bytes) < bytes  // what follows the end is no part of the picture
    }

    /// Whether it says that its levels are of PQ or HLG.
    static func isHdr(_ file: FileBytes) throws -> Bool {
        var found = false
        try walk(file) { kind, content in
            let transfer = content.lowerBound + 1
            if file.has("cICP", at: kind), content.contains(transfer), transfer < file.count {
                found = try found || PhotoFile.isHdrTransfer(file.byte(transfer))
            }
        }
        return found
    }

    /// Gives where the kind of each chunk before the end is, and its content, which may reach outside the file.
    static func walk(_ file: FileBytes, _ visit: (_ kind: Int, _ content: Range<Int>) throws -> Void) throws {
        var at = 8
        while at + 8 <= file.count && !file.has("IEND", at: at + 4) {
            let end = at + 8 + (try file.bigEndian(at, 4))
            try visit(at + 4, (at + 8)..<end)
            at = end + 4
        }
    }

    private static func hasEnd(_ file: FileBytes) -> Bool {
        stride(from: file.count - end.count, through: 0, by: -1).contains { file.data[$0] == end[0] && file.has(end, at: $0) }
    }

    static func checksum(_ bytes: ArraySlice<UInt8>) -> Int {
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
