/// WebP files whose rest is missing.
enum WebpStructure {
    /// Whether the file is shorter than it says, its picture ends in zeros, or a lossy one has a run of them, as no whole
    /// photograph has.
    static func lacksPart(_ file: FileBytes) -> Bool {
        (try? lacks(file)) ?? true  // true: a length points outside the file
    }

    private static func lacks(_ file: FileBytes) throws -> Bool {
        var end = 8 + (try file.littleEndian(4))
        guard end <= file.count else { return true }
        var at = 12
        for _ in 0..<Constants.maxParts {
            guard at + 8 <= end else { return false }
            let length = try file.littleEndian(at + 4)
            let stop = min(end, at + 8 + length)
            let lossy = file.has("VP8 ", at: at)
            if lossy || file.has("VP8L", at: at) {
                return hasZeros(file.data[(at + 8)..<stop], anywhere: lossy)
            }
            if file.has("ANMF", at: at) {
                end = stop  // the first picture counts
                at += 24
            } else {
                at += 8 + length + length % 2
            }
        }
        return true  // no camera writes so many chunks
    }

    /// The colour profile, which is before the picture; empty where there is none.
    static func profile(_ file: FileBytes) throws -> [UInt8] {
        let end = min(file.count, 8 + (try file.littleEndian(4)))
        var at = 12
        for _ in 0..<Constants.maxParts {
            guard at + 8 <= end else { break }
            let stop = at + 8 + (try file.littleEndian(at + 4))
            if file.has("ICCP", at: at) {
                return Array(file.data[(at + 8)..<min(stop, end)])
            }
            at = stop + stop % 2
        }
        return []
    }

    private static func hasZeros(_ picture: ArraySlice<UInt8>, anywhere: Bool) -> Bool {
        var zeros = 0
        for byte in picture {
            zeros = byte == 0 ? zeros + 1 : 0
            if anywhere && zeros > Constants.maxZeros {
                return true
            }
        }
        return zeros > Constants.maxZeros
    }
}
