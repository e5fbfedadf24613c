#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Whether a script leaves the world around it as it is, as far as its text shows, so that its runs and those of others
/// can share a realm.
///
/// A realm of its own costs a run a quarter of a megabyte and a millisecond, and with zod ten times that. Sharing is for
/// scripts that surely stay apart: what only looks like a change of something shared counts as one.
enum SharedRealmRule {
    /// Words without which a script does not reach what all scripts of a realm have in common, and settings of packages
    /// that scripts share.
    private static let forbidden: Set<String> = [
        "globalThis", "Function", "eval", "__proto__", "setPrototypeOf", "globalRegistry", "setErrorMap",
    ]
    /// Words that are forbidden only where something is done with them.
    private static let suspicious: Set<String> = [
        "prototype", "getPrototypeOf", "global", "constructor", "config", "meta", "register",
    ]
    /// What the shared realm freezes; elsewhere it is a script's good right to change it.
    private static let frozen = Set(
        """
        AggregateError Array ArrayBuffer BigInt Boolean DataView Date Error EvalError Intl Iterator JSON Map Math Number \
        Object Promise Proxy RangeError ReferenceError Reflect RegExp Set String Symbol SyntaxError TypeError URIError \
        Uint8Array WeakMap WeakRef WeakSet
        """.split(separator: " ").map(String.init)
    ).union(Prelude.realmGlobals)
    private static let longest = 17

    /// - Parameters:
    ///   - code: the text without its header.
    ///   - header: what the bundler said of it.
    static func allows(_ code: UnsafeRawBufferPointer, _ header: ScriptHeader?) -> Bool {
        // In other JavaScript a name that nobody declared becomes a global.
        let isTyped = header.map { $0.source.hasSuffix(".ts") || $0.source.hasSuffix(".tsx") } ?? false
        return (isTyped || isStrict(code)) && words(of: code).allSatisfy { isHarmless($0, in: code) }
    }

    private static func isStrict(_ code: UnsafeRawBufferPointer) -> Bool {
        let start = code.drop { isSpace($0) }
        return ["'use strict'", "\"use strict\""].contains { start.starts(with: $0.utf8) }
    }

    private static func isHarmless(_ word: Range<Int>, in code: UnsafeRawBufferPointer) -> Bool {
        let text = String(decoding: code[word], as: UTF8.self)
        let isMember = word.lowerBound > 0 && code[word.lowerBound - 1] == UInt8(ascii: ".")
        let next = afterSpace(word.upperBound, in: code)
        let isCalled = next < code.count && code[next] == UInt8(ascii: "(")
        switch text {
        case _ where forbidden.contains(text): return false
        // `Object.prototype.hasOwnProperty.call(…)`, but neither the object itself nor a member of it that is set.
        case "prototype": return !isSet(at: next, in: code)
        // As bundlers write it.
        case "getPrototypeOf": return next < code.count && code[next] == UInt8(ascii: ";")
        case "global":
            return isMember
                || word.lowerBound > 0 && [UInt8(ascii: "'"), UInt8(ascii: "\"")].contains(code[word.lowerBound - 1])
        case "constructor": return !isMember || next >= code.count || !"([=".utf8.contains(code[next])
        case "config", "meta", "register": return !isMember || !isCalled
        default:
            let isUsedWhole = next >= code.count || code[next] != UInt8(ascii: ".") && code[next] != UInt8(ascii: "[")
            return isMember || !frozen.contains(text) || isUsedWhole || !isSet(at: next, in: code)
        }
    }

    /// Whether a member is set, or could be: `.name = …`, `.name += …`, `[name]`, or no member at all.
    private static func isSet(at place: Int, in code: UnsafeRawBufferPointer) -> Bool {
        guard place < code.count, code[place] == UInt8(ascii: ".") else { return true }
        var end = afterSpace(place + 1, in: code)
        while end < code.count, isOfName(code[end]) { end += 1 }
        let rest = code[afterSpace(end, in: code)...].prefix(4)
        let sign = rest.prefix { "=+-*/%&|^?<>!".utf8.contains($0) }
        switch String(decoding: sign, as: UTF8.self) {
        case "", "==", "===", "!=", "!==", "<", ">", "<=", ">=", "&&", "||", "??", "?", "+", "-", "*", "/", "%", "&",
            "|",
            "^", "<<", ">>", ">>>", "**":
            return false
        default: return true
        }
    }

    /// The places of those words that could be harmful.
    private static func words(of code: UnsafeRawBufferPointer) -> [Range<Int>] {
        let known = forbidden.union(suspicious).union(frozen)
        let firsts = Set(known.compactMap(\.utf8.first))
        var found: [Range<Int>] = []
        var place = 0
        while place < code.count {
            guard isOfName(code[place]) else {
                place += 1
                continue
            }
            let start = place
            while place < code.count, isOfName(code[place]) { place += 1 }
            guard place - start <= longest, firsts.contains(code[start]) else { continue }
            if known.contains(String(decoding: code[start..<place], as: UTF8.self)) { found.append(start..<place) }
        }
        return found
    }

    private static func afterSpace(_ place: Int, in code: UnsafeRawBufferPointer) -> Int {
        code[place...].firstIndex { !isSpace($0) } ?? code.count
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || (0x09...0x0D).contains(byte)
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        Prelude.isOfName(byte) || byte >= 0x80
    }
}
