import CoreGraphics

public final class CVPixelBuffer {}
public typealias CVBuffer = CVPixelBuffer

public struct CVPixelBufferLockFlags: OptionSet {
    public static let readOnly = CVPixelBufferLockFlags(rawValue: 1)
    public let rawValue: UInt64
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

public let kCVPixelFormatType_32BGRA: UInt32 = 1
public let kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange: UInt32 = 2
public let kCVPixelFormatType_420YpCbCr8BiPlanarFullRange: UInt32 = 3
public let kCVImageBufferYCbCrMatrixKey = CFString("CVImageBufferYCbCrMatrix")
public let kCVImageBufferYCbCrMatrix_ITU_R_601_4 = CFString("ITU_R_601_4")
public let kCVImageBufferYCbCrMatrix_ITU_R_709_2 = CFString("ITU_R_709_2")

@discardableResult
public func CVPixelBufferLockBaseAddress(_ buffer: CVPixelBuffer, _ flags: CVPixelBufferLockFlags) -> Int32 { 0 }
@discardableResult
public func CVPixelBufferUnlockBaseAddress(_ buffer: CVPixelBuffer, _ flags: CVPixelBufferLockFlags) -> Int32 { 0 }
public func CVPixelBufferGetWidth(_ buffer: CVPixelBuffer) -> Int { 0 }
public func CVPixelBufferGetHeight(_ buffer: CVPixelBuffer) -> Int { 0 }
public func CVPixelBufferGetHeightOfPlane(_ buffer: CVPixelBuffer, _ plane: Int) -> Int { 0 }
public func CVPixelBufferGetBytesPerRow(_ buffer: CVPixelBuffer) -> Int { 0 }
public func CVPixelBufferGetBytesPerRowOfPlane(_ buffer: CVPixelBuffer, _ plane: Int) -> Int { 0 }
public func CVPixelBufferGetBaseAddress(_ buffer: CVPixelBuffer) -> UnsafeMutableRawPointer? { nil }
public func CVPixelBufferGetBaseAddressOfPlane(_ buffer: CVPixelBuffer, _ plane: Int) -> UnsafeMutableRawPointer? { nil }
public func CVPixelBufferGetPixelFormatType(_ buffer: CVPixelBuffer) -> UInt32 { 0 }
public func CVBufferCopyAttachment(_ buffer: CVBuffer, _ key: CFString, _ mode: UnsafeMutablePointer<UInt32>?) -> AnyObject? { nil }
@discardableResult
public func CVPixelBufferCreate(
    _ allocator: AnyObject?, _ width: Int, _ height: Int, _ format: UInt32, _ attributes: [CFString: Any]?,
    _ made: UnsafeMutablePointer<CVPixelBuffer?>
) -> Int32 { 0 }
