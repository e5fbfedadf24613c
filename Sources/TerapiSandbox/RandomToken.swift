/// A token of 256 random bits that nobody can guess, with a prefix that says what it is for.
func randomToken(_ prefix: String) -> String {
    var generator = SystemRandomNumberGenerator()
    let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    return prefix + "_" + base64URL(bytes)
}
