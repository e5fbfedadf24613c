/// Spellings of places that must never be reached, and of places that may be, for every test of an entrance to the
/// outbound guard.
public enum ForbiddenAddresses {
    /// IPv4 addresses that are not globally reachable, several of each kind.
    public static let ipv4: [(UInt8, UInt8, UInt8, UInt8)] = [
        (127, 0, 0, 1), (127, 255, 255, 254), (169, 254, 169, 254), (169, 254, 170, 2), (10, 0, 0, 1),
        (10, 255, 255, 255), (192, 168, 0, 1), (192, 168, 255, 254), (172, 16, 0, 1), (172, 31, 255, 254),
        (100, 64, 0, 1), (100, 100, 100, 200), (192, 0, 0, 192), (168, 63, 129, 16), (0, 0, 0, 0), (0, 1, 2, 3),
        (192, 0, 2, 7), (198, 18, 0, 1), (198, 19, 255, 255), (198, 51, 100, 9), (203, 0, 113, 5), (192, 88, 99, 1),
        (224, 0, 0, 1), (239, 255, 255, 250), (240, 0, 0, 1), (255, 255, 255, 255),
    ]

    /// IPv6 hosts, without brackets.
    public static let ipv6 = [
        "::1", "0:0:0:0:0:0:0:1", "0000:0000:0000:0000:0000:0000:0000:0001", "::", "::ffff:127.0.0.1", "fd00:ec2::254",
        "fc00::1", "fdff:ffff::1", "fe80::1", "febf::1", "fec0::1", "ff02::1", "ff0e::1", "2001:db8::1", "3fff::1",
        "2001::1", "2001:0:7f00:1::", "2001:10::1", "2002:7f00:1::", "2002:a9fe:a9fe::", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "100::1", "5f00::1", "fd20:ce::254", "4000::1", "::7f00:1",
        "::a9fe:a9fe", "::ffff:0:a9fe:a9fe", "0:0:0:0:0:ffff:a9fe:a9fe",
    ]

    /// Every spelling of one IPv4 address that some URL reader or some resolver takes for that address.
    public static func spellings(_ address: (UInt8, UInt8, UInt8, UInt8)) -> [String] {
        let (a, b, c, d) = address
        let number = UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d)
        let parts = [a, b, c, d]
        let dotted = parts.map { String($0) }.joined(separator: ".")
        let hex = parts.map { hexadecimal(UInt32($0), 2) }
        let last24 = number & 0xFF_FFFF
        let last16 = number & 0xFFFF
        let high = hexadecimal(number >> 16, 4)
        let low = hexadecimal(number & 0xFFFF, 4)
        return [
            dotted, dotted + ".", String(number), "0x" + hexadecimal(number, 8),
            "0X" + hexadecimal(number, 8).uppercased(),
            "0" + String(number, radix: 8), "\(a).\(last24)", "\(a).\(b).\(last16)",
            parts.map { "0" + String($0, radix: 8) }.joined(separator: "."),
            parts.map { "000" + String($0, radix: 8) }.joined(separator: "."),
            hex.map { "0x" + $0 }.joined(separator: "."), "0x\(hex[0]).\(b).0\(String(c, radix: 8)).\(d)",
            "\(a).\(b).\(c).0x\(hex[3])", "00\(a).\(b).\(c).\(d)", "[::ffff:\(dotted)]", "[::ffff:\(high):\(low)]",
            "[0:0:0:0:0:ffff:\(high):\(low)]", "[::\(dotted)]", "[64:ff9b::\(dotted)]", "[64:ff9b::\(high):\(low)]",
            "[64:ff9b:1::\(high):\(low)]", "[2002:\(high):\(low)::1]", percentEncoded(dotted), fullWidth(dotted),
            dotted.replacing(".", with: "\u{3002}"), dotted.replacing(".", with: "%2e"), dotted + "%00.example.com",
            dotted + "%0d%0a", "[\(dotted)]", dotted + "\\@example.com",
        ]
    }

    /// URLs that lead to a forbidden place in some reading: more than 400.
    public static func urls(scheme: String = "http", port: Int? = nil, path: String = "/latest/meta-data/") -> [String]
    {
        let suffix = (port.map { ":\($0)" } ?? "") + path
        let hosts =
            ipv4.flatMap(spellings) + ipv6.map { "[\($0)]" } + ipv6.map { "[\($0.uppercased())]" }
            + ["[fe80::1%25eth0]", "[::1%25lo]", "[::1%lo]", "[fe80::1%eth0]", "[::ffff:127.0.0.1%25lo]"]
        return hosts.map { "\(scheme)://\($0)\(suffix)" } + tricks(scheme: scheme, suffix: suffix)
    }

    private static func tricks(scheme: String, suffix: String) -> [String] {
        [
            "\(scheme)://user@127.0.0.1\(suffix)", "\(scheme)://user:pass@169.254.169.254\(suffix)",
            "\(scheme)://example.com@127.0.0.1\(suffix)", "\(scheme)://127.0.0.1\\@example.com\(suffix)",
            "\(scheme)://example.com\\@127.0.0.1\(suffix)",
            "\(scheme)://example.com#@127.0.0.1:80@\(suffix)".replacing("#", with: "%23"),
            "\(scheme)://127.0.0.1\r\nHost: example.com\(suffix)", "\(scheme)://127.0.0.1\t\(suffix)",
            "\(scheme):///127.0.0.1\(suffix)", "\(scheme):/127.0.0.1\(suffix)", "\(scheme):127.0.0.1\(suffix)",
            "//127.0.0.1\(suffix)", "\(scheme)://\(suffix)", "\(scheme):\\\\127.0.0.1\(suffix)",
            "file:///etc/passwd", "gopher://127.0.0.1:6379/_", "ftp://127.0.0.1/", "unix:/var/run/docker.sock",
            "http+unix://%2Fvar%2Frun%2Fdocker.sock/", "dict://127.0.0.1:11211/", "jar:http://127.0.0.1!/",
            "\(scheme)://127.0.0.1 .example.com\(suffix)", "\(scheme)://[::1\(suffix)", "\(scheme)://::1\(suffix)",
            "\(scheme)://[::1].example.com\(suffix)", "\(scheme)://0\(suffix)", "\(scheme)://0x\(suffix)",
            "\(scheme)://0x7f.1\(suffix)", "\(scheme)://127.1\(suffix)", "\(scheme)://127.0.0.1..\(suffix)",
            "\(scheme)://.127.0.0.1\(suffix)", "\(scheme)://\u{2460}\u{2461}\u{2466}.0.0.1\(suffix)",
            "\(scheme)://loc\u{00AD}alhost\(suffix)", "\(scheme)://127.0.0.1:0\(path(suffix))",
            "\(scheme)://127.0.0.1:65536\(path(suffix))", "\(scheme)://127.0.0.1:+80\(path(suffix))",
        ]
    }

    /// More than 200 URLs of public places; names resolve to whatever the test's resolver says.
    public static func publicURLs() -> [String] {
        let firstBytes: [UInt8] = [
            1, 8, 9, 11, 23, 34, 52, 64, 99, 104, 126, 128, 140, 151, 170, 173, 185, 191, 195, 216, 223,
        ]
        let addresses = firstBytes.flatMap { first in
            [(0, 0, 1), (8, 4, 4), (65, 12, 34), (99, 200, 77), (255, 255, 254)].map {
                "\(first).\($0.0).\($0.1).\($0.2)"
            }
        }
        let edges = [
            "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
            "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255", "168.63.129.15", "168.63.129.17", "1.0.0.0", "192.88.98.255", "192.88.100.0",
        ]
        let ipv6 = [
            "[2606:4700:4700::1111]", "[2001:4860:4860::8888]", "[2a00:1450:4001:81b::200e]", "[2400:cb00::1]",
            "[2620:fe::fe]", "[2003::1]", "[2001:200::1]", "[2a03:2880::1]", "[3ffe::1]", "[2001:0DB7:FFFF::1]",
        ]
        let names =
            (1...60).map { "api\($0).example-\($0).com" }
            + [
                "xn--bcher-kva.example", "a.b.c.d.example.org.", "EXAMPLE.com", "under_score.example.net",
                "1password.com",
                "0xabc.example.com", "123.example.com", "10.0.0.1.nip.example", "localhost.example.com",
            ]
        let hosts = addresses + edges + ipv6 + names
        return hosts.enumerated().map { index, host in
            switch index % 4 {
            case 0: "https://\(host)/"
            case 1: "http://\(host)/v1/items?limit=100&page[size]=5"
            case 2: "https://\(host):8443/a/b?q=%20x"
            default: "HTTPS://\(host)"
            }
        }
    }

    private static func path(_ suffix: String) -> String {
        suffix.firstIndex(of: "/").map { String(suffix[$0...]) } ?? "/"
    }

    private static func hexadecimal(_ number: UInt32, _ width: Int) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    private static func percentEncoded(_ text: String) -> String {
        text.utf8.map { "%" + hexadecimal(UInt32($0), 2) }.joined()
    }

    private static func fullWidth(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.compactMap { scalar in
                    (0x30...0x39).contains(scalar.value)
                        ? Unicode.Scalar(scalar.value + 0xFEE0) : Unicode.Scalar(0xFF0E as UInt32)
                }
            )
        )
    }
}
