/// Why a picture is to be retaken, in the order in which reasons are reported.
public enum Reason: String, CaseIterable {
    case tooSmall = "too_small"
    case tooDark = "too_dark"
    case tooBright = "too_bright"
    case clipped
    case glare
    case blurred
    case doubled
    case uniform
    case colourless
    case blueCast = "blue_cast"

    /// The sentence to show.
    public var advice: String { Constants.advice[rawValue] ?? rawValue }
}

/// Quality figures of an S x S image, ratios of integer sums; `mobile_runtime/quality.py` says what they mean.
public struct Quality {
    public let sharpness, leastSharpness, evenness, detail, echo: Double
    public let brightness, clipped, highlight, glare, contrast, colour, warmth: Double
    /// Nil if unknown.
    public let regionPx: Int?
    /// Every limit that is not kept; empty for a good image.
    public let reasons: [Reason]

    /// Measures a prepared image and names the limits that it does not keep; a nil regionPx skips that limit.
    public static func judge(_ image: RgbImage, regionPx: Int?, limits: Manifest.QualityLimits) -> Quality {
        let side = image.width
        let n = side * side
        var luma = [Int](repeating: 0, count: n)
        var (total, reds, blues, white) = (0, 0, 0, 0)
        let middle = (side / 4)..<(side - side / 4)
        for i in 0..<n {
            let (red, green, blue) = (Int(image.rgb[3 * i]), Int(image.rgb[3 * i + 1]), Int(image.rgb[3 * i + 2]))
            let weighted = Constants.lumaRed * red + Constants.lumaGreen * green + Constants.lumaBlue * blue
            luma[i] = (weighted + (1 << (Constants.lumaBits - 1))) >> Constants.lumaBits
            total += luma[i]
            reds += red
            blues += blue
            white += min(red, green, blue) >= Constants.white ? 1 : 0
        }
        let around = surround(luma, side: side, middle: middle)
        var (bright, hidden) = (0, 0)
        for i in 0..<n {
            let channels = image.rgb[(3 * i)..<(3 * i + 3)].map { Int($0) }
            let (low, high) = (channels.min()!, channels.max()!)
            let above = luma[i] * n >= total + Constants.glareStep * n
            let nearWhite = low >= Constants.glareFloor && high - low <= Constants.glareTint
            bright += nearWhite && above ? 1 : 0
            let shining = nearWhite && luma[i] >= around + Constants.highlightStep
            let central = middle.contains(i % side) && middle.contains(i / side)
            hidden += central && (shining || low >= Constants.white) ? 1 : 0
        }
        let pairs = blockSums(luma, side: side, block: 2)
        let (laplacian, bends) = bends(pairs, side: side / 2)
        let (least, most) = (bends.min()!, bends.max()!)
        let cells = (side / 2 - 2) * (side / 2 - 2)
        let deviations = deviation(luma) + Constants.noise
        let edges = (Double(laplacian) / Double(16 * cells)).squareRoot()
        let sharpness = edges / deviations
        let detail = edges / 255.0
        let echo = echo(pairs, across: side / 2)
        let leastSharpness = (Double(least) / Double(32 * cells)).squareRoot() / deviations
        let evenness = most > 0 ? (Double(least) / Double(most)).squareRoot() : 1
        let brightness = Double(total) / (255.0 * Double(n))
        let clipped = Double(white) / Double(n)
        let highlight = Double(hidden) / Double(middle.count * middle.count)
        let glare = Double(bright) / Double(n)
        let blocks = blockSums(luma, side: side, block: Constants.block)
        let contrast = deviation(blocks) / (255.0 * Double(Constants.block * Constants.block))
        let colour = colour(image.rgb, side: side)
        let warmth = Double(reds - blues) / Double(max(1, reds + blues))
        let smeared = leastSharpness < limits.leastSharpnessMin && evenness < limits.evennessMin
        let uniform = contrast < limits.contrastMin
        let faults: [(Reason, Bool)] = [
            (.tooSmall, regionPx.map { $0 < limits.regionPxMin } ?? false),
            (.tooDark, brightness < limits.brightnessMin),
            (.tooBright, brightness > limits.brightnessMax),
            (.clipped, clipped > limits.clippedMax),
            (.glare, glare > limits.glareMax || highlight > limits.highlightMax),
            (.blurred, sharpness < limits.sharpnessMin || detail < limits.detailMin || smeared),
            (.doubled, echo > limits.echoMax),
            (.uniform, uniform),
            (.colourless, colour < limits.colourMin && !uniform),
            (.blueCast, warmth < limits.warmthMin),
        ]
        return Quality(
            sharpness: sharpness, leastSharpness: leastSharpness, evenness: evenness, detail: detail, echo: echo,
            brightness: brightness, clipped: clipped, highlight: highlight, glare: glare, contrast: contrast, colour: colour, warmth: warmth,
            regionPx: regionPx, reasons: faults.filter { $0.1 }.map { $0.0 }
        )
    }

    /// The level that nine tenths of the pixels outside the middle are not above.
    private static func surround(_ luma: [Int], side: Int, middle: Range<Int>) -> Int {
        var counts = [Int](repeating: 0, count: 256)
        for i in luma.indices where !(middle.contains(i % side) && middle.contains(i / side)) {
            counts[luma[i]] += 1
        }
        let all = counts.reduce(0, +)
        var (level, upto) = (0, counts[0])
        while 10 * upto < Constants.surroundTenths * all {
            level += 1
            upto += counts[level]
        }
        return level
    }

    /// How differently the channels vary, once all have mean 0 and the same deviation, relative to the brightness.
    private static func colour(_ rgb: [UInt8], side: Int) -> Double {
        let channels = (0..<3).map { c in
            blockSums((0..<(side * side)).map { Int(rgb[3 * $0 + c]) }, side: side, block: Constants.colourBlock)
        }
        let deviations = channels.map { Double(spread($0, $0)).squareRoot() }
        var apart = 0.0
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            apart += max(0, deviations[a] * deviations[b] - Double(spread(channels[a], channels[b])))
        }
        let total = channels.reduce(0) { $0 + $1.reduce(0, +) }
        return min(1, (6 * apart).squareRoot() / Double(max(1, total)))
    }

    /// The number of values squared times their covariance.
    private static func spread(_ first: [Int], _ second: [Int]) -> Int {
        let products = zip(first, second).reduce(0) { $0 + $1.0 * $1.1 }
        return first.count * products - first.reduce(0, +) * second.reduce(0, +)
    }

    /// Population standard deviation from integer sums.
    private static func deviation(_ values: [Int]) -> Double {
        let n = values.count
        let total = values.reduce(0, +)
        let squares = values.reduce(0) { $0 + $1 * $1 }
        return (Double(n * squares - total * total) / Double(n * n)).squareRoot()
    }

    /// Sums over blocks; rows and columns that do not fill a block are left out.
    private static func blockSums(_ values: [Int], side: Int, block: Int) -> [Int] {
        let blocks = side / block
        var sums = [Int](repeating: 0, count: blocks * blocks)
        for y in 0..<(blocks * block) {
            for x in 0..<(blocks * block) {
                sums[y / block * blocks + x / block] += values[y * side + x]
            }
        }
        return sums
    }

    /// Sums of squares over cells of 2 x 2 pixels: of the 4-neighbour Laplacian, and of twice the second differences along
    /// rows, columns and diagonals, where the axes' count twice since diagonal neighbours are farther.
    private static func bends(_ pairs: [Int], side: Int) -> (laplacian: Int, bends: [Int]) {
        let steps = [1, side, side + 1, side - 1]
        var laplacian = 0
        var sums = [Int](repeating: 0, count: steps.count)
        for y in 1..<(side - 1) {
            for x in 1..<(side - 1) {
                let at = y * side + x
                let bends = steps.map { 2 * pairs[at] - pairs[at - $0] - pairs[at + $0] }
                laplacian += (bends[0] + bends[1]) * (bends[0] + bends[1])
                for i in 0..<steps.count {
                    sums[i] += (i < 2 ? 2 : 1) * bends[i] * bends[i]
                }
            }
        }
        return (laplacian, sums)
    }

    /// How far the highest peak of the autocorrelation of the Laplacian's signs stands above the ring around it.
    private static func echo(_ pairs: [Int], across: Int) -> Double {
        let (side, reach) = (across - 2, across / Constants.echoShare)
        let signs = (0..<(side * side)).map { i -> Int in
            let at = (i / side + 1) * across + i % side + 1
            return (4 * pairs[at] - pairs[at - 1] - pairs[at + 1] - pairs[at - across] - pairs[at + across]).signum()
        }
        let far = reach + 2
        func place(_ y: Int, _ x: Int) -> Int { (y + far) * (2 * far + 1) + x + far }
        var likeness = [Double](repeating: 0, count: (2 * far + 1) * (2 * far + 1))
        for y in 0...far {
            for x in -far...far {
                var count = 0
                for row in 0..<(side - y) {
                    let to = (row + y) * side + x
                    for column in max(0, -x)..<(side - max(0, x)) {
                        count += signs[row * side + column] * signs[to + column]
                    }
                }
                let share = Double(count) / Double((side - y) * (side - abs(x)))
                likeness[place(y, x)] = share
                likeness[place(-y, -x)] = share
            }
        }
        let ring = (-2...2).flatMap { y in (-2...2).map { x in (y, x) } }.filter { (4...5).contains($0 * $0 + $1 * $1) }
        var highest = 0.0
        for y in -reach...reach {
            for x in -reach...reach where y * y + x * x >= 4 && y * y + x * x <= reach * reach {
                let around = ring.map { likeness[place(y + $0, x + $1)] }.max()!
                highest = max(highest, likeness[place(y, x)] - around)
            }
        }
        let all = likeness[place(0, 0)]
        return all > 0 ? highest / all : 0
    }
}
