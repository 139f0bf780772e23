import Foundation
@testable import Skintriage

/// A .npy file, version 1.0, C order, of bytes (|u1) or little-endian floats (<f4).
struct NpyArray {
    let shape: [Int]
    let bytes: [UInt8]
    let floats: [Float]

    init(_ file: Data) throws {
        let data = [UInt8](file)
        let length = Int(data[8]) | Int(data[9]) << 8
        let header = String(decoding: data[10..<(10 + length)], as: UTF8.self)
        let real = header.contains("'descr': '<f4'")
        guard data[6] == 1, real || header.contains("'descr': '|u1'"), header.contains("'fortran_order': False"),
            let open = header.firstIndex(of: "("), let close = header.firstIndex(of: ")")
        else {
            throw TriageError.bundle("not a plain .npy file; make the kit again")
        }
        let sides = header[header.index(after: open)..<close].split(separator: ",")
        shape = sides.compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
        let body = Array(data[(10 + length)...])
        guard body.count == shape.reduce(real ? 4 : 1, *) else {
            throw TriageError.bundle("a .npy file of another length than its shape; make the kit again")
        }
        bytes = real ? [] : body
        floats = !real ? [] : stride(from: 0, to: body.count, by: 4).map { at in
            let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(body[at + $1]) << UInt32(8 * $1) }
            return Float(bitPattern: bits)
        }
    }

    func image() throws -> RgbImage {
        try RgbImage(width: shape[1], height: shape[0], rgb: bytes)
    }

    /// One row of the first axis.
    func row(_ index: Int) -> [Float] {
        let length = floats.count / shape[0]
        return Array(floats[(index * length)..<((index + 1) * length)])
    }
}
