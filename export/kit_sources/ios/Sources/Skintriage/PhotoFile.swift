/// A photograph as an encoded file. Decoders paint over what a file lacks, and a verdict would rest on half a lesion.
public enum PhotoFile {
    private static let heicBrands = ["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"]
    private static let brandsEnd = 256

    /// The upright picture of a file that is whole. `decode` gives what a decoder makes of its bytes, in sRGB. Decoders go by some
    /// of EXIF's orientations only, each by others, and so get the bytes without them; a HEIC is to be turned as it says.
    ///
    /// - Throws: what `check` and `decode` throw, and `TriageError.capture` of a JPEG whose lower part is missing.
    public static func open(_ file: [UInt8], decode: ([UInt8]) throws -> RgbImage) throws -> RgbImage {
        try check(file)
        let (bytes, stored) = (FileBytes(data: file), try decode(withoutExif(file)))
        guard !isJpeg(bytes) || !endsUnwritten(stored, converted: JpegStructure.isConverted(bytes)) else {
            throw TriageError.capture("truncated, its lower part is missing; copy or take it again")
        }
        return try stored.upright(exifOrientation: orientation(file))
    }

    /// Accepts JPEG, PNG, WebP and HEIC that are whole, as mobile_runtime/structure.py does. Of WebP drawings with plain areas
    /// some are refused that Python, which looks at the pixels, too, accepts. In high dynamic range, read as sRGB, a picture is
    /// flat, and what is referred otherwise may be reassured.
    ///
    /// - Throws: `TriageError.capture` of another format and of files that are empty, over 64 MiB, cut, damaged, with scans, a
    ///   colour or pixels missing, with zeros in their place, of more scans or parts than cameras write, or in high dynamic range.
    public static func check(_ file: [UInt8]) throws {
        guard !file.isEmpty else {
            throw TriageError.capture("the file is empty; copy or take it again")
        }
        guard file.count <= Constants.maxBytes else {
            throw TriageError.capture("\(file.count) bytes, the limit is \(Constants.maxBytes); export a smaller image")
        }
        let bytes = FileBytes(data: file)
        guard try !lacksPart(bytes) else {
            throw TriageError.capture("truncated or damaged, a part of it is missing; copy or take it again")
        }
        let told = isPng(bytes) ? try PngStructure.isHdr(bytes) : isHeic(bytes) && HeicStructure.isHdr(bytes)
        guard try !(told || ColourProfile.isHdr(of: bytes)) else {
            throw TriageError.capture("a high dynamic range picture; export it as JPEG or take it again without HDR")
        }
    }

    /// EXIF orientation, 1 to 8, as Python reads it: 1 where there is none, and of HEIC, which is as its container says.
    public static func orientation(_ file: [UInt8]) -> Int {
        Orientation.of(FileBytes(data: file))
    }

    /// The file's bytes of which no decoder turns the picture by EXIF; `RgbImage.upright(exifOrientation:)` then does.
    public static func withoutExif(_ file: [UInt8]) -> [UInt8] {
        Orientation.withoutExif(FileBytes(data: file))
    }

    private static func lacksPart(_ file: FileBytes) throws -> Bool {
        if isJpeg(file) {
            return JpegStructure.lacksPart(file)
        }
        if isPng(file) {
            return PngStructure.lacksPart(file)
        }
        if isWebp(file) {
            return WebpStructure.lacksPart(file)
        }
        if isHeic(file) {
            return HeicStructure.lacksPart(file)
        }
        throw TriageError.capture("not a JPEG, PNG, WebP or HEIC image; convert it first")
    }

    /// Whether these transfer characteristics are PQ or HLG (ITU-T H.273, table 3).
    static func isHdrTransfer(_ transfer: Int) -> Bool {
        transfer == 16 || transfer == 18
    }

    static func isJpeg(_ file: FileBytes) -> Bool {
        file.has([0xff, 0xd8, 0xff], at: 0)
    }

    static func isPng(_ file: FileBytes) -> Bool {
        file.has([0x89] + Array("PNG\r\n\u{1a}\n".utf8), at: 0)
    }

    static func isWebp(_ file: FileBytes) -> Bool {
        file.has("RIFF", at: 0) && file.has("WEBP", at: 8)
    }

    static func isHeic(_ file: FileBytes) -> Bool {
        guard file.has("ftyp", at: 4), let size = try? file.bigEndian(0, 4) else { return false }
        let brands = stride(from: 8, through: min(size, brandsEnd) - 4, by: 4)
        return brands.contains { at in heicBrands.contains { file.has($0, at: at) } }
    }

    /// Whether the last stored row ends in the grey that JPEG decoders leave where the data end early but an end marker follows.
    /// Where colours are converted it is another grey; or, in the whole row, any one colour.
    private static func endsUnwritten(_ stored: RgbImage, converted: Bool) -> Bool {
        let corner = min(stored.width, Constants.unwrittenPixels)
        return isOf(stored, pixels: corner, converted: converted, bands: 1)
            || converted && isOf(stored, pixels: stored.width, converted: true, bands: 3)
    }

    /// Whether so many last pixels are of the colour that the last has, a grey (`bands` 1) or any, and that not too dark or light.
    private static func isOf(_ stored: RgbImage, pixels: Int, converted: Bool, bands: Int) -> Bool {
        let last = Array(stored.rgb.suffix(bands))
        return stored.rgb.suffix(3 * pixels).enumerated().allSatisfy { at, value in
            let level = converted ? Int(last[at % bands]) : Constants.unwritten
            return Constants.unwrittenRange.contains(level) && abs(Int(value) - level) <= 1
        }
    }
}
