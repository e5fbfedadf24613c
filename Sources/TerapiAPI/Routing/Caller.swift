import TerapiCore

/// Who asks.
enum Caller: Sendable {
    case anyone
    case key(APIKey)
    case session(ConnectSession)
}
