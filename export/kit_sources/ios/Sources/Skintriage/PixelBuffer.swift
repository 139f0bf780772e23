#if canImport(CoreVideo)
import CoreGraphics
import CoreVideo
import Foundation
import ImageIO

extension CameraFrame {
    /// A frame of AVFoundation: BGRA, `420v` or `420f`. The planes are copied.
    ///
    /// - Parameters:
    ///   - pixelBuffer: as `AVCaptureVideoDataOutput` delivers it.
    ///   - matrix: nil reads the buffer's attachment, which AVFoundation sets.
    ///   - rotation: clockwise degrees that make it upright.
    ///   - mirrored: whether the picture so turned is mirrored from left to right; buffers are not, unless `isVideoMirrored` was set.
    public init(pixelBuffer: CVPixelBuffer, matrix: Matrix? = nil, rotation: Int = 0, mirrored: Bool = false) throws {
        CVPixelBufferLockBaseAddress(pixelBuffer, .readOnly)
        defer { CVPixelBufferUnlockBaseAddress(pixelBuffer, .readOnly) }
        let width = CVPixelBufferGetWidth(pixelBuffer)
        let height = CVPixelBufferGetHeight(pixelBuffer)
        let range: Range
        switch CVPixelBufferGetPixelFormatType(pixelBuffer) {
        case kCVPixelFormatType_32BGRA:
            guard let base = CVPixelBufferGetBaseAddress(pixelBuffer) else {
                throw TriageError.capture("the pixel buffer has no memory that the CPU can read")
            }
            let stride = CVPixelBufferGetBytesPerRow(pixelBuffer)
            let data = [UInt8](UnsafeRawBufferPointer(start: base, count: stride * height))
            let plane = Plane(data: data, rowStride: stride, pixelStride: 4)
            try self.init(
                layout: .bgra, planes: [plane], width: width, height: height, rotation: rotation, mirrored: mirrored
            )
            return
        case kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange:
            range = .limited
        case kCVPixelFormatType_420YpCbCr8BiPlanarFullRange:
            range = .full
        default:
            throw TriageError.capture("unknown pixel format; set videoSettings to 32BGRA, 420v or 420f")
        }
        let planes: [Plane] = try (0..<2).map { (index: Int) throws -> Plane in
            guard let base = CVPixelBufferGetBaseAddressOfPlane(pixelBuffer, index) else {
                throw TriageError.capture("the pixel buffer has no memory that the CPU can read")
            }
            let stride = CVPixelBufferGetBytesPerRowOfPlane(pixelBuffer, index)
            let size = stride * CVPixelBufferGetHeightOfPlane(pixelBuffer, index)
            return Plane(data: [UInt8](UnsafeRawBufferPointer(start: base, count: size)), rowStride: stride, pixelStride: index + 1)
        }
        let chosen = try matrix ?? CameraFrame.matrix(of: pixelBuffer)
        try self.init(
            layout: .nv12, planes: planes, width: width, height: height, matrix: chosen, range: range,
            rotation: rotation, mirrored: mirrored
        )
    }

    private static func matrix(of pixelBuffer: CVPixelBuffer) throws -> Matrix {
        if let attachment = CVBufferCopyAttachment(pixelBuffer, kCVImageBufferYCbCrMatrixKey, nil) {
            if CFEqual(attachment, kCVImageBufferYCbCrMatrix_ITU_R_601_4) { return .bt601 }
            if CFEqual(attachment, kCVImageBufferYCbCrMatrix_ITU_R_709_2) { return .bt709 }
        }
        throw TriageError.capture("the pixel buffer does not say its YUV matrix as BT.601 or BT.709; pass one")
    }
}

extension RgbImage {
    /// An image file that is whole, upright, in sRGB, on white.
    ///
    /// - Throws: as `PhotoFile.open`.
    public init(imageFile data: Data) throws {
        self = try PhotoFile.open([UInt8](data)) { try RgbImage.decoded(Data($0)) }
    }

    /// Turned as a HEIC's container says; what other files say elsewhere than in EXIF, as in XMP, does not count.
    private static func decoded(_ data: Data) throws -> RgbImage {
        guard let source = CGImageSourceCreateWithData(data as CFData, nil),
            let image = CGImageSourceCreateImageAtIndex(source, 0, nil),
            let space = CGColorSpace(name: CGColorSpace.sRGB)
        else {
            throw TriageError.capture("not an image, or damaged; take it again")
        }
        // ImageIO shows a picture that was cut off with an empty rest, which must not be judged.
        guard CGImageSourceGetStatusAtIndex(source, 0) == .statusComplete else {
            throw TriageError.capture("truncated, its end is missing; copy or take it again")
        }
        let (width, height) = (image.width, image.height)
        try Capture.checkSize(width: width, height: height)
        let info = CGBitmapInfo.byteOrder32Big.rawValue | CGImageAlphaInfo.noneSkipLast.rawValue
        var rgba = [UInt8](repeating: 255, count: 4 * width * height)
        let drawn: Bool = rgba.withUnsafeMutableBytes { memory -> Bool in
            guard
                let context = CGContext(
                    data: memory.baseAddress, width: width, height: height, bitsPerComponent: 8, bytesPerRow: 4 * width,
                    space: space, bitmapInfo: info
                )
            else { return false }
            context.interpolationQuality = .none
            context.draw(image, in: CGRect(x: 0, y: 0, width: width, height: height))
            return true
        }
        guard drawn else { throw TriageError.capture("no memory for a picture of \(width)x\(height)") }
        // Not as a CameraFrame, which refuses a fourth byte that differs: what Core Graphics leaves there is not said.
        var rgb = [UInt8](repeating: 0, count: 3 * width * height)
        for pixel in 0..<(width * height) {
            rgb[3 * pixel] = rgba[4 * pixel]
            rgb[3 * pixel + 1] = rgba[4 * pixel + 1]
            rgb[3 * pixel + 2] = rgba[4 * pixel + 2]
        }
        let stored = try RgbImage(width: width, height: height, rgb: rgb)
        guard PhotoFile.isHeic(FileBytes(data: [UInt8](data))) else { return stored }
        let properties = CGImageSourceCopyPropertiesAtIndex(source, 0, nil) as? [CFString: Any]
        return try stored.upright(exifOrientation: properties?[kCGImagePropertyOrientation] as? Int ?? 1)
    }
}
#endif
