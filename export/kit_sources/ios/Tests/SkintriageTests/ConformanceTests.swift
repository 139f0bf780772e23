import Foundation
import XCTest

@testable import Skintriage

/// Replays the bundle's golden vectors and the kit's port vectors, stage by stage, each from what is recorded of the stage
/// before; `mobile_runtime/golden.py` describes them. Each test prints its counts.
final class ConformanceTests: XCTestCase {
    typealias Fields = [String: Any]

    /// Rules stand at a threshold and one step below it; JSONSerialization would round them.
    private struct Rules: Decodable {
        struct Rule: Decodable {
            let operatingPoint, decision: String
            let reasons: [String]
            let malignancy: Double
            let outlier: Double?
        }

        struct Variant: Decodable {
            let rules: [Rule]
        }

        let variants: [String: Variant]
    }

    /// In levels: Core Graphics composites alpha, converts depth and decodes with rounding of its own.
    private static let fileTolerance = 2
    private var bundle: ModelBundle!
    private var golden: Fields = [:]
    private var cases = 0
    private var mismatches = 0

    override func setUpWithError() throws {
        bundle = try ModelBundle()
        golden = try document(Constants.golden)
        (cases, mismatches) = (0, 0)
    }

    override func tearDown() {
        print("\(name): \(cases) cases, \(mismatches) mismatches")
    }

    func testConstants() {
        check("input size", golden["input_size"] as? Int == bundle.manifest.input.size)
        check("reasons", Reason.allCases.map { $0.rawValue } == Constants.reasons)
        check("decisions", Set(Decision.allCases.map { $0.rawValue }) == Set(Constants.meaning.keys))
    }

    func testUpright() throws {
        for fields in list(golden["cases"]) {
            let source = try data(text(fields["source"]))
            let expected = try array(fields["upright"]).image()
            let tolerance = fields["upright_tolerance"] as! Int
            if let frame = fields["frame"] as? Fields {
                let found = try Self.frame(frame, [UInt8](source)).toRgb()
                check("\(fields["name"]!)", difference(found, expected) <= tolerance)
            }
            if fields["frame"] as? Fields == nil {
                check("\(fields["name"]!) is refused", accepts([UInt8](source)))
            }
            #if canImport(ImageIO)
            if fields["frame"] as? Fields == nil {
                let found = try RgbImage(imageFile: source)
                let off = difference(found, expected)
                check("\(fields["name"]!): off by \(off) levels", off <= max(tolerance, Self.fileTolerance))
            }
            #endif
        }
    }

    func testPrepared() throws {
        for fields in list(golden["cases"]) {
            let upright = try array(fields["upright"]).image()
            let expected = try array(fields["prepared"]).image()
            let found = try Capture.normalize(upright, size: bundle.manifest.input.size)
            check("\(fields["name"]!)", found.image == expected && found.regionPx == fields["region_px"] as? Int)
        }
    }

    func testQuality() throws {
        for fields in list(golden["cases"]) {
            let prepared = try array(fields["prepared"]).image()
            let quality = Quality.judge(prepared, regionPx: fields["region_px"] as? Int, limits: bundle.manifest.quality)
            checkQuality("\(fields["name"]!)", quality, fields, golden["quality_tolerance"] as! Double)
        }
    }

    #if canImport(CoreML)
    func testOutputs() throws {
        for (name, vectors) in golden["variants"] as! [String: Fields] {
            let variant = try bundle.manifest.variant(name)
            let present = FileManager.default.fileExists(atPath: bundle.folder.appendingPathComponent(variant.path).path)
            guard variant.runtime == "coreml", present, let recording = list(vectors["recordings"]).first else { continue }
            let engine = try CoreMLEngine(bundle: bundle, variant: variant)
            for (row, fields) in list(golden["cases"]).enumerated() {
                let found = try engine.run(try array(fields["prepared"]).image())
                for (role, path) in recording["outputs"] as! [String: String] {
                    let expected = try array(path).row(row)
                    let tolerance = ((vectors["tolerance"] as! [String: Fields])[role]!)["other"] as! Double
                    let values = found[role] ?? []
                    let near = zip(values, expected).allSatisfy { abs(Double($0) - Double($1)) <= tolerance }
                    check("\(name), \(fields["name"]!), \(role)", values.count == expected.count && near)
                }
            }
        }
    }
    #endif

    func testDecisionAndPipeline() throws {
        let column = bundle.manifest.scores.firstIndex { $0.name == "malignancy" }!
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let rules = try decoder.decode(Rules.self, from: try data(Constants.golden)).variants
        for (name, vectors) in golden["variants"] as! [String: Fields] {
            let variant = try bundle.manifest.variant(name)
            let limit = variant.abstention?.limit
            for rule in rules[name]!.rules {
                let found = Decision.decide(
                    reasons: rule.reasons.map { Reason(rawValue: $0)! }, malignancy: rule.malignancy,
                    threshold: try variant.operatingPoint(rule.operatingPoint).threshold, outlier: rule.outlier, limit: limit
                )
                check("\(name), rule at \(rule.malignancy)", found.rawValue == rule.decision)
            }
            guard let recording = list(vectors["recordings"]).first else { continue }
            let recorded = try (recording["outputs"] as! [String: String]).mapValues { try array($0) }
            for (point, decisions) in vectors["decisions"] as! [String: [String]] {
                for (row, fields) in list(golden["cases"]).enumerated() {
                    let outputs = recorded.mapValues { $0.row(row) }
                    let malignancy = Double(outputs["scores"]![column])
                    let found = Decision.decide(
                        reasons: reasons(fields), malignancy: malignancy,
                        threshold: try variant.operatingPoint(point).threshold,
                        outlier: outputs["outlier"].map { Double($0[0]) }, limit: limit
                    )
                    check("\(name), \(point), \(fields["name"]!)", found.rawValue == decisions[row])
                    let engine = Recorded(prepared: try array(fields["prepared"]).image(), outputs: outputs)
                    let triage = try Triage(bundle: bundle, variant: variant, engine: engine, operatingPoint: point)
                    let upright = try array(fields["upright"]).image()
                    let assessed = try triage.assess(upright)
                    let twice = try triage.assessBurst([upright, upright]).assessment
                    let same = twice.decision == assessed.decision && twice.malignancy == assessed.malignancy
                    let score = assessed.decision == .retake ? nil : malignancy
                    let right = assessed.decision.rawValue == decisions[row] && assessed.malignancy == score && same
                    check("pipeline: \(name), \(point), \(fields["name"]!)", right)
                }
            }
        }
    }

    func testPortFramesAndCaptures() throws {
        let port = try document("port.json")
        for fields in list(port["frames"]) {
            let expected = try image(fields, "rgb")
            let found = try? Self.frame(fields["frame"] as! Fields, bytes(fields["data"])!).toRgb()
            check("frame \(fields["frame"]!)", found == expected)
        }
        for fields in list(port["captures"]) {
            let what = "capture of \(fields["width"]!)x\(fields["height"]!), box \(fields["box"]!)"
            let upright = try image(fields, "rgb")!
            let edges = fields["box"] as? [Int]
            let box = edges.map { Box(left: $0[0], top: $0[1], right: $0[2], bottom: $0[3]) }
            let found = try? Capture.normalize(upright, size: fields["size"] as! Int, box: box)
            check(what, found?.image.rgb == bytes(fields["prepared"]) && found?.regionPx == fields["region_px"] as? Int)
            if let found = found {
                let quality = Quality.judge(found.image, regionPx: found.regionPx, limits: bundle.manifest.quality)
                checkQuality(what, quality, fields, port["quality_tolerance"] as! Double)
                check("\(what): judged at another size than the model's", try refuses(found))
            }
        }
    }

    /// Whether a capture is refused for its size; right as well where that is the model's.
    private func refuses(_ capture: Capture) throws -> Bool {
        guard capture.image.width != bundle.manifest.input.size else { return true }
        let variant = try bundle.manifest.variant(bundle.manifest.defaultVariant)
        let triage = try Triage(bundle: bundle, variant: variant, engine: Recorded(prepared: capture.image, outputs: [:]))
        do {
            _ = try triage.assess(capture)
            return false
        } catch TriageError.capture {
            return true
        }
    }

    func testPortFiles() throws {
        let port = try document("port.json")
        for fields in list(port["files"]) {
            let file = bytes(fields["data"])!
            check(text(fields["name"]), accepts(file) == (fields["accepted"] as! Bool))
        }
        for fields in list(port["edges"]) {
            let decoded = try image(fields, "rgb")
            let accepted = accepts(bytes(fields["data"])!, decoded: decoded)
            check("edge: \(fields["name"]!)", accepted == (fields["accepted"] as! Bool))
        }
    }

    func testPortTurned() throws {
        for fields in list(try document("port.json")["turned"]) {
            let file = bytes(fields["data"])!
            let found = PhotoFile.orientation(file)
            let hidden = PhotoFile.withoutExif(file)
            let right = found == fields["orientation"] as? Int && PhotoFile.orientation(hidden) == 1 && accepts(hidden)
            check("\(fields["name"]!): orientation \(found)", right)
            #if canImport(ImageIO)
            let off = difference(try RgbImage(imageFile: Data(file)), try image(fields, "rgb")!)
            check("\(fields["name"]!): off by \(off) levels", off <= max(fields["tolerance"] as! Int, Self.fileTolerance))
            #endif
        }
    }

    /// Whether a file is taken for whole; with what a decoder gives of it, or nil for what its bytes say alone.
    private func accepts(_ file: [UInt8], decoded: RgbImage? = nil) -> Bool {
        do {
            if let decoded = decoded {
                _ = try PhotoFile.open(file) { _ in decoded }
            } else {
                try PhotoFile.check(file)
            }
            return true
        } catch {
            return false
        }
    }

    func testPortBursts() throws {
        for fields in list(try document("port.json")["bursts"]) {
            let variant = try bundle.manifest.variant(text(fields["variant"]))
            let point = text(fields["operating_point"])
            let engine = Recorded(prepared: nil, outputs: [:])
            let triage = try Triage(bundle: bundle, variant: variant, engine: engine, operatingPoint: point)
            let frames: [Assessment] = try list(fields["frames"]).map { frame in
                let quality = unmeasured(reasons(frame))
                return try triage.assessment(quality, outputs: quality.reasons.isEmpty ? outputs(frame) : nil)
            }
            let found = try BurstAssessment.combine(frames)
            let verdict = fields["verdict"] as! Fields
            let probabilities = verdict["probabilities"] as! [String: Double]
            let sameLabels = Set(found.assessment.probabilities.keys) == Set(probabilities.keys)
            let pairs: [(Double?, Any?)] =
                [
                    (found.assessment.malignancy, verdict["malignancy"]), (found.assessment.cancer, verdict["cancer"]),
                    (found.assessment.outlier, verdict["outlier"]), (found.spread, verdict["spread"]),
                    (found.agreement, verdict["agreement"]), (Double(found.usable), verdict["usable"]),
                ] + probabilities.map { (found.assessment.probabilities[$0], $1) }
            let near = pairs.allSatisfy { same($0, $1 as? Double) }
            let sameAdvice = found.assessment.advice == verdict["advice"] as! [String]
            let sameDecision = found.assessment.decision.rawValue == text(verdict["decision"])
            check("burst at \(point)", sameDecision && sameAdvice && sameLabels && near)
        }
    }

    func testBurstsOfAnotherKind() throws {
        let variant = try bundle.manifest.variant(bundle.manifest.defaultVariant)
        let frames: [Assessment] = try ["rule_out", "balanced"].map { point in
            let engine = Recorded(prepared: nil, outputs: [:])
            let triage = try Triage(bundle: bundle, variant: variant, engine: engine, operatingPoint: point)
            return try triage.assessment(unmeasured([.blurred]), outputs: nil)
        }
        check("one operating point", isTaken([frames[0], frames[0]]))
        check("two operating points", !isTaken(frames))
        check("no frame", !isTaken([]))
    }

    /// Whether verdicts are taken for those on one lesion.
    private func isTaken(_ frames: [Assessment]) -> Bool {
        (try? BurstAssessment.combine(frames)) != nil
    }

    func testPortOutputs() throws {
        for fields in list(try document("port.json")["outputs"]) {
            let variant = try bundle.manifest.variant(text(fields["variant"]))
            let triage = try Triage(bundle: bundle, variant: variant, engine: Recorded(prepared: nil, outputs: [:]))
            let good = unmeasured([])
            var accepted = true
            do {
                _ = try triage.assessment(good, outputs: outputs(fields))
            } catch TriageError.inference {
                accepted = false
            }
            check(text(fields["name"]), accepted == (fields["accepted"] as! Bool))
        }
    }

    func testPortManifests() throws {
        let manifest = String(decoding: try Data(contentsOf: bundle.folder.appendingPathComponent(Constants.manifest)), as: UTF8.self)
        for fields in list(try document("port.json")["manifests"]) {
            var changed = manifest
            if let place = manifest.range(of: text(fields["find"])) {
                changed.replaceSubrange(place, with: text(fields["replace"]))
            }
            var accepted = true
            do {
                _ = try Manifest.parse(Data(changed.utf8))
            } catch TriageError.bundle {
                accepted = false
            }
            check(text(fields["name"]), accepted == (fields["accepted"] as! Bool))
        }
    }

    func testRefusals() throws {
        let noise = (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }
        let padded = (0..<4096).map { $0 % 4 == 3 && $0 % 72 < 64 ? 255 : noise[$0] }
        check("opaque", isTaken(.bgra, padded, 16, 16, rowStride: 72, pixelStride: 4))
        check("ARGB", !isTaken(.rgba, noise, 16, 16, rowStride: 72, pixelStride: 4))
        for layout in [CameraFrame.Layout.rgb, .nv12] {
            check("a vast row stride", !isTaken(layout, noise, 16, 16, rowStride: .max, pixelStride: 3))
            check("a vast pixel stride", !isTaken(layout, noise, 16, 16, rowStride: 48, pixelStride: .max))
            check("a vast width", !isTaken(layout, noise, Int.max - 1, 16, rowStride: 48, pixelStride: 3))
            check("vast sides", !isTaken(layout, noise, Int.max - 1, Int.max - 1, rowStride: 48, pixelStride: 3))
        }
        for (width, height) in [(Int.max, 16), (16, Int.max), (Int.max, Int.max), (Int.max / 2 + 1, 4)] {
            let image = try? RgbImage(width: width, height: height, rgb: noise)
            check("a picture of \(width)x\(height)", image == nil)
        }
    }

    /// Whether a camera frame of one plane is taken.
    private func isTaken(
        _ layout: CameraFrame.Layout, _ data: [UInt8], _ width: Int, _ height: Int, rowStride: Int, pixelStride: Int
    ) -> Bool {
        let plane = Plane(data: data, rowStride: rowStride, pixelStride: pixelStride)
        let frame = try? CameraFrame(
            layout: layout, planes: [plane], width: width, height: height, matrix: .bt601, range: .full
        )
        return frame != nil
    }

    private func outputs(_ fields: Fields) -> [String: [Float]] {
        // What JSON has no number for is a string, as "NaN".
        (fields["outputs"] as! [String: [Any]]).mapValues { row in
            row.map { ($0 as? String).map { Float($0)! } ?? Float($0 as! Double) }
        }
    }

    /// Gives recorded outputs, and fails on any image but the recorded one.
    private struct Recorded: Engine {
        let name = "recorded"
        let prepared: RgbImage?
        let outputs: [String: [Float]]

        func run(_ image: RgbImage) throws -> [String: [Float]] {
            guard image == prepared else { throw TriageError.inference("not the recorded image") }
            return outputs
        }
    }

    private func check(_ what: String, _ right: Bool) {
        cases += 1
        if !right {
            mismatches += 1
            XCTFail(what)
        }
    }

    private func unmeasured(_ reasons: [Reason]) -> Quality {
        Quality(
            sharpness: 0, leastSharpness: 0, evenness: 0, detail: 0, echo: 0, brightness: 0, clipped: 0, highlight: 0,
            glare: 0, contrast: 0, colour: 0, warmth: 0, regionPx: nil, reasons: reasons
        )
    }

    private func checkQuality(_ what: String, _ quality: Quality, _ fields: Fields, _ tolerance: Double) {
        let expected = fields["quality"] as! Fields
        let found = [
            "sharpness": quality.sharpness, "least_sharpness": quality.leastSharpness, "evenness": quality.evenness,
            "detail": quality.detail, "echo": quality.echo, "brightness": quality.brightness, "clipped": quality.clipped,
            "highlight": quality.highlight, "glare": quality.glare, "contrast": quality.contrast, "colour": quality.colour,
            "warmth": quality.warmth,
        ]
        let near = found.allSatisfy { abs($1 - (expected[$0] as! Double)) <= tolerance }
        check("\(what): \(found), \(quality.reasons)", near && quality.reasons == reasons(fields))
    }

    /// Equal but for what JSONSerialization may round.
    private func same(_ found: Double?, _ expected: Double?) -> Bool {
        guard let found = found, let expected = expected else { return found == nil && expected == nil }
        return abs(found - expected) <= 1e-12 * max(1, abs(expected))
    }

    private func data(_ path: String) throws -> Data {
        try Data(contentsOf: Foundation.Bundle.module.resourceURL!.appendingPathComponent("Vectors/\(path)"))
    }

    private func document(_ path: String) throws -> Fields {
        try JSONSerialization.jsonObject(with: try data(path)) as! Fields
    }

    private func array(_ path: Any?) throws -> NpyArray {
        try NpyArray(try data(text(path)))
    }

    private func list(_ value: Any?) -> [Fields] {
        value as! [Fields]
    }

    private func text(_ value: Any?) -> String {
        value as! String
    }

    private func reasons(_ fields: Fields) -> [Reason] {
        (fields["reasons"] as! [String]).map { Reason(rawValue: $0)! }
    }

    /// Bytes from hex digits; nil for null.
    private func bytes(_ value: Any?) -> [UInt8]? {
        guard let digits = value as? String else { return nil }
        let units = Array(digits.utf8).map { $0 < 58 ? $0 - 48 : $0 - 87 }
        return stride(from: 0, to: units.count, by: 2).map { units[$0] << 4 | units[$0 + 1] }
    }

    private func image(_ fields: Fields, _ key: String) throws -> RgbImage? {
        guard let rgb = bytes(fields[key]) else { return nil }
        return try RgbImage(width: fields["width"] as! Int, height: fields["height"] as! Int, rgb: rgb)
    }

    private static func frame(_ fields: Fields, _ data: [UInt8]) throws -> CameraFrame {
        let planes = (fields["planes"] as! [[String: Int]]).map { plane -> Plane in
            let offset = plane["offset"]!
            let part = Array(data[offset..<(offset + plane["length"]!)])
            return Plane(data: part, rowStride: plane["row_stride"]!, pixelStride: plane["pixel_stride"]!)
        }
        return try CameraFrame(
            layout: CameraFrame.Layout(rawValue: fields["layout"] as! String)!, planes: planes,
            width: fields["width"] as! Int, height: fields["height"] as! Int,
            matrix: (fields["matrix"] as? String).flatMap { CameraFrame.Matrix(rawValue: $0) },
            range: (fields["value_range"] as? String).flatMap { CameraFrame.Range(rawValue: $0) },
            rotation: fields["rotation"] as! Int, mirrored: fields["mirrored"] as! Bool
        )
    }

    /// The largest difference in levels of 255; a difference in size counts as more than any.
    private func difference(_ found: RgbImage, _ expected: RgbImage) -> Int {
        guard found.width == expected.width, found.height == expected.height else { return .max }
        return zip(found.rgb, expected.rgb).map { abs(Int($0) - Int($1)) }.max() ?? 0
    }
}
