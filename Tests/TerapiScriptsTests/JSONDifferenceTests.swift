import TerapiCore
import Testing

@testable import TerapiScripts

struct JSONDifferenceTests {
    @Test(arguments: [
        (#"{"a":1}"#, #"{"a":1}"#, []),
        (#"{"a":1,"b":2}"#, #"{"b":2,"a":1}"#, []),
        (#"{"a":1}"#, #"{"a":2}"#, ["a"]),
        (#"{"a":{"b":[1,2]}}"#, #"{"a":{"b":[1,3,4]}}"#, ["a.b[1]", "a.b[2]"]),
        (#"{"a":1}"#, #"{"b":1}"#, ["a", "b"]),
        (#"[1]"#, #"{}"#, [""]),
        (
            #"{"l":[{"id":1,"t":"a"},{"id":2,"t":"b"}]}"#, #"{"l":[{"id":0},{"id":1,"t":"a"},{"id":2,"t":"c"}]}"#,
            ["l[id=2].t", "l[id=0]"]
        ),
        (#"{"l":[{"id":1},{"id":2}]}"#, #"{"l":[{"id":2},{"id":1}]}"#, ["l, the order of ids"]),
        (#"{"l":[{"id":1},{"id":1}]}"#, #"{"l":[{"id":1},{"id":2}]}"#, ["l[1].id"]),
    ])
    func `names the places in which documents differ`(left: String, right: String, paths: [String]) throws {
        let found = JSONDifference.between(try JSONReader.read(left), try JSONReader.read(right))

        #expect(found.map(\.path) == paths)
    }

    @Test
    func `shows what was expected and what was found`() {
        let changed = JSONDifference(path: "saved.Ticket[id=1].title", expected: "Old", found: "New")
        let gone = JSONDifference(path: "output", expected: [1], found: nil)

        #expect(changed.description == "saved.Ticket[id=1].title\n  - \"Old\"\n  + \"New\"")
        #expect(gone.description == "output\n  - [1]")
    }
}
