import Foundation

/// Every error that a user or a developer can mend; the message says how.
public enum TriageError: LocalizedError {
    /// An image or camera frame cannot become the model's input.
    case capture(String)
    /// The bundle is incomplete, altered, of another schema, or lacks what was asked for.
    case bundle(String)
    /// The inference runtime failed.
    case inference(String)

    public var errorDescription: String? {
        switch self {
        case .capture(let message), .bundle(let message), .inference(let message):
            return message
        }
    }
}
