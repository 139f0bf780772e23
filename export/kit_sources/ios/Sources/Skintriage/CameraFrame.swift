/// One buffer of a camera frame; strides in bytes, the last row may end with its last sample.
public struct Plane {
    public let data: [UInt8]
    public let rowStride: Int
    public let pixelStride: Int

    public init(data: [UInt8], rowStride: Int, pixelStride: Int) {
        (self.data, self.rowStride, self.pixelStride) = (data, rowStride, pixelStride)
    }

    /// Refuses a plane that is too short for its strides.
    func check(_ name: String, rows: Int, columns: Int, channels: Int) throws {
        guard pixelStride >= channels else {
            throw TriageError.capture("plane \(name): pixel stride \(pixelStride) is under \(channels) bytes; read it off the camera")
        }
        // Bounded first: a product that overflows would end the app.
        guard pixelStride <= data.count, rowStride <= data.count else {
            throw TriageError.capture(
                "plane \(name): strides of \(rowStride) and \(pixelStride) bytes in a buffer of \(data.count); pass the whole buffer"
            )
        }
        let rowBytes = (columns - 1) * pixelStride + channels
        guard rowStride >= rowBytes else {
            throw TriageError.capture(
                "plane \(name): row stride \(rowStride) is under the \(rowBytes) bytes of a row; give the stride in bytes"
            )
        }
        let needed = (rows - 1) * rowStride + rowBytes
        guard data.count >= needed else {
            throw TriageError.capture(
                "plane \(name): \(data.count) bytes, \(needed) needed; check width, height and strides, and pass the whole buffer"
            )
        }
    }
}

/// A camera frame in its sensor's orientation; `mobile_runtime/frames.py` states layouts and arithmetic.
public struct CameraFrame {
    /// How channels lie in memory. Planes: one; Y, U, V; or Y and interleaved chroma (NV21: V first, NV12: U first), where
    /// chroma may also follow `height` rows of luma in one plane.
    public enum Layout: String {
        case rgb, rgba, bgra
        case yuv420888 = "yuv_420_888"
        case nv21, nv12
    }

    public enum Matrix: String {
        case bt601, bt709
    }

    public enum Range: String {
        case full, limited
    }

    public let layout: Layout
    public let width: Int
    public let height: Int
    private let planes: [Plane]
    private let coefficients: [Int32]
    private let rotation: Int
    private let mirrored: Bool

    /// - Parameters:
    ///   - planes: see `Layout`; of packed layouts the pixel stride is 3 or 4, and a fourth byte is the same in all pixels.
    ///   - matrix: for YUV.
    ///   - range: for YUV.
    ///   - rotation: clockwise degrees that make it upright: 0, 90, 180 or 270.
    ///   - mirrored: whether it is upright a mirror image; it is then flipped left to right, after the rotation.
    public init(
        layout: Layout, planes: [Plane], width: Int, height: Int, matrix: Matrix? = nil, range: Range? = nil,
        rotation: Int = 0, mirrored: Bool = false
    ) throws {
        guard [0, 90, 180, 270].contains(rotation) else {
            throw TriageError.capture("rotation is \(rotation); give 0, 90, 180 or 270")
        }
        try Capture.checkSize(width: width, height: height)
        (self.layout, self.width, self.height) = (layout, width, height)
        (self.rotation, self.mirrored) = (rotation, mirrored)
        let channels = CameraFrame.channels(layout)
        if channels > 0 {
            guard planes.count == 1 else {
                throw TriageError.capture("\(layout.rawValue) has 1 plane, got \(planes.count)")
            }
            try planes[0].check(layout.rawValue, rows: height, columns: width, channels: channels)
            self.planes = planes
            coefficients = []
            guard channels < 4 || isOpaque() else {
                throw TriageError.capture(
                    "the fourth byte of \(layout.rawValue) differs from pixel to pixel: is it ARGB? give the camera's layout"
                )
            }
            return
        }
        guard let matrix = matrix, let range = range,
            let row = Constants.coefficients["\(matrix.rawValue) \(range.rawValue)"]
        else {
            throw TriageError.capture("\(layout.rawValue) needs a matrix and a range")
        }
        guard width % 2 == 0, height % 2 == 0 else {
            throw TriageError.capture(
                "\(layout.rawValue) of \(width)x\(height): sides must be even; crop the last row or column"
            )
        }
        var split = planes
        if layout != .yuv420888, planes.count == 1 {
            try planes[0].check("Y", rows: height, columns: width, channels: 1)
            let stride = planes[0].rowStride
            let rest = Array(planes[0].data.dropFirst(stride * height))
            split.append(Plane(data: rest, rowStride: stride, pixelStride: 2))
        }
        guard split.count == (layout == .yuv420888 ? 3 : 2) else {
            throw TriageError.capture("\(layout.rawValue) does not have \(planes.count) plane(s)")
        }
        try split[0].check("Y", rows: height, columns: width, channels: 1)
        for plane in split.dropFirst() {
            try plane.check("chroma", rows: height / 2, columns: width / 2, channels: layout == .yuv420888 ? 1 : 2)
        }
        self.planes = split
        coefficients = row
    }

    /// The upright picture.
    public func toRgb() throws -> RgbImage {
        let rgb = CameraFrame.channels(layout) > 0 ? unpacked() : converted()
        return try RgbImage(width: width, height: height, rgb: rgb).turned(rotation: rotation, mirrored: mirrored)
    }

    private static func channels(_ layout: Layout) -> Int {
        switch layout {
        case .rgb: return 3
        case .rgba, .bgra: return 4
        default: return 0
        }
    }

    /// Cameras are opaque: where the fourth byte is not the same in all pixels, it is a colour.
    private func isOpaque() -> Bool {
        let plane = planes[0]
        return plane.data.withUnsafeBufferPointer { data in
            (0..<height).allSatisfy { y in
                (0..<width).allSatisfy { x in data[y * plane.rowStride + x * plane.pixelStride + 3] == data[3] }
            }
        }
    }

    private func unpacked() -> [UInt8] {
        let plane = planes[0]
        let red = layout == .bgra ? 2 : 0
        var rgb = [UInt8](repeating: 0, count: 3 * width * height)
        plane.data.withUnsafeBufferPointer { data in
            var out = 0
            for y in 0..<height {
                for x in 0..<width {
                    let at = y * plane.rowStride + x * plane.pixelStride
                    rgb[out] = data[at + red]
                    rgb[out + 1] = data[at + 1]
                    rgb[out + 2] = data[at + 2 - red]
                    out += 3
                }
            }
        }
        return rgb
    }

    private func converted() -> [UInt8] {
        let luma = planes[0]
        let uPlane = planes[1]
        let vPlane = layout == .yuv420888 ? planes[2] : planes[1]
        let uOffset = layout == .nv21 ? 1 : 0
        let vOffset = layout == .nv12 ? 1 : 0
        let rounding = Int32(1) << (Constants.fractionBits - 1)
        var rgb = [UInt8](repeating: 0, count: 3 * width * height)
        luma.data.withUnsafeBufferPointer { ys in
            uPlane.data.withUnsafeBufferPointer { us in
                vPlane.data.withUnsafeBufferPointer { vs in
                    var out = 0
                    for y in 0..<height {
                        for x in 0..<width {
                            let brightness = Int32(ys[y * luma.rowStride + x * luma.pixelStride])
                            let bright = (brightness - coefficients[0]) * coefficients[1] + rounding
                            let uAt = y / 2 * uPlane.rowStride + x / 2 * uPlane.pixelStride + uOffset
                            let vAt = y / 2 * vPlane.rowStride + x / 2 * vPlane.pixelStride + vOffset
                            let u = Int32(us[uAt]) - Constants.chromaZero
                            let v = Int32(vs[vAt]) - Constants.chromaZero
                            rgb[out] = clip(bright + coefficients[2] * v)
                            rgb[out + 1] = clip(bright + coefficients[3] * u + coefficients[4] * v)
                            rgb[out + 2] = clip(bright + coefficients[5] * u)
                            out += 3
                        }
                    }
                }
            }
        }
        return rgb
    }

    private func clip(_ value: Int32) -> UInt8 {
        UInt8(max(0, min(255, value >> Constants.fractionBits)))
    }
}
