/// A region in pixels of the upright image; right and bottom are exclusive.
public struct Box: Equatable {
    public let left, top, right, bottom: Int

    public init(left: Int, top: Int, right: Int, bottom: Int) {
        (self.left, self.top, self.right, self.bottom) = (left, top, right, bottom)
    }

    /// The largest centred square; an odd pixel is left at the right or bottom.
    public static func centreSquare(width: Int, height: Int) -> Box {
        let side = min(width, height)
        let left = (width - side) / 2
        let top = (height - side) / 2
        return Box(left: left, top: top, right: left + side, bottom: top + side)
    }

    public var width: Int { right - left }
    public var height: Int { bottom - top }

    /// Accepts a user's box on an image of that size: inside it, large enough, square to one pixel.
    func check(width imageWidth: Int, height imageHeight: Int) throws {
        guard 0 <= left, left < right, right <= imageWidth, 0 <= top, top < bottom, bottom <= imageHeight else {
            throw TriageError.capture("the box is empty or reaches outside the \(imageWidth)x\(imageHeight) image; move it inside")
        }
        guard min(width, height) >= Constants.minSide else {
            throw TriageError.capture(
                "the box is under \(Constants.minSide) pixels a side; choose a larger one or move the camera closer"
            )
        }
        guard abs(width - height) <= 1 else {
            throw TriageError.capture("the box is not square: squashing a lesion changes its score, choose a square")
        }
    }
}

/// A normalized capture: what the model takes.
public struct Capture {
    /// S x S.
    public let image: RgbImage
    /// Side of the square that was resampled, in pixels of the source.
    public let regionPx: Int

    /// Crops and resamples an upright picture to size x size; a nil box takes the centre square.
    public static func normalize(_ upright: RgbImage, size: Int, box: Box? = nil) throws -> Capture {
        try checkSize(width: upright.width, height: upright.height)
        try box?.check(width: upright.width, height: upright.height)
        let crop = box ?? Box.centreSquare(width: upright.width, height: upright.height)
        return Capture(image: try resample(upright, crop: crop, size: size), regionPx: min(crop.width, crop.height))
    }

    /// Turns a camera frame upright, then as above.
    public static func normalize(_ frame: CameraFrame, size: Int, box: Box? = nil) throws -> Capture {
        try normalize(try frame.toRgb(), size: size, box: box)
    }

    static func checkSize(width: Int, height: Int) throws {
        guard min(width, height) >= Constants.minSide else {
            throw TriageError.capture("\(width)x\(height) is under \(Constants.minSide) pixels a side; take a larger photo")
        }
        guard width <= Constants.maxPixels / height else {  // a product might overflow
            throw TriageError.capture("\(width)x\(height) is over \(Constants.maxPixels) pixels; decode a smaller image")
        }
    }
}
