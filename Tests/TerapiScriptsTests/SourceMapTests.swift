import Testing

@testable import TerapiScripts

struct SourceMapTests {
    /// Made by esbuild 0.17 of two files; its lines 30 to 42.
    private static let map = SourceMap(
        Array(
            #"""
            {"version": 3, "sources": ["a.ts", "../models.ts"],
             "mappings": ";;AAAA,mBAA+C;;;ACA/C,iBAAkB;AACX,IAAM,IAAI,aAAE,OAAO;;;ADC1B"}
            """#.utf8
        )
    )

    @Test(arguments: [
        (3, 1, "a.ts", 1, 1), (3, 19, "a.ts", 1, 1), (3, 20, "a.ts", 1, 48), (6, 3, "../models.ts", 1, 1),
        (6, 18, "../models.ts", 1, 19), (7, 5, "../models.ts", 2, 14), (7, 10, "../models.ts", 2, 18),
        (10, 99, "a.ts", 3, 1),
    ])
    func `finds the place that a character came from`(
        line: Int, column: Int, source: String, sourceLine: Int, sourceColumn: Int
    ) throws {
        let place = try #require(Self.map?.place(line: line, column: column))

        #expect(place == SourceMap.Place(source: source, line: sourceLine, column: sourceColumn))
    }

    @Test(arguments: [(1, 1), (4, 1), (11, 1), (0, 0)])
    func `knows nothing of lines that came from no file`(line: Int, column: Int) {
        #expect(Self.map?.place(line: line, column: column) == nil)
    }

    @Test(arguments: [
        "{}", "[]", #"{"version": 2, "sources": [], "mappings": ""}"#, #"{"version": 3, "mappings": "A"}"#,
    ])
    func `refuses what is no source map`(text: String) {
        #expect(SourceMap(Array(text.utf8)) == nil)
    }

    @Test(arguments: ["A!", "gggggggggggggg", "AA+", "zzzz", "AEAA"])
    func `ends at mappings that cannot be read`(mappings: String) {
        let json = #"{"version": 3, "sources": ["a.ts"], "mappings": "\#(mappings)"}"#

        #expect(SourceMap(Array(json.utf8))?.place(line: 1, column: 1) == nil)
    }
}
