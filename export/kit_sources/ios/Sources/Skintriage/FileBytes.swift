/// The bytes of a file: where an array would trap, reading outside them throws.
struct FileBytes {
    /// A length or offset points outside the file.
    struct Outside: Error {}

    let data: [UInt8]

    var count: Int { data.count }

    func byte(_ at: Int) throws -> Int {
        guard at >= 0, at < data.count else { throw Outside() }
        return Int(data[at])
    }

    /// An unsigned number of up to 15 bytes; one that is far outside any file stays far outside.
    func bigEndian(_ at: Int, _ size: Int) throws -> Int {
        var value = 0
        for offset in 0..<size {
            value = min(value, 1 << 50) << 8 | (try byte(at + offset))
        }
        return value
    }

    func littleEndian(_ at: Int) throws -> Int {
        Int(UInt32(try bigEndian(at, 4)).byteSwapped)
    }

    func has(_ text: String, at: Int) -> Bool {
        has(Array(text.utf8), at: at)
    }

    func has(_ bytes: [UInt8], at: Int) -> Bool {
        at >= 0 && at + bytes.count <= data.count && data[at..<(at + bytes.count)].elementsEqual(bytes)
    }

    /// Whether 23 bytes that were never written follow one another, or from 16 on, depending on where: 255, or 0 if `zeros`.
    func hasHole(from: Int, to: Int, zeros: Bool = true) -> Bool {
        var before = false
        var at = from
        while at + 8 <= to {
            let filler = data[at]
            let erased = (filler == 0xff || zeros && filler == 0) && data[at..<(at + 8)].allSatisfy { $0 == filler }
            if erased && before && data[at - 1] == filler {
                return true
            }
            before = erased
            at += 8
        }
        return false
    }
}
