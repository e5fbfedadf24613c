import CJavaScriptCore
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The event loop of a host process: one thread, all scripts of one environment.
final class ScriptLoop {
    // Set once before the loop begins and used on its thread only: the library's callbacks bring no pointer of ours.
    nonisolated(unsafe) static var current: ScriptLoop?

    /// What runs may leave behind, beside what is in use: more than the first and a quarter is cleared away when there is
    /// nothing else to do for a moment; more than the second and a half, at once: the engine itself does not count all
    /// that a run leaves. Clearing takes longer than an action.
    private static let worthCollecting = 8 << 20
    private static let tooMuchToKeep = 48 << 20
    private static let momentMilliseconds: Int32 = 100

    private let socket: FrameSocket
    private let outputBytes: Int
    private let frameBytes: Int
    private let group: JSContextGroupRef
    /// The realm of all runs whose scripts leave it as it is.
    private let realm: Realm
    /// Hears of rejections in the realms of single runs: made in the shared one, so that it keeps none of them.
    private let listener: JSObjectRef
    private let watchdog: Watchdog
    private var texts: ScriptTexts
    private var scripts: [UInt32: Script] = [:]
    /// Whose turn it is.
    private var turnNumber: UInt32 = 0
    private var timers = TimerQueue()
    private var residentAfterTurn: Int
    private var residentAfterCollection: Int
    /// Turns since the last clearing have left much behind.
    private var mayCollect = false
    private var input = ByteBuffer()
    private var output = ByteBuffer()
    private var units = ByteBuffer()
    /// The library is ending this turn; nothing can be called in it any more.
    private(set) var turnWasTooLong = false
    /// Modules that scripts share, as functions' texts, by hash: as they came, and parsed since a script asked for them.
    private var modules: [String: (text: JSStringRef, globals: Set<String>)] = [:]
    private var parsedModules: [String: ParsedText] = [:]
    private var parts: [Int: ParsedText] = [:]

    init(socket: FrameSocket, turn: Double, memoryBytes: Int, outputBytes: Int, frameBytes: Int) {
        self.socket = socket
        self.outputBytes = outputBytes
        self.frameBytes = frameBytes
        group = JSContextGroupCreate()
        // The first time, the library opens what it needs of files.
        realm = Realm(group: group, isShared: true)
        listener = JSObjectMakeFunctionWithCallback(realm.context, nil) { context, _, _, count, arguments, _ in
            if let arguments, count > 1 { ScriptLoop.current?.hear(arguments[0], rejectedWith: arguments[1]) }
            return context.flatMap(JSValueMakeUndefined)
        }
        JSValueProtect(realm.context, listener)
        realm.listen(with: listener)
        texts = ScriptTexts(group: group)
        watchdog = Watchdog(socket: socket, turn: turn, memoryBytes: memoryBytes)
        residentAfterTurn = watchdog.residentBytes
        residentAfterCollection = residentAfterTurn
        JSContextGroupSetExecutionTimeLimit(
            group, turn,
            { _, _ in
                ScriptLoop.current?.turnWasTooLong = true
                return true
            }, nil)
    }

    /// Returns when the server closes the socket.
    func run() {
        watchdog.start()
        while waitForFrame() {
            guard let header = socket.readHeader(maxLength: .max) else { return }
            // An answer's bytes are its run's own memory.
            turnBegins(header.run)
            let body = UnsafeMutableRawBufferPointer(rebasing: input.room(for: header.length)[..<header.length])
            guard socket.read(into: body) else { return }
            handle(header, UnsafeRawBufferPointer(body))
            input.shrink()
            turnEnds(header.run)
        }
    }

    /// Fires the timers that are due while no frame waits. `false` when waiting is not possible any more.
    private func waitForFrame() -> Bool {
        while true {
            // With something to do, only a look at the socket: between any two timers, so that a script with many
            // takes no turn from the others.
            let next = timers.millisecondsToNext
            if next == nil, !mayCollect { return true }
            let moment = mayCollect ? Self.momentMilliseconds : Int32.max
            let wait = min(next ?? moment, moment)
            var descriptor = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
            let count = poll(&descriptor, 1, wait)
            if count > 0 { return true }
            if count < 0, errno != EINTR { return false }
            if let timer = timers.takeDue() {
                turnBegins(timer.run)
                turn(timer.run) { $0.fire(timer.id) }
                turnEnds(timer.run)
            } else if mayCollect {
                collectGarbage()
            }
        }
    }

    private func handle(_ header: FrameHeader, _ body: UnsafeRawBufferPointer) {
        switch header.kind {
        case .start:
            start(header.run, body)
        case .response:
            turn(header.run) { $0.respond(header.call, body) }
        case .result:
            turn(header.run) { $0.resolve(header.call, body) }
        case .failure:
            turn(header.run) { $0.reject(header.call, body) }
        case .cancel:
            if scripts[header.run] != nil {
                end(header.run)
                socket(.finished, header.run, [])
            }
        case .module:
            keepModule(body)
        default:
            break
        }
    }

    private func keepModule(_ body: UnsafeRawBufferPointer) {
        let hash = body.prefix { $0 != 0x0A }
        let text = Array("(function (exports, require, module) {".utf8) + body[(hash.count + 1)...] + Array("\n})".utf8)
        guard let kept = Self.keptString(text) else { return }
        let globals = Prelude.globalsNamed(in: body)
        modules[String(decoding: hash, as: UTF8.self)] = (kept, globals)
    }

    /// A text that stays: eight bits a character where that is enough.
    static func keptString(_ bytes: [UInt8]) -> JSStringRef? {
        let short = (bytes + [0]).withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) { JSStringCreateWithUTF8CString($0.baseAddress) }
        }
        if let short, !bytes.contains(0) { return short }
        if let short { JSStringRelease(short) }
        // What cannot be read becomes U+FFFD.
        let units = Array(String(decoding: bytes, as: UTF8.self).utf16)
        return JSStringCreateWithCharacters(units, units.count)
    }

    /// A shared module that the server has sent, parsed once for all runs.
    func module(_ hash: String, name: String) -> ParsedText? {
        if let parsed = parsedModules[hash] { return parsed }
        guard let (text, globals) = modules.removeValue(forKey: hash) else { return nil }
        defer { JSStringRelease(text) }
        parsedModules[hash] = ParsedText(text, globals: globals, name: name, group: group)
        return parsedModules[hash]
    }

    /// A part of the prelude, parsed when the first run asks for it.
    func part(_ place: Int) -> ParsedText {
        if let parsed = parts[place] { return parsed }
        let parsed = Prelude.parse(place, group: group)
        parts[place] = parsed
        return parsed
    }

    /// - Parameter body: the settings, a newline, and the script's text.
    private func start(_ number: UInt32, _ body: UnsafeRawBufferPointer) {
        let (head, code) = body.splitLine()
        guard let settings = realm.object(head) else { return }
        let (line, rest) = code.splitLine()
        let header = ScriptHeader(of: String(decoding: line, as: UTF8.self))
        let script = header == nil ? code : rest
        let (text, mayShare) = texts.text(
            script, header, name: realm.swiftText(realm.get(settings, "name")),
            wantsOwnRealm: realm.stopsClock(settings))
        let home = mayShare ? realm : Realm(group: group, isShared: false)
        if !mayShare { home.listen(with: listener) }
        let run = Script(number, in: home)
        scripts[number] = run
        turn(number) { _ in
            guard let own = mayShare ? settings : home.object(head) else { return }
            run.start(own, header, text) { ScriptTexts.source(script) }
        }
    }

    private func hear(_ promise: JSValueRef?, rejectedWith reason: JSValueRef?) {
        scripts[turnNumber]?.hear(promise, rejectedWith: reason)
    }

    private func turnBegins(_ number: UInt32) {
        watchdog.turnBegins(
            of: number,
            foreignBytes: residentAfterTurn - (scripts[number]?.heldBytes ?? 0),
            isAlone: scripts.count <= 1
        )
    }

    private func turnEnds(_ number: UInt32) {
        watchdog.turnEnds()
        let resident = watchdog.residentBytes
        if let script = scripts[number] {
            script.heldBytes = max(0, script.heldBytes + resident - residentAfterTurn)
        }
        residentAfterTurn = resident
        let left = resident - residentAfterCollection
        mayCollect = left > max(Self.worthCollecting, residentAfterCollection / 4)
        if left > max(Self.tooMuchToKeep, residentAfterCollection / 2) { collectGarbage() }
    }

    /// One turn of a script: whatever it does until it waits again. The microtasks run before the library returns.
    private func turn(_ number: UInt32, _ body: (Script) -> Void) {
        guard let script = scripts[number], !script.isOver else { return }
        turnWasTooLong = false
        turnNumber = number
        body(script)
        if turnWasTooLong, !script.isOver {
            // Ended in the middle of its microtasks, the library does not run the next script reliably.
            watchdog.endProcess(run: number, limit: "cpu")
        }
        if script.isOver { end(number) }
    }

    private func end(_ number: UInt32) {
        guard let script = scripts.removeValue(forKey: number) else { return }
        timers.remove(run: number)
        script.release()
    }

    private func collectGarbage() {
        mayCollect = false
        input.free()
        output.free()
        units.free()
        JSSynchronousGarbageCollectForDebugging(realm.context)
        terapi_return_free_memory()
        residentAfterCollection = watchdog.residentBytes
        residentAfterTurn = residentAfterCollection
    }

    private func socket(_ kind: FrameHeader.Kind, _ run: UInt32, _ body: [UInt8]) {
        watchdog.whileWriting { socket.write(kind, run: run, [body]) }
    }

    // MARK: What the prelude calls

    /// Prints strings as UTF-8 right into a frame, one line each, the last one without its newline.
    func send(
        _ kind: FrameHeader.Kind, run: UInt32, call: UInt32, _ strings: [JSStringRef],
        bytes: UnsafeRawBufferPointer? = nil
    ) {
        let room = output.room(for: strings.reduce(FrameHeader.size) { $0 + JSStringGetLength($1) * 3 + 1 })
        var end = FrameHeader.size
        for (index, string) in strings.enumerated() {
            if let start = room.baseAddress {
                let units = UnsafeBufferPointer(
                    start: JSStringGetCharactersPtr(string),
                    count: JSStringGetLength(string)
                )
                end += UTF16Text.encode(units, into: (start + end).assumingMemoryBound(to: UInt8.self))
            }
            if index < strings.count - 1 || bytes != nil {
                room[end] = UInt8(ascii: "\n")
                end += 1
            }
        }
        let length = end - FrameHeader.size + (bytes?.count ?? 0)
        guard length <= frameBytes else {
            output.shrink()
            scripts[run]?.isOver = true
            return socket(.limitExceeded, run, Array("frame".utf8))
        }
        let header = FrameHeader(kind, run: run, call: call, length: length)
        header.write(to: room)
        let frame = UnsafeRawBufferPointer(rebasing: room[..<end])
        watchdog.whileWriting { _ = socket.write(bytes.map { [frame, $0] } ?? [frame]) }
        output.shrink()
    }

    /// Memory for a string, to be used at once.
    func withUnits<Result>(_ count: Int, _ body: (UnsafeMutablePointer<UInt16>) -> Result) -> Result? {
        defer { units.shrink() }
        return units.room(for: max(count, 1) * 2).baseAddress.map { body($0.assumingMemoryBound(to: UInt16.self)) }
    }

    func finish(_ script: Script, _ result: JSStringRef) {
        script.isOver = true
        if JSStringGetLength(result) > outputBytes {
            socket(.limitExceeded, script.number, Array("output".utf8))
        } else {
            send(.finished, run: script.number, call: 0, [result])
        }
    }

    func fail(_ script: Script, _ error: JSStringRef) {
        script.isOver = true
        send(.failed, run: script.number, call: 0, [error])
    }

    func startTimer(_ id: UInt32, of script: Script, milliseconds: Double) {
        timers.add(run: script.number, id: id, milliseconds: milliseconds)
    }
}

/// Memory that is kept for the next frame while it is small.
struct ByteBuffer {
    private static let kept = 1 << 20
    private var bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    mutating func room(for count: Int) -> UnsafeMutableRawBufferPointer {
        if bytes.count < count {
            bytes.deallocate()
            bytes = .allocate(byteCount: max(count, 256 << 10), alignment: 16)
        }
        return bytes
    }

    mutating func shrink() {
        if bytes.count > Self.kept { free() }
    }

    mutating func free() {
        bytes.deallocate()
        bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }
}
