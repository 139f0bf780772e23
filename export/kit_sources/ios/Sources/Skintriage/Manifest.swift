import Foundation

/// The bundle's manifest, as far as an app needs it; the fields are those of `mobile_runtime/manifest.py`.
public struct Manifest: Decodable {
    public struct Input: Decodable {
        /// S: the model takes S x S RGB.
        public let size: Int
    }

    public struct LesionClass: Decodable {
        public let label: String
        public let name: String
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
        public let sharpnessMin, leastSharpnessMin, evennessMin, brightnessMin, brightnessMax: Double
        public let clippedMax, burntCentreMax, glareMax, contrastMin, colourMin: Double
        public let regionPxMin: Int

        enum CodingKeys: String, CodingKey {
            case sharpnessMin = "sharpness_min"
            case leastSharpnessMin = "least_sharpness_min"
            case evennessMin = "evenness_min"
            case brightnessMin = "brightness_min"
            case brightnessMax = "brightness_max"
            case clippedMax = "clipped_max"
            case burntCentreMax = "burnt_centre_max"
            case glareMax = "glare_max"
            case contrastMin = "contrast_min"
            case colourMin = "colour_min"
            case regionPxMin = "region_px_min"
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

    /// The variant of that name.
    public func variant(_ wanted: String) throws -> Variant {
        guard let found = variants[wanted] else {
            let known = variants.keys.sorted().joined(separator: ", ")
            throw TriageError.bundle("no variant \(wanted); there are \(known)")
        }
        return found
    }
}
