/// HEIC files with a hole: `check_heic` of mobile_runtime/heic_structure.py; and those in high dynamic range. So many zeros in a
/// row are no HEVC data: after any two zeros, a byte of 3 keeps a third away (ITU-T H.265, 7.4.2).
struct HeicStructure {
    private struct TooManyParts: Error {}
    /// Begin and end of a box's content.
    private typealias Content = (begin: Int, end: Int)

    private let file: FileBytes
    private var at = 0
    private var stop = 0

    private init(_ file: FileBytes) {
        self.file = file
    }

    static func lacksPart(_ file: FileBytes) -> Bool {
        var lacking = false
        do {
            // Each as it comes: what follows the picture, such as a film, may have one too, or no boxes at all.
            try HeicStructure(file).walk(0, file.count) { head, content in
                var structure = HeicStructure(file)
                if file.has("meta", at: head), try structure.picturesLackPart(content) {
                    lacking = true
                }
            }
        } catch is TooManyParts {
            return true  // no camera writes so many
        } catch {
            return lacking  // a length points outside the file: the decoder says so
        }
        return lacking
    }

    /// Whether the picture that counts has levels of PQ or HLG: by its colour profile, where it has one.
    static func isHdr(_ file: FileBytes) -> Bool {
        var found = false
        // A length that points outside the file: the decoder says so.
        try? HeicStructure(file).walk(0, file.count) { head, content in
            var structure = HeicStructure(file)
            if file.has("meta", at: head), try structure.isPrimaryHdr(content) {
                found = true
            }
        }
        return found
    }

    /// Where its own properties (ISO/IEC 14496-12, `colr`) say nothing, as of a grid, those of its tiles do.
    private mutating func isPrimaryHdr(_ meta: Content) throws -> Bool {
        let parts = try boxes(meta.begin + 4, meta.end, ["pitm", "iprp"])
        guard let primary = parts["pitm"], let groups = parts["iprp"] else { return false }
        let item = try file.bigEndian(primary.begin + 4, try file.byte(primary.begin) > 0 ? 4 : 2)
        var (seen, colours, links): (Int, [Int: Content], [Content]) = (0, [:], [])
        try walk(groups.begin, groups.end) { head, content in
            if file.has("ipma", at: head) {
                links.append(content)
            }
            guard file.has("ipco", at: head) else { return }
            try walk(content.begin, content.end) { head, content in
                seen += 1
                colours[seen] = file.has("colr", at: head) ? content : nil
            }
        }
        var numbers: Set<Int> = []
        for content in links {
            numbers.formUnion(try associated(content, item))
        }
        let own = colours.filter { numbers.contains($0.key) }
        let told = (own.isEmpty ? colours : own).sorted { $0.key < $1.key }.map { $0.value }
        if let profile = told.first(where: { file.has("prof", at: $0.begin) || file.has("rICC", at: $0.begin) }) {
            let begin = min(profile.begin + 4, file.count)
            return try ColourProfile.isHdr(FileBytes(data: Array(file.data[begin..<max(begin, min(profile.end, file.count))])))
        }
        return try told.contains { try file.has("nclx", at: $0.begin) && PhotoFile.isHdrTransfer(file.bigEndian($0.begin + 6, 2)) }
    }

    /// Numbers of an item's properties (ISO/IEC 23008-12, `ipma`).
    private mutating func associated(_ links: Content, _ item: Int) throws -> [Int] {
        (at, stop) = links
        var found: [Int] = []
        let version = try next(1)
        let size = try next(3) & 1 == 0 ? 1 : 2
        for _ in 0..<(try next(4)) {
            let own = try next(version > 0 ? 4 : 2) == item
            for _ in 0..<(try next(1)) {
                let number = try next(size) & (size == 2 ? 0x7fff : 0x7f)
                found += own ? [number] : []
            }
        }
        return found
    }

    private mutating func picturesLackPart(_ meta: Content) throws -> Bool {
        let parts = try boxes(meta.begin + 4, meta.end, ["iinf", "iloc"])
        guard let items = parts["iinf"], let places = parts["iloc"] else { return false }
        let found = try pictures(items)
        (at, stop) = places
        return try hasHole(found)
    }

    /// Numbers of the items that are HEVC pictures (ISO/IEC 14496-12, `iinf`).
    private func pictures(_ items: Content) throws -> Set<Int> {
        var found: Set<Int> = []
        try walk(items.begin + (try file.byte(items.begin) == 0 ? 6 : 8), items.end) { head, content in
            let version = file.has("infe", at: head) ? try file.byte(content.begin) : 0
            guard version == 2 || version == 3 else { return }
            let size = version == 2 ? 2 : 4
            let coding = content.begin + 6 + size
            if file.has("hvc1", at: coding) || file.has("hev1", at: coding) {
                found.insert(try file.bigEndian(content.begin + 4, size))
            }
        }
        return found
    }

    /// Whether an extent of a picture reaches outside the file or has a hole (ISO/IEC 14496-12, `iloc`).
    private mutating func hasHole(_ pictures: Set<Int>) throws -> Bool {
        let version = try next(1)
        _ = try next(3)
        let sizes = try next(2)
        var seen = 0
        for _ in 0..<(try next(version < 2 ? 2 : 4)) {
            let item = try next(version < 2 ? 2 : 4)
            let method = version > 0 ? try next(2) & 15 : 0
            _ = try next(2)
            let base = try next(sizes >> 4 & 15)
            for _ in 0..<(try next(2)) {
                _ = try next(version > 0 ? sizes & 15 : 0)
                let begin = base + (try next(sizes >> 12))
                let length = try next(sizes >> 8 & 15)
                let end = length > 0 ? begin + length : file.count
                seen += 1
                guard seen <= Constants.maxParts else { throw TooManyParts() }
                let own = method == 0 && pictures.contains(item)  // others are kept elsewhere
                if own && (end > file.count || file.hasHole(from: begin, to: end)) {
                    return true
                }
            }
        }
        return false
    }

    /// The last box of each of these kinds.
    private func boxes(_ from: Int, _ to: Int, _ kinds: [String]) throws -> [String: Content] {
        var found: [String: Content] = [:]
        try walk(from, to) { head, content in
            if let kind = kinds.first(where: { file.has($0, at: head) }) {
                found[kind] = content
            }
        }
        return found
    }

    /// Gives where the kind of each box is, and its content.
    private func walk(_ from: Int, _ to: Int, _ visit: (_ kind: Int, _ content: Content) throws -> Void) throws {
        var start = from
        for _ in 0..<Constants.maxParts {
            guard start + 8 <= to else { return }
            var size = try file.bigEndian(start, 4)
            let head = size == 1 ? 16 : 8
            if size == 1 {
                size = try file.bigEndian(start + 8, 8)
            }
            let end = size == 0 ? to : start + size
            guard end >= start + head else { throw FileBytes.Outside() }
            try visit(start + 4, (start + head, min(end, to)))
            start = end
        }
        throw TooManyParts()
    }

    private mutating func next(_ size: Int) throws -> Int {
        guard at + size <= stop else { throw FileBytes.Outside() }
        at += size
        return try file.bigEndian(at - size, size)
    }
}
