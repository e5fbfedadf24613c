import Foundation
import TerapiCore
import TerapiScripts
import Testing

struct SyncFileTests {
    static let issues = """
        description: Issues of the repositories that the connection may see
        model: ticket
        frequency: every 5 minutes
        request:
          endpoint: /repos/${metadata.owner}/${metadata.repo}/issues
          params: { state: all, sort: updated, direction: asc, since: "${checkpoint.since}" }
          paginate: { type: link, rel: next, limit: 100, limit_name: per_page }
        backfill: { days: 365 }
        checkpoint: { since: max(item.updated_at), order: ascending, overlap: 1 second }
        where: "!item.pull_request"
        map:
          id: String(item.node_id)
          title: item.title
          status: item.state
        """

    @Test
    func `becomes a sync and its script`() throws {
        let sync = try read(Self.issues)

        #expect(sync.definition.models == ["ticket"])
        #expect(sync.definition.frequency.interval == .seconds(300))
        #expect(sync.definition.startsAutomatically)
        #expect(!sync.definition.tracksDeletes && !sync.definition.readsEverything)
        #expect(sync.method == "GET")
        #expect(sync.endpoint == "/repos/${metadata.owner}/${metadata.repo}/issues")
        #expect(
            sync.definition.code == """
                "use strict";
                const { createSync, declaredSync } = require('terapi');

                module.exports = createSync(declaredSync({
                    "file": "github/issues.yaml",
                    "checkpoint": {"order":"ascending","overlap":1000,"fields":{"since":"max(item.updated_at)"}},
                    "description": "Issues of the repositories that the connection may see",
                    "model": "ticket",
                    "frequency": "every 5 minutes",
                    "request": {"method":"GET","retries":3,"endpoint":"/repos/${metadata.owner}/${metadata.repo}/issues",\
                "params":{"state":"all","sort":"updated","direction":"asc","since":"${checkpoint.since}"},\
                "paginate":{"type":"link","link_rel_in_response_header":"next","limit":100,"limit_name_in_request":"per_page"}},
                    "backfill": {"days":365},
                    "where": "!item.pull_request",
                    "map": {"id":"String(item.node_id)","title":"item.title","status":"item.state"},
                }));

                """)
    }

    @Test(arguments: [
        ("modle: ticket", "1:1: expected one of description, model"),
        ("model: [a]\nfrequency: daily\nrequest: {endpoint: /x}", "1:8: expected model to be text, found a list"),
        ("model: a\nfrequency: sometimes\nrequest: {endpoint: /x}", "2:12: expected a frequency"),
        (
            "model: a\nfrequency: every day\nrequest: {}",
            "3:10: expected the key \"endpoint\" in request, which is missing"
        ),
        ("model: a\nfrequency: every day", "1:1: expected the key \"request\", which is missing"),
        (
            "model: a\nfrequency: every day\nrequest:\n  endpoint: /x\n  methd: GET",
            "5:3: expected one of method, endpoint"
        ),
        (
            "model: a\nfrequency: every day\nrequest:\n  endpoint: /x\n  method: FETCH",
            "5:11: expected request.method to be one of"
        ),
        (
            "model: a\nfrequency: every day\nrequest:\n  endpoint: /x\n  paginate: {type: pages}",
            "5:20: expected request.paginate.type to be one of link, cursor, offset, page, found \"pages\""
        ),
        (
            "model: a\nfrequency: every day\nrequest:\n  endpoint: /x\n  paginate: {type: link, limit: many}",
            "5:33: expected request.paginate.limit to be a whole number"
        ),
        (
            "model: a\nfrequency: every day\nrequest:\n  endpoint: /x\n  params: {since: '${checkpoint.since}'}",
            "5:19: expected a value that checkpoint names (the file has no checkpoint)"
        ),
        (
            "model: a\nfrequency: every day\nrequest:\n  endpoint: /${credentials.token}",
            "4:13: expected ${checkpoint.…}, ${metadata.…}"
        ),
        ("model: a\nfrequency: every day\nrequest:\n  endpoint: /${metadata.a", "4:13: expected \"}\" after \"${\""),
        (
            "model: a\nfrequency: every day\nrequest: {endpoint: /x}\nmap: {title: item.t}",
            "4:1: expected map to have an \"id\""
        ),
        (
            "model: a\nfrequency: every day\nrequest: {endpoint: /x}\ntrack_deletes: yes please",
            "4:16: expected track_deletes to be true or false"
        ),
        (
            "model: a\nfrequency: every day\nrequest: {endpoint: /x}\ncheckpoint: {s: max(item.s)}\ntrack_deletes: true",
            "5:1: expected track_deletes only without checkpoint"
        ),
        (
            "model: a\nfrequency: every day\nrequest: {endpoint: /x}\nbackfill: {days: 3}",
            "4:1: expected backfill only beside"
        ),
        (
            "model: a\nfrequency: every day\nrequest: {endpoint: /x}\ncheckpoint: {s: max(item.s), overlap: long}",
            "4:39: expected checkpoint.overlap to be a time"
        ),
        ("model: a\nmodel: b", "1:1: expected each key once, found again: model"),
        ("model: 'a\nfrequency: x", "2:13: expected YAML, found a mistake"),
        ("", "1:1: expected a mapping, found an empty file"),
        ("- a", "1:1: expected the file to be a mapping, found a list"),
    ])
    func `names the place of a mistake and what was expected`(text: String, expected: String) throws {
        let error = try #require(throws: TerapiError.self) { try read(text) }

        #expect(error.code == .invalidDefinition)
        #expect(error.issues.contains { $0.message.hasPrefix("github/issues.yaml:" + expected) }, "\(error)")
    }

    @Test
    func `collects every mistake`() throws {
        let error = try #require(throws: TerapiError.self) {
            try read("modle: a\nfrequency: never\nrequest:\n  endpont: /x")
        }

        #expect(error.issues.count == 5)
    }

    @Test
    func `loads a folder and reports all its mistakes at once`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "terapi-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (path, text) in [("github/syncs/issues.yaml", Self.issues), ("stripe/syncs/a.yaml", Self.issues)] {
            let file = URL(filePath: "\(folder)/\(path)")
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try text.write(to: file, atomically: true, encoding: .utf8)
        }

        let host = ScriptFixture.host()
        let integrations = IntegrationsFolder(folder)
        let syncs = try await integrations.load(host: host).syncs

        #expect(syncs.map { "\($0.integrationKey)/\($0.name)" } == ["github/issues", "stripe/a"])

        try "model: 3: 4".write(toFile: "\(folder)/stripe/syncs/a.yaml", atomically: true, encoding: .utf8)
        try "modle: x".write(toFile: "\(folder)/github/syncs/issues.yaml", atomically: true, encoding: .utf8)

        let error = try await #require(throws: TerapiError.self) { try await integrations.load(host: host) }
        #expect(error.issues.contains { $0.message.contains("stripe/syncs/a.yaml:1:9") }, "\(error)")
        #expect(error.issues.contains { $0.message.contains("github/syncs/issues.yaml:1:1") }, "\(error)")
    }

    private func read(_ text: String) throws -> SyncFile {
        try SyncFile(text, file: "github/issues.yaml", integrationKey: "github", name: "issues")
    }
}
