import Foundation

/// The bundle's manifest, as far as an app needs it; the fields are those of `mobile_runtime/manifest.py`.
public struct Manifest: Decodable {
    public struct Input: Decodable {
        /// S: the model takes S x S RGB.
        public let size: Int
        let dtype, layout, colour, resample: String
    }

    public struct LesionClass: Decodable {
        public let label: String
        public let name: String
        let node: String
    }

    public struct Score: Decodable {
        public let name: String
        /// What it is the sum of: a weight for each class.
        public let weights: [Double]
    }

    public struct FileEntry: Decodable {
        public let path: String
        public let sha256: String
        public let sizeBytes: Int

        enum CodingKeys: String, CodingKey {
            case path, sha256
            case sizeBytes = "size_bytes"
        }
    }

    /// Outside these an image is to be retaken.
    public struct QualityLimits: Decodable {
        public let sharpnessMin, leastSharpnessMin, evennessMin, detailMin, echoMax: Double
        public let brightnessMin, brightnessMax, clippedMax, highlightMax, glareMax, contrastMin, colourMin, warmthMin: Double
        public let regionPxMin: Int

        enum CodingKeys: String, CodingKey {
            case sharpnessMin = "sharpness_min"
            case leastSharpnessMin = "least_sharpness_min"
            case evennessMin = "evenness_min"
            case detailMin = "detail_min"
            case echoMax = "echo_max"
            case brightnessMin = "brightness_min"
            case brightnessMax = "brightness_max"
            case clippedMax = "clipped_max"
            case highlightMax = "highlight_max"
            case glareMax = "glare_max"
            case contrastMin = "contrast_min"
            case colourMin = "colour_min"
            case warmthMin = "warmth_min"
            case regionPxMin = "region_px_min"
        }

        var isFinite: Bool {
            [
                sharpnessMin, leastSharpnessMin, evennessMin, detailMin, echoMax, brightnessMin, brightnessMax, clippedMax,
                highlightMax, glareMax, contrastMin, colourMin, warmthMin,
            ].allSatisfy { $0.isFinite }
        }
    }

    /// A measured value with its 95 % interval.
    public struct Estimate: Decodable {
        public let value, low, high: Double
        public let n: Int
    }

    /// A locked threshold: refer when malignancy >= threshold.
    public struct OperatingPoint: Decodable {
        public let threshold: Double
        public let aim: String
        public let sensitivity, specificity: Estimate
        /// Where sensitivity and specificity were measured.
        public let dataset: String
    }

    public struct Abstention: Decodable {
        public let limit: Double
    }

    /// One exported form of the model.
    public struct Variant: Decodable {
        public let name, runtime, path, inputName: String
        /// Role -> name of the model's output.
        public let outputs: [String: String]
        public let operatingPoints: [String: OperatingPoint]
        public let abstention: Abstention?

        enum CodingKeys: String, CodingKey {
            case name, runtime, path, outputs, abstention
            case inputName = "input_name"
            case operatingPoints = "operating_points"
        }

        /// Without a limit there must be a null in its place: a key that is misspelt would let every outlier pass.
        public init(from decoder: Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            name = try fields.decode(String.self, forKey: .name)
            runtime = try fields.decode(String.self, forKey: .runtime)
            path = try fields.decode(String.self, forKey: .path)
            inputName = try fields.decode(String.self, forKey: .inputName)
            outputs = try fields.decode([String: String].self, forKey: .outputs)
            operatingPoints = try fields.decode([String: OperatingPoint].self, forKey: .operatingPoints)
            abstention = try fields.decode(Abstention?.self, forKey: .abstention)
        }

        /// The locked operating point of that name.
        public func operatingPoint(_ point: String) throws -> OperatingPoint {
            guard let found = operatingPoints[point] else {
                let known = operatingPoints.keys.sorted().joined(separator: ", ")
                throw TriageError.bundle("variant \(name): no operating point \(point); there are \(known)")
            }
            return found
        }
    }

    public let schemaVersion: Int
    public let name, version, licence, intendedUse: String
    public let limitations: [String]
    public let input: Input
    public let classes: [LesionClass]
    /// The columns of the graph's scores.
    public let scores: [Score]
    public let defaultVariant, defaultOperatingPoint: String
    public let quality: QualityLimits
    public let variants: [String: Variant]
    public let files: [FileEntry]

    enum CodingKeys: String, CodingKey {
        case name, version, licence, limitations, input, classes, scores, quality, variants, files
        case schemaVersion = "schema_version"
        case intendedUse = "intended_use"
        case defaultVariant = "default_variant"
        case defaultOperatingPoint = "default_operating_point"
    }

    /// Reads manifest.json; what it says of the model must be what this kit can do.
    static func parse(_ data: Data) throws -> Manifest {
        let manifest: Manifest
        do {
            guard try !hasDoubledKey([UInt8](data)) else { throw TriageError.bundle("a key is there twice") }
            manifest = try JSONDecoder().decode(Manifest.self, from: data)
        } catch {
            throw TriageError.bundle("malformed manifest (\(error)); make the kit again")
        }
        guard manifest.schemaVersion == Constants.schemaVersion else {
            throw TriageError.bundle(
                "manifest of schema version \(manifest.schemaVersion), this kit reads \(Constants.schemaVersion); make the kit again"
            )
        }
        if let fault = manifest.fault() {
            throw TriageError.bundle("malformed manifest: \(fault); make the kit again")
        }
        return manifest
    }

    /// Decoders differ in which of two they take. A key that is no text throws here; in JSONDecoder it may end the app.
    private static func hasDoubledKey(_ text: [UInt8]) throws -> Bool {
        var open: [Set<String>?] = []
        var last = 0..<0
        var at = 0
        while at < text.count {
            switch text[at] {
            case UInt8(ascii: "\""):
                let begin = at
                at += 1
                while at < text.count && text[at] != UInt8(ascii: "\"") {
                    at += text[at] == UInt8(ascii: "\\") ? 2 : 1
                }
                last = begin..<min(at + 1, text.count)
            case UInt8(ascii: "{"): open.append(Set<String>())
            case UInt8(ascii: "["): open.append(nil)
            case UInt8(ascii: "}"), UInt8(ascii: "]"): _ = open.popLast()
            case UInt8(ascii: ":"):
                let key = try JSONDecoder().decode([String].self, from: Data([0x5b] + text[last] + [0x5d]))
                guard let place = open.indices.last, open[place]?.insert(key.joined()).inserted ?? false else { return true }
            default: break
            }
            at += 1
        }
        return false
    }

    private func fault() -> String? {
        let described = ["dtype": input.dtype, "layout": input.layout, "colour": input.colour, "resample": input.resample]
        guard described == Constants.input, (Constants.minInput...Constants.maxInput).contains(input.size) else {
            return "another kind of input"
        }
        for (what, names) in [
            ("class label", classes.map { $0.label }), ("class", classes.map { $0.node }), ("score", scores.map { $0.name }),
        ] where Set(names).count != names.count {
            return "a \(what) is there twice"
        }
        guard scores.contains(where: { $0.name == "malignancy" }) else { return "no score is malignancy" }
        for score in scores {
            guard score.weights.count == classes.count, score.weights.allSatisfy({ $0 == 0 || $0 == 1 }) else {
                return "the weights of \(score.name) are not 0 or 1 for each class"
            }
        }
        guard quality.isFinite else { return "a limit of quality is no number" }
        guard variants[defaultVariant] != nil else { return "there is no default variant \(defaultVariant)" }
        for (name, variant) in variants {
            guard name == variant.name else { return "variant \(name) calls itself \(variant.name)" }
            let needed = ["probabilities", "scores"] + (variant.abstention == nil ? [] : ["outlier"])
            guard needed.allSatisfy({ variant.outputs[$0] != nil }) else {
                return "variant \(name) lacks an output that its verdicts need"
            }
            guard variant.operatingPoints[defaultOperatingPoint] != nil else {
                return "variant \(name) lacks operating point \(defaultOperatingPoint)"
            }
            guard variant.operatingPoints.values.allSatisfy({ (0...1).contains($0.threshold) }) else {
                return "a threshold of variant \(name) is not from 0 to 1"
            }
            guard variant.abstention?.limit.isFinite ?? true else { return "the outlier limit of variant \(name) is no number" }
        }
        return nil
    }

    /// The variant of that name.
    public func variant(_ wanted: String) throws -> Variant {
        guard let found = variants[wanted] else {
            let known = variants.keys.sorted().joined(separator: ", ")
            throw TriageError.bundle("no variant \(wanted); there are \(known)")
        }
        return found
    }
}
