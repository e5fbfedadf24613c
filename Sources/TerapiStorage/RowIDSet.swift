/// A set of row numbers as bytes: sorted, each as the difference to the one before, seven bits a byte. The thousand
/// rows of a batch lie close together and take one or two bytes each.
enum RowIDSet {
    static func encode(_ ids: [Int64]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(ids.count * 2)
        var last: Int64 = 0
        for id in ids.sorted() where id != last {
            var rest = UInt64(id - last)
            last = id
            while rest >= 0x80 {
                bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest >>= 7
            }
            bytes.append(UInt8(rest))
        }
        return bytes
    }

    /// Appends the set's rows.
    static func decode(_ bytes: UnsafeRawBufferPointer, into ids: inout [Int64]) {
        var last: Int64 = 0
        var difference: UInt64 = 0
        var shift: UInt64 = 0
        for byte in bytes {
            difference |= UInt64(byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 {
                last += Int64(truncatingIfNeeded: difference)
                ids.append(last)
                difference = 0
                shift = 0
            }
        }
    }
}
