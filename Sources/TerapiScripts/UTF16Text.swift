/// Between the bytes of frames and the 16-bit units of JavaScript strings. The library's own conversion goes unit by
/// unit, which costs half as much as parsing; this one takes sixteen at a time while they are ASCII.
enum UTF16Text {
    private static let step = 16

    /// - Parameter units: has room for as many units as there are bytes.
    /// - Returns: how many units the text has, or `nil` when it is not valid UTF-8.
    static func decode(_ bytes: UnsafeRawBufferPointer, into units: UnsafeMutablePointer<UInt16>) -> Int? {
        let count = bytes.count
        var read = 0
        var written = 0
        while read < count {
            while read + step <= count {
                let halves = bytes.loadUnaligned(fromByteOffset: read, as: SIMD2<UInt64>.self)
                guard (halves.x | halves.y) & 0x8080_8080_8080_8080 == 0 else { break }
                let block = unsafeBitCast(halves, to: SIMD16<UInt8>.self)
                UnsafeMutableRawPointer(units + written)
                    .storeBytes(of: SIMD16<UInt16>(truncatingIfNeeded: block), as: SIMD16<UInt16>.self)
                read += step
                written += step
            }
            // Up to a character beyond the next sixteen bytes, one by one: the next block begins wherever this ends.
            let end = min(count, read + step)
            while read < end {
                let byte = bytes[read]
                if byte < 0x80 {
                    units[written] = UInt16(byte)
                    read += 1
                    written += 1
                } else {
                    guard let (scalar, length) = scalar(bytes, at: read) else { return nil }
                    read += length
                    if scalar < 0x10000 {
                        units[written] = UInt16(scalar)
                        written += 1
                    } else {
                        units[written] = UInt16(0xD800 + (scalar - 0x10000) >> 10)
                        units[written + 1] = UInt16(0xDC00 + (scalar - 0x10000) & 0x3FF)
                        written += 2
                    }
                }
            }
        }
        return written
    }

    /// The character that begins at a byte of 0x80 or more, if the bytes there are a well-formed one (Unicode, table 3-7).
    private static func scalar(_ bytes: UnsafeRawBufferPointer, at start: Int) -> (scalar: UInt32, length: Int)? {
        let first = bytes[start]
        let length: Int
        let least: UInt32
        switch first {
        case 0xC2...0xDF: (length, least) = (2, 0x80)
        case 0xE0...0xEF: (length, least) = (3, 0x800)
        case 0xF0...0xF4: (length, least) = (4, 0x10000)
        default: return nil
        }
        guard start + length <= bytes.count else { return nil }
        var scalar = UInt32(first & (0x7F >> UInt8(length)))
        for index in start + 1..<start + length {
            guard bytes[index] & 0xC0 == 0x80 else { return nil }
            scalar = scalar << 6 | UInt32(bytes[index] & 0x3F)
        }
        guard scalar >= least, scalar <= 0x10FFFF, !(0xD800...0xDFFF).contains(scalar) else { return nil }
        return (scalar, length)
    }

    /// Half a surrogate pair becomes U+FFFD.
    /// - Parameter bytes: has room for three bytes for each unit.
    /// - Returns: how many bytes the text has.
    static func encode(_ units: UnsafeBufferPointer<UInt16>, into bytes: UnsafeMutablePointer<UInt8>) -> Int {
        let count = units.count
        let source = UnsafeRawBufferPointer(units)
        var read = 0
        var written = 0
        while read < count {
            while read + step <= count {
                let parts = source.loadUnaligned(fromByteOffset: read * 2, as: SIMD4<UInt64>.self)
                guard (parts.x | parts.y | parts.z | parts.w) & 0xFF80_FF80_FF80_FF80 == 0 else { break }
                let block = unsafeBitCast(parts, to: SIMD16<UInt16>.self)
                UnsafeMutableRawPointer(bytes + written)
                    .storeBytes(of: SIMD16<UInt8>(truncatingIfNeeded: block), as: SIMD16<UInt8>.self)
                read += step
                written += step
            }
            let end = min(count, read + step)
            while read < end {
                let unit = UInt32(units[read])
                read += 1
                if unit < 0x80 {
                    bytes[written] = UInt8(unit)
                    written += 1
                } else if unit < 0x800 {
                    bytes[written] = 0xC0 | UInt8(unit >> 6)
                    bytes[written + 1] = 0x80 | UInt8(unit & 0x3F)
                    written += 2
                } else if unit & 0xFC00 == 0xD800, read < count, units[read] & 0xFC00 == 0xDC00 {
                    let scalar = 0x10000 + (unit & 0x3FF) << 10 + UInt32(units[read] & 0x3FF)
                    read += 1
                    bytes[written] = 0xF0 | UInt8(scalar >> 18)
                    bytes[written + 1] = 0x80 | UInt8(scalar >> 12 & 0x3F)
                    bytes[written + 2] = 0x80 | UInt8(scalar >> 6 & 0x3F)
                    bytes[written + 3] = 0x80 | UInt8(scalar & 0x3F)
                    written += 4
                } else {
                    let scalar = unit & 0xF800 == 0xD800 ? 0xFFFD : unit
                    bytes[written] = 0xE0 | UInt8(scalar >> 12)
                    bytes[written + 1] = 0x80 | UInt8(scalar >> 6 & 0x3F)
                    bytes[written + 2] = 0x80 | UInt8(scalar & 0x3F)
                    written += 3
                }
            }
        }
        return written
    }
}
