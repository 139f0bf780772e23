import CryptoKit
import Foundation

/// The files of the kit: every one is checked against the manifest before it is used.
public struct ModelBundle {
    public let folder: URL
    public let manifest: Manifest
    /// Name, version and the first 12 hex digits of the manifest's SHA-256: the id that Python gives the bundle.
    public let id: String

    /// Reads the manifest in a folder; nil takes the package's own resources.
    public init(folder: URL? = nil) throws {
        let chosen = folder ?? Foundation.Bundle.module.resourceURL!.appendingPathComponent("Model")
        let data = try ModelBundle.contents(chosen.appendingPathComponent(Constants.manifest))
        manifest = try Manifest.parse(data)
        self.folder = chosen
        id = "\(manifest.name)-\(manifest.version)+\(ModelBundle.sha256(data).prefix(12))"
    }

    /// The model of a variant, every file of it checked.
    public func model(_ variant: Manifest.Variant) throws -> URL {
        let entries = manifest.files.filter { $0.path == variant.path || $0.path.hasPrefix(variant.path + "/") }
        guard !entries.isEmpty else {
            throw TriageError.bundle("\(variant.path): not in the manifest; make the kit again")
        }
        for entry in entries {
            let data = try ModelBundle.contents(folder.appendingPathComponent(entry.path))
            guard data.count == entry.sizeBytes, ModelBundle.sha256(data) == entry.sha256 else {
                throw TriageError.bundle("\(entry.path): differs from the manifest; make the kit again")
            }
        }
        return folder.appendingPathComponent(variant.path)
    }

    private static func contents(_ file: URL) throws -> Data {
        do {
            return try Data(contentsOf: file)
        } catch {
            throw TriageError.bundle("\(file.lastPathComponent): cannot be read; add it to the app")
        }
    }

    private static func sha256(_ data: Data) -> String {
        SHA256.hash(data: data).map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }
}
