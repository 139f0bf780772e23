/// How many bytes a zlib stream stands for (RFC 1950 and 1951), and which. Those of pixels are not kept: nothing but their number
/// is needed. Not every platform has zlib.
struct InflatedLength {
    private enum Stop: Error {
        case ended, damaged
    }

    /// Number of codes of each length, and the symbols in the order of their codes.
    private struct Codes {
        var counts = [Int](repeating: 0, count: 16)
        var symbols: [Int] = []

        /// - Throws: more codes than there can be, or fewer, unless there is one alone.
        init(_ lengths: ArraySlice<Int>) throws {
            for length in lengths {
                counts[length] += 1
            }
            let left = counts[1...].reduce(1) { $0 < 0 ? $0 : 2 * $0 - $1 }
            guard left == 0 || left > 0 && counts[0] + counts[1] == lengths.count else { throw Stop.damaged }
            let known = Array(lengths)
            symbols = (1...15).flatMap { length in known.indices.filter { known[$0] == length } }
        }
    }

    private static let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
    private static let fixedLiterals = (0..<288).map { $0 <= 143 ? 8 : $0 <= 255 ? 9 : $0 <= 279 ? 7 : 8 }
    private static let fixedDistances = fixedLiterals.prefix(1 << 5).map { _ in 5 }

    private let data: [UInt8]
    private let limit: Int
    private var position = 0
    private var count = 0
    /// The bytes, where they are asked for.
    private var kept: [UInt8]?

    private init(_ data: [UInt8], limit: Int, kept: [UInt8]? = nil) {
        (self.data, self.limit, self.kept) = (data, limit, kept)
    }

    /// The number, or the limit if there are more.
    ///
    /// - Throws: damaged before that.
    static func of(_ data: [UInt8], limit: Int) throws -> Int {
        var stream = InflatedLength(data, limit: limit)
        try stream.readAll()
        return min(limit, stream.count)
    }

    /// The bytes, at most so many.
    ///
    /// - Throws: damaged before that.
    static func content(_ data: [UInt8], limit: Int) throws -> [UInt8] {
        var stream = InflatedLength(data, limit: limit, kept: [])
        try stream.readAll()
        return Array((stream.kept ?? []).prefix(limit))
    }

    private mutating func readAll() throws {
        do {
            try readBlocks()
        } catch Stop.ended {}
    }

    private mutating func readBlocks() throws {
        let (method, flags) = (try bits(8), try bits(8))
        let readable = method & 15 == 8 && method >> 4 <= 7 && flags >> 5 & 1 == 0
        guard readable, (method << 8 | flags) % 31 == 0 else { throw Stop.damaged }
        var last = false
        while !last && count < limit {
            last = try bits(1) == 1
            switch try bits(2) {
            case 0: try readStored()
            case 1: try readCoded(Codes(InflatedLength.fixedLiterals[...]), Codes(InflatedLength.fixedDistances[...]))
            case 2: try readOwnCodes()
            default: throw Stop.damaged
            }
        }
    }

    private mutating func readStored() throws {
        position = (position + 7) / 8 * 8
        let length = try bits(16)
        guard try bits(16) == length ^ 0xffff else { throw Stop.damaged }
        let there = min(length, data.count - position / 8)
        kept?.append(contentsOf: data[(position / 8)..<(position / 8 + there)])
        count += there
        position += 8 * there
    }

    private mutating func readOwnCodes() throws {
        let (literals, distances, given) = (try bits(5) + 257, try bits(5) + 1, try bits(4) + 4)
        guard literals <= 286, distances <= 30 else { throw Stop.damaged }
        var short = [Int](repeating: 0, count: 19)
        for symbol in InflatedLength.order.prefix(given) {
            short[symbol] = try bits(3)
        }
        let codes = try Codes(short[...])
        var lengths: [Int] = []
        while lengths.count < literals + distances {
            let symbol = try read(codes)
            switch symbol {
            case 16:
                guard let previous = lengths.last else { throw Stop.damaged }
                lengths += [Int](repeating: previous, count: 3 + (try bits(2)))
            case 17: lengths += [Int](repeating: 0, count: 3 + (try bits(3)))
            case 18: lengths += [Int](repeating: 0, count: 11 + (try bits(7)))
            default: lengths.append(symbol)
            }
        }
        guard lengths.count == literals + distances, lengths[256] > 0 else { throw Stop.damaged }
        try readCoded(Codes(lengths[..<literals]), Codes(lengths[literals...]))
    }

    private mutating func readCoded(_ literals: Codes, _ distances: Codes) throws {
        while count < limit {
            let symbol = try read(literals)
            if symbol == 256 {
                return
            }
            guard symbol > 256 else {
                kept?.append(UInt8(symbol))
                count += 1
                continue
            }
            let length = try readLength(symbol - 257)
            let distance = try readDistance(read(distances))
            guard distance <= count else { throw Stop.damaged }
            // One by one: a copy may reach into itself.
            for _ in 0..<length where kept != nil {
                kept!.append(kept![kept!.count - distance])
            }
            count += length
        }
    }

    private mutating func readLength(_ code: Int) throws -> Int {
        switch code {
        case ..<8: return 3 + code
        case 28: return 258
        case 29...: throw Stop.damaged
        default:
            let extra = code / 4 - 1
            return 3 + ((4 + code % 4) << extra) + (try bits(extra))
        }
    }

    private mutating func readDistance(_ code: Int) throws -> Int {
        guard code >= 2 else { return 1 + code }
        guard code < 30 else { throw Stop.damaged }
        let extra = code / 2 - 1
        return 1 + ((2 + code % 2) << extra) + (try bits(extra))
    }

    private mutating func read(_ codes: Codes) throws -> Int {
        var (code, first, index) = (0, 0, 0)
        for length in 1...15 {
            code = code << 1 | (try bits(1))
            first <<= 1
            let here = codes.counts[length]
            if code < first + here {
                return codes.symbols[index + code - first]
            }
            index += here
            first += here
        }
        throw Stop.damaged
    }

    /// A number of so many bits, the lowest one first.
    private mutating func bits(_ number: Int) throws -> Int {
        guard position + number <= 8 * data.count else { throw Stop.ended }
        var value = 0
        for offset in 0..<number {
            value |= Int(data[position >> 3] >> UInt8(position & 7) & 1) << offset
            position += 1
        }
        return value
    }
}
