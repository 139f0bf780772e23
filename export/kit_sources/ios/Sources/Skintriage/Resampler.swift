/// Pillow's antialiased bilinear resize in integers, to the bit; `mobile_runtime/resample.py` states the arithmetic.
/// Never replace it with Core Image or vImage scaling: those are other filters and change scores.
func resample(_ image: RgbImage, crop: Box, size: Int) throws -> RgbImage {
    guard size >= 1, size <= Constants.maxTarget else {
        throw TriageError.capture("size \(size) is not from 1 to \(Constants.maxTarget)")
    }
    let across = Weights(from: crop.width, to: size)
    var rows = [UInt8](repeating: 0, count: 3 * size * crop.height)
    image.rgb.withUnsafeBufferPointer { pixels in
        for y in 0..<crop.height {
            let start = 3 * ((crop.top + y) * image.width + crop.left)
            for x in 0..<size {
                for channel in 0..<3 {
                    let from = start + 3 * across.first[x] + channel
                    rows[3 * (y * size + x) + channel] = across.sum(x, pixels, from: from, step: 3)
                }
            }
        }
    }
    let down = Weights(from: crop.height, to: size)
    var out = [UInt8](repeating: 0, count: 3 * size * size)
    rows.withUnsafeBufferPointer { values in
        for y in 0..<size {
            let start = 3 * size * down.first[y]
            for at in 0..<(3 * size) {
                out[3 * size * y + at] = down.sum(y, values, from: start + at, step: 3 * size)
            }
        }
    }
    return try RgbImage(width: size, height: size, rgb: out)
}

/// Fixed-point weights of a pass from n to size pixels; one that keeps its length comes out as it went in.
private struct Weights {
    private(set) var first: [Int] = []
    private var weight: [[Int]] = []

    init(from n: Int, to size: Int) {
        let scale = Double(n) / Double(size)
        let support = max(scale, 1.0)
        let inverse = 1.0 / support
        for i in 0..<size {
            let centre = (Double(i) + 0.5) * scale
            let low = max(0, Int(centre - support + 0.5))
            let high = min(n, Int(centre + support + 0.5))
            var shares: [Double] = []
            var total = 0.0
            for j in low..<high {
                let share = max(0.0, 1.0 - abs((Double(j) - centre + 0.5) * inverse))
                shares.append(share)
                total += share
            }
            first.append(low)
            weight.append(shares.map { Int(0.5 + $0 / total * Double(1 << Constants.weightBits)) })
        }
    }

    func sum(_ i: Int, _ values: UnsafeBufferPointer<UInt8>, from start: Int, step: Int) -> UInt8 {
        var sum = 1 << (Constants.weightBits - 1)
        var at = start
        for share in weight[i] {
            sum += share * Int(values[at])
            at += step
        }
        return UInt8(max(0, min(255, sum >> Constants.weightBits)))
    }
}
