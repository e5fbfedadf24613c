import TerapiCore
import Testing

struct TimestampTests {
    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000000+00:00"), (1, "1970-01-01T00:00:00.000001+00:00"),
        (-1, "1969-12-31T23:59:59.999999+00:00"), (-86_400_000_000, "1969-12-31T00:00:00.000000+00:00"),
        (951_782_400_000_000, "2000-02-29T00:00:00.000000+00:00"),
        (1_709_251_199_999_999, "2024-02-29T23:59:59.999999+00:00"),
        (1_709_251_200_000_000, "2024-03-01T00:00:00.000000+00:00"),
        (-2_203_891_200_000_000, "1900-03-01T00:00:00.000000+00:00"),
        (-2_203_891_200_000_001, "1900-02-28T23:59:59.999999+00:00"),
        (1_695_050_435_941_305, "2023-09-18T15:20:35.941305+00:00"),
        (4_102_444_800_000_000, "2100-01-01T00:00:00.000000+00:00"),
        (-62_135_596_800_000_000, "0001-01-01T00:00:00.000000+00:00"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999+00:00"),
    ])
    func `writes and reads a moment`(microseconds: Int64, text: String) {
        let moment = Timestamp(microseconds: microseconds)
        #expect(moment.iso8601 == text)
        #expect(Timestamp(iso8601: text) == moment)
    }

    @Test
    func `agrees with itself over four hundred years, day by day`() throws {
        var moment = try #require(Timestamp(iso8601: "1800-01-01T12:34:56.000007Z"))
        var previous = ""
        for _ in 0..<146_097 {
            let text = moment.iso8601
            #expect(Timestamp(iso8601: text) == moment)
            #expect(previous < text)
            previous = text
            moment = moment + .seconds(86_400)
        }
        #expect(moment.iso8601 == "2200-01-01T12:34:56.000007+00:00")
    }

    @Test(arguments: [
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000000+00:00"),
        ("2024-01-01t00:00:00z", "2024-01-01T00:00:00.000000+00:00"),
        ("2024-01-01 00:00:00Z", "2024-01-01T00:00:00.000000+00:00"),
        ("2024-01-01T00:30:00+02:00", "2023-12-31T22:30:00.000000+00:00"),
        ("2024-01-01T00:30:00-0530", "2024-01-01T06:00:00.000000+00:00"),
        ("2024-01-01T00:30:00+02", "2023-12-31T22:30:00.000000+00:00"),
        ("2024-01-01T00:00:00.5Z", "2024-01-01T00:00:00.500000+00:00"),
        ("2024-01-01T00:00:00,123456789Z", "2024-01-01T00:00:00.123456+00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000+00:00"),
    ])
    func `reads offsets and fractions`(text: String, expected: String) {
        #expect(Timestamp(iso8601: text)?.iso8601 == expected)
    }

    @Test(arguments: [
        "", "now", "2024-01-01", "2024-01-01T00:00:00", "2024-01-01T00:00Z", "2024-13-01T00:00:00Z",
        "2024-00-01T00:00:00Z", "2024-01-00T00:00:00Z", "2024-01-32T00:00:00Z", "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z", "2024-04-31T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z",
        "2024-01-01T00:00:61Z", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00+24:00", "2024-01-01T00:00:00+02:60",
        "2024-01-01T00:00:00Z ", " 2024-01-01T00:00:00Z", "24-01-01T00:00:00Z", "+2024-01-01T00:00:00Z",
        "2024-01-01T00:00:00+2:00", "2024-1-01T00:00:00Z", "２０２４-01-01T00:00:00Z", "2024-01-01T00:00:00.１Z",
        "0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
    ])
    func `refuses what is not a date and time with an offset`(text: String) {
        #expect(Timestamp(iso8601: text) == nil)
    }

    @Test(arguments: [Int64.min, -62_167_219_200_000_001, 253_402_300_800_000_000, Int64.max])
    func `writes moments beyond four digits of the year as the nearest that has them`(microseconds: Int64) {
        let expected = microseconds < 0 ? "0000-01-01T00:00:00.000000+00:00" : "9999-12-31T23:59:59.999999+00:00"
        #expect(Timestamp(microseconds: microseconds).iso8601 == expected)
    }

    @Test
    func `rounds seconds down`() {
        #expect(Timestamp(microseconds: 1_999_999).unixSeconds == 1)
        #expect(Timestamp(microseconds: -1).unixSeconds == -1)
        #expect(Timestamp(microseconds: Int64.min).unixSeconds == -9_223_372_036_855)
    }

    @Test
    func `adds and takes away, and stops at its bounds`() {
        let moment = Timestamp(microseconds: 10)
        #expect(moment + .microseconds(5) == Timestamp(microseconds: 15))
        #expect(moment - .seconds(1) == Timestamp(microseconds: -999_990))
        #expect(Timestamp(microseconds: 15) - moment == .microseconds(5))
        // A provider may claim that its token lives for ever.
        #expect(moment + .seconds(Int64.max) == Timestamp(microseconds: .max))
        #expect(Timestamp(microseconds: -5) - .seconds(Int64.max) == Timestamp(microseconds: .min))
        #expect(Timestamp(microseconds: .max) - Timestamp(microseconds: -5) == .microseconds(Int64.max))
        #expect(Timestamp(microseconds: .max) + .seconds(1) == Timestamp(microseconds: .max))
    }
}
