/// How EXIF says that a picture is turned, read from the bytes as the Python runtime reads it. Decoders go by some of it only,
/// each by another part, and a verdict would rest on a picture on its side.
enum Orientation {
    /// A part of a file with EXIF; `name` is where it says that it is one.
    private typealias Part = (name: Int, content: Range<Int>)

    private static let head: [UInt8] = Array("Exif".utf8) + [0, 0]
    /// Headers that Pillow reads on from: also with the number 42 in the other byte order, and with a larger one.
    private static let headers: [[UInt8]] = [
        [0x4d, 0x4d, 0, 42], [0x49, 0x49, 42, 0], [0x4d, 0x4d, 42, 0], [0x49, 0x49, 0, 42], [0x4d, 0x4d, 0, 43],
    ]
    private static let littleEndianMark: UInt8 = 0x49
    private static let tag = 0x0112
    /// Bytes of a value of each type (TIFF 6.0, section 2, and its supplement).
    private static let sizes = [1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8]
    /// A letter that makes a name of each a name that nobody knows.
    private static let other = UInt8(ascii: "p")

    /// 1 to 8; 1 where there is none, and of HEIC, which is as its container says.
    static func of(_ file: FileBytes) -> Int {
        let value = (try? first(try exif(file))) ?? 1  // 1: a length or offset points outside
        return value >= 1 && value < 9 ? Int(value) : 1
    }

    /// The file's bytes in which no decoder finds EXIF, so that none turns the picture.
    static func withoutExif(_ file: FileBytes) -> [UInt8] {
        var copy = file.data
        for part in (try? parts(file)) ?? [] {
            copy[part.name] = other
            let end = part.content.upperBound
            if PhotoFile.isPng(file) && end + 4 <= copy.count {
                let checksum = PngStructure.checksum(copy[part.name..<end])
                for index in 0..<4 {
                    copy[end + index] = UInt8(truncatingIfNeeded: checksum >> (24 - 8 * index))
                }
            }
        }
        return copy
    }

    private static func exif(_ file: FileBytes) throws -> FileBytes {
        var told = try parts(file)
        if PhotoFile.isPng(file) {
            told = told.suffix(1)
        }
        if PhotoFile.isWebp(file) {
            let flagged = file.has("VP8X", at: 12) ? try file.byte(20) & 8 != 0 : false
            told = Array(told.prefix(flagged ? 1 : 0))
        }
        return FileBytes(data: told.flatMap { file.data[$0.content] })
    }

    /// The value of the first entry for it, of whatever type.
    private static func first(_ exif: FileBytes) throws -> Double {
        var start = 0
        while exif.has(head, at: start) {
            start += head.count
        }
        guard headers.contains(where: { exif.has($0, at: start) }) else { throw FileBytes.Outside() }
        let tiff = Tiff(file: FileBytes(data: Array(exif.data[start...])), little: exif.data[start] == littleEndianMark)
        var entry = try tiff.number(4, 4) + 2
        var elsewhere = 0
        for _ in 0..<(try tiff.number(entry - 2, 2)) {
            let offset = try tiff.number(entry + 8, 4)
            let type = try tiff.number(entry + 2, 2)
            let size = try tiff.number(entry + 4, 4) * (sizes[type] ?? 0)
            let inside = offset + size <= tiff.file.count
            elsewhere += size > 4 ? size : 0
            let isSkipped = size == 0 || (size > 4 && elsewhere > tiff.file.count)
            guard isSkipped || size <= 4 || inside else { throw FileBytes.Outside() }  // where Pillow stops
            if try !isSkipped && tiff.number(entry, 2) == tag {
                return try tiff.value(type, size, size > 4 ? offset : entry + 8)
            }
            entry += 12
        }
        throw FileBytes.Outside()
    }

    private static func parts(_ file: FileBytes) throws -> [Part] {
        if PhotoFile.isJpeg(file) {
            return try jpegParts(file)
        }
        if PhotoFile.isPng(file) {
            return try pngParts(file)
        }
        return PhotoFile.isWebp(file) ? try webpParts(file) : []
    }

    /// Of the header alone; decoders read one after the other as one.
    private static func jpegParts(_ file: FileBytes) throws -> [Part] {
        var found: [Part] = []
        var at = 0
        for _ in 0..<Constants.maxParts {
            let marker = JpegStructure.nextMarker(file, at)
            guard marker + 3 < file.count else { break }
            let kind = try file.byte(marker + 1)
            if kind == JpegStructure.scan {
                break
            }
            at = marker + 2
            if kind == JpegStructure.start || kind == JpegStructure.end {
                continue
            }
            let name = at + 2
            at += max(2, try file.bigEndian(at, 2))
            let end = min(at, file.count)
            // Some take what has another byte after the name for EXIF, too: it must not turn the picture.
            let begin = file.has(head, at: name) ? min(name + head.count, end) : end
            if kind == 0xe1 && name + 4 <= end && file.has("Exif", at: name) {
                found.append((name, begin..<end))
            }
        }
        return found
    }

    /// Before the pixels or behind them; the last one counts.
    private static func pngParts(_ file: FileBytes) throws -> [Part] {
        var found: [Part] = []
        try PngStructure.walk(file) { kind, content in
            if file.has("eXIf", at: kind) {
                found.append((kind, content.clamped(to: 0..<file.count)))
            }
        }
        return found
    }

    /// The first one counts, where the header says that there is one.
    private static func webpParts(_ file: FileBytes) throws -> [Part] {
        var found: [Part] = []
        let stop = min(file.count, 8 + (try file.littleEndian(4)))
        var at = 12
        while at + 8 <= stop {
            let length = try file.littleEndian(at + 4)
            if file.has("EXIF", at: at) {
                found.append((at, (at + 8)..<min(stop, at + 8 + length)))
            }
            at += 8 + length + length % 2
        }
        return found
    }
}

/// Numbers of a directory of TIFF.
private struct Tiff {
    let file: FileBytes
    let little: Bool

    func number(_ at: Int, _ size: Int) throws -> Int {
        Int(truncatingIfNeeded: try bits(at, size))
    }

    func value(_ type: Int, _ size: Int, _ at: Int) throws -> Double {
        switch type {
        case 1, 2, 7:
            let alone = try size == 1 || (type == 2 && size == 2 && number(at + 1, 1) == 0)
            return alone ? Double(try number(at, 1) - Int(UInt8(ascii: "0"))) : 1
        case 3: return Double(try bits(at, 2))
        case 4, 13: return Double(try bits(at, 4))
        case 5: return Double(try bits(at, 4)) / Double(try bits(at + 4, 4))
        case 6: return Double(Int8(truncatingIfNeeded: try bits(at, 1)))
        case 8: return Double(Int16(truncatingIfNeeded: try bits(at, 2)))
        case 9: return Double(try signed(at))
        case 10: return Double(try signed(at)) / Double(try signed(at + 4))
        case 11: return Double(Float(bitPattern: UInt32(truncatingIfNeeded: try bits(at, 4))))
        case 12: return Double(bitPattern: try bits(at, 8))
        case 16: return Double(try bits(at, 8))
        default: throw FileBytes.Outside()
        }
    }

    private func signed(_ at: Int) throws -> Int32 {
        Int32(truncatingIfNeeded: try bits(at, 4))
    }

    private func bits(_ at: Int, _ size: Int) throws -> UInt64 {
        try (0..<size).reduce(0) { sum, index in
            sum << 8 | UInt64(try file.byte(little ? at + size - 1 - index : at + index))
        }
    }
}
