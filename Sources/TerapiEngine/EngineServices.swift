import Logging
import TerapiCore

/// The rooms that the engine works with, wired by the executable.
struct EngineServices: Sendable {
    let settings: any SettingsStorage
    let connections: any ConnectionStorage
    let records: any RecordStorage
    let syncs: any SyncStorage
    let actions: any ActionStorage
    let deliveries: any WebhookStorage
    let incoming: any ProviderWebhookStorage
    let providers: any ProviderAPI
    let scripts: any ScriptRuntime
    let client: any OutboundClient
    let log: any LogSink
    let clock: any WallClock
    let logger: Logger
    /// Where browsers and providers reach the server, without a slash at the end.
    let publicURL: String

    /// Random per boot: what a process of another boot holds is known to be nobody's.
    let bootID: String

    let catalog: ScriptCatalog
    let credentials: any CredentialSource
    let webhooks: WebhookComposer
    let gate: ConnectionGate
    let locks: ScriptLocks
    let syncWakeUp: WakeUp
    let actionWakeUp: WakeUp
    let webhookWakeUp: WakeUp
    let incomingWakeUp = WakeUp()
    let renewalWakeUp = WakeUp()
}
