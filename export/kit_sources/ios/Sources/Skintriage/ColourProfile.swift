/// What a file's colour profile says of dynamic range: `check_profile` of mobile_runtime/structure.py.
enum ColourProfile {
    private static let tags = 0x84
    private static let entry = 12
    private static let longest = 1 << 20

    /// Whether a JPEG, PNG or WebP has a profile of PQ or HLG; of HEIC see `HeicStructure.isHdr`.
    static func isHdr(of file: FileBytes) throws -> Bool {
        let profile: [UInt8]
        if PhotoFile.isJpeg(file) {
            profile = JpegStructure.profile(file)
        } else if PhotoFile.isPng(file) {
            profile = try unpacked(file)
        } else {
            profile = PhotoFile.isWebp(file) ? try WebpStructure.profile(file) : []
        }
        return try isHdr(FileBytes(data: profile))
    }

    /// Whether a profile says by its tag `cicp` (ICC.1:2022, 9.2.17) that it is of PQ or HLG.
    static func isHdr(_ profile: FileBytes) throws -> Bool {
        guard profile.count >= tags else { return false }
        let last = min(tags + entry * (try profile.bigEndian(tags - 4, 4)), profile.count - entry + 1)
        for at in stride(from: tags, to: last, by: entry) where profile.has("cicp", at: at) {
            let place = try profile.bigEndian(at + 4, 4)
            let told = place + entry <= profile.count && profile.has("cicp", at: place)
            if told, PhotoFile.isHdrTransfer(try profile.byte(place + 9)) {
                return true
            }
        }
        return false
    }

    /// The profile of a PNG, or its first MiB.
    private static func unpacked(_ png: FileBytes) throws -> [UInt8] {
        var packed: [UInt8]?
        try PngStructure.walk(png) { kind, content in
            guard packed == nil, png.has("iCCP", at: kind), content.upperBound <= png.count else { return }
            // Behind its name and the method, of which there is one.
            packed = Array(png.data[content].drop { $0 != 0 }.dropFirst(2))
        }
        return packed.map { (try? InflatedLength.content($0, limit: longest)) ?? [] } ?? []
    }
}
