/// JPEG files that lack a part although they open: `check_jpeg` of mobile_runtime/jpeg_structure.py.
struct JpegStructure {
    private static let sequentialFrames = [0xc0, 0xc1, 0xc9]
    private static let progressiveFrames = [0xc2, 0xca]
    static let start = 0xd8
    static let end = 0xd9
    static let scan = 0xda
    private static let tables = 0xc4
    private static let profileParts = 0xe2
    private static let icc = "ICC_PROFILE\0"
    private static let coefficients = 64
    /// Instead of a bit: a coefficient has come to its last.
    private static let complete = -1
    /// More are no colours that a decoder here knows.
    private static let components = 4

    private let file: FileBytes
    /// Number of each AC table -> what a code of zeros stands for (ITU-T T.81, B.2.4.2, C.2).
    private var zeroSymbols: [Int: Int] = [:]
    /// Component -> for each coefficient the bit that its next scan must go on from.
    private var awaited: [Int: [Int]] = [:]
    /// Of each part of the profile its number, how many there are, and where its content is.
    private var profile: [(number: Int, count: Int, content: Range<Int>)] = []
    private var sequential = false
    private var torn = false
    private var scans = 0

    private init(_ file: FileBytes) {
        self.file = file
    }

    /// Zeros in place of a part can be told of a baseline JPEG alone, and of one whose code of zeros does not stand for small
    /// coefficients; bytes of ones always. Restart markers count from 0 to 7 over and over (ITU-T T.81, E.1.4). Otherwise a scan
    /// is missing where not every coefficient of every component has come to its last bit (G.1.1), or one does not go on from the
    /// bit that the one before it ended at (G.1.1.1.2). Where a part of a profile is missing (ICC.1, B.4), decoders leave it
    /// aside, and colours are wrong.
    static func lacksPart(_ file: FileBytes) -> Bool {
        var structure = JpegStructure(file)
        return (try? structure.lacksPart()) ?? true  // true: a length points outside the file
    }

    /// The colour profile, of a JPEG that lacks no part; empty where there is none.
    static func profile(_ file: FileBytes) -> [UInt8] {
        read(file).profile.flatMap { file.data[$0.content] }
    }

    /// Whether a decoder may give other levels than those stored: by a profile, or of four colours.
    static func isConverted(_ file: FileBytes) -> Bool {
        let structure = read(file)
        return !structure.profile.isEmpty || structure.awaited.count == components
    }

    private static func read(_ file: FileBytes) -> JpegStructure {
        var structure = JpegStructure(file)
        _ = try? structure.lacksPart()
        return structure
    }

    private mutating func lacksPart() throws -> Bool {
        var telling = false
        var at = 0
        for _ in 0..<Constants.maxParts {
            let marker = JpegStructure.nextMarker(file, at)
            if scans > 0 && lacksData(from: at, to: marker, telling: telling) {
                return true
            }
            telling = false
            if marker == file.count {
                return true
            }
            let kind = try file.byte(marker + 1)
            if kind == JpegStructure.end {
                return scans == 0 || !isComplete() || !isProfileWhole()
            }
            at = marker + 2
            if kind == JpegStructure.start {
                continue
            }
            let begin = at + 2
            at += max(2, try file.bigEndian(at, 2))
            if JpegStructure.sequentialFrames.contains(kind) || JpegStructure.progressiveFrames.contains(kind) {
                sequential = JpegStructure.sequentialFrames.contains(kind)
                try startFrame(begin)
            } else if kind == JpegStructure.profileParts, file.has(JpegStructure.icc, at: begin) {
                let content = begin + JpegStructure.icc.utf8.count + 2
                let (number, count) = (try file.byte(content - 2), try file.byte(content - 1))
                profile.append((number, count, content..<max(content, min(at, file.count))))
            } else if kind == JpegStructure.tables {
                try readTables(begin, min(at, file.count))
            } else if kind == JpegStructure.scan {
                scans += 1
                if scans > Constants.maxScans {
                    return true  // no camera writes so many, and each takes its time
                }
                try readScan(begin)
                // With another symbol zeros are small coefficients, one after the other, and not blocks without any.
                telling = try sequential && zeroSymbols[file.byte(begin + 2) & 15, default: 0] != 0
            }
        }
        return true
    }

    /// Whether a part of a scan is erased, to ones or, where they are telling, zeros, or its restart markers do not count on.
    private func lacksData(from: Int, to: Int, telling: Bool) -> Bool {
        if file.hasHole(from: from, to: to, zeros: telling) {
            return true
        }
        var restarts = 0
        for at in stride(from: from, to: to - 1, by: 1) where file.data[at] == 0xff {
            let kind = Int(file.data[at + 1])
            if (0xd0...0xd7).contains(kind) {
                if kind != 0xd0 + restarts % 8 {
                    return true
                }
                restarts += 1
            }
        }
        return false
    }

    private mutating func startFrame(_ begin: Int) throws {
        awaited = [:]
        for index in 0..<min(JpegStructure.components, try file.byte(begin + 5)) {
            awaited[try file.byte(begin + 6 + 3 * index)] = Array(repeating: 0, count: JpegStructure.coefficients)
        }
    }

    private mutating func readTables(_ begin: Int, _ end: Int) throws {
        var table = begin
        while table + 17 < end {
            let count = file.data[(table + 1)..<(table + 17)].reduce(0) { $0 + Int($1) }
            let head = try file.byte(table)
            if head >> 4 == 1 && count > 0 {
                zeroSymbols[head & 15] = try file.byte(table + 17)
            }
            table += 17 + count
        }
    }

    private mutating func readScan(_ begin: Int) throws {
        let selected = begin + 1 + 2 * (try file.byte(begin))
        let first = sequential ? 0 : try file.byte(selected)
        let last = sequential ? JpegStructure.coefficients - 1 : try file.byte(selected + 1)
        let bits = sequential ? 0 : try file.byte(selected + 2)
        let components = Set(try stride(from: begin + 1, to: selected, by: 2).map { try file.byte($0) })
        for component in components where awaited[component] != nil {
            for index in stride(from: first, through: min(last, JpegStructure.coefficients - 1), by: 1) {
                torn = torn || awaited[component]![index] != bits >> 4
                awaited[component]![index] = bits & 15 == 0 ? JpegStructure.complete : bits & 15
            }
        }
    }

    private func isComplete() -> Bool {
        !torn && awaited.values.allSatisfy { $0.allSatisfy { $0 == JpegStructure.complete } }
    }

    private mutating func isProfileWhole() -> Bool {
        profile.sort { $0.number < $1.number }
        let alone = profile.count == 1 && profile[0].count == 1  // whatever its number
        return alone || profile.enumerated().allSatisfy { $1.number == $0 + 1 && $1.count == profile.count }
    }

    /// Where the next marker starts that ends a scan's data; the file's length if there is none.
    static func nextMarker(_ file: FileBytes, _ from: Int) -> Int {
        var at = from
        while at + 1 < file.count {
            let kind = file.data[at + 1]
            if file.data[at] == 0xff && kind > 0x01 && kind < 0xff && !(0xd0...0xd7).contains(kind) {
                return at
            }
            at += 1
        }
        return file.count
    }
}
