#!/usr/bin/env bash
# The format (.swift-format) and the rules of the house that a search can hold. CONTRIBUTING.md says why they exist.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
report() {
    printf 'lint: %s\n%s\n\n' "$1" "$2" >&2
    failed=1
}

# forbid "what the rule says" PATTERN PATH... [-- ALLOWED_PATH_PATTERN]
forbid() {
    local rule=$1 pattern=$2 paths=() allowed='^$' found
    shift 2
    while [ $# -gt 0 ]; do
        if [ "$1" = -- ]; then
            allowed=$2
            break
        fi
        [ -e "$1" ] && paths+=("$1")
        shift
    done
    [ ${#paths[@]} -gt 0 ] || return 0
    found=$(grep -rnIE --exclude-dir=__pycache__ -e "$pattern" "${paths[@]}" | grep -vE "$allowed" || true)
    [ -z "$found" ] || report "$rule" "$found"
}

# One room per outside library: `room LIBRARY FOLDER…` says where it may be imported.
room() {
    local library=$1 allowed
    shift
    allowed="^Sources/($(IFS='|' && echo "$*"))/"
    forbid "$library may be imported only in: $*" \
        "^ *(public |package |internal |private )?(@[A-Za-z_]+ )*import +([a-z]+ +)?$library(\.|$| )" Sources -- "$allowed"
}

room CSQLite TerapiSQLite
room CJavaScriptCore TerapiScripts
room AsyncHTTPClient TerapiProviders
room Yams TerapiScripts
room CYaml TerapiProviders
room Hummingbird TerapiAPI TerapiSandbox
room ArgumentParser terapi
room Configuration terapi

# Arrows point to TerapiCore: rooms side by side do not import each other; only the executable knows them all.
neighbours() {
    local folder=$1 allowed=$2
    [ -d "Sources/$folder" ] || return 0
    forbid "$folder may import no other room than: $allowed" \
        '^ *(public |package |internal |private )?import +Terapi[A-Za-z]+' "Sources/$folder" -- "import +($allowed)\$"
}

neighbours TerapiCore TerapiCore
neighbours TerapiStorage TerapiCore
neighbours TerapiSQLite 'TerapiCore|TerapiStorage'
neighbours TerapiProviders TerapiCore
neighbours TerapiScripts TerapiCore
neighbours TerapiTemplates TerapiCore
neighbours TerapiEngine TerapiCore
neighbours TerapiAPI TerapiCore
neighbours TerapiSandbox TerapiCore

forbid 'throw a TerapiError, or use precondition for a programmer mistake' '\bfatalError\(' Sources
forbid 'a TODO names its issue: TODO(#12)' '\b(TODO|FIXME|XXX)\b' Sources Tests -- '(TODO|FIXME)\(#[0-9]+\)|Tests/Counterparts/'
forbid 'tests move a clock or await a signal; they do not sleep' '\b(Task\.sleep|usleep|Thread\.sleep)\b' Tests
forbid 'a name that says nothing' \
    '\b(class|struct|enum|actor|protocol) [A-Za-z]*(Manager|Helper|Utils?|Common|Impl)\b' Sources Tests
forbid 'Foundation JSON stays off the paths of records' '\bJSON(Serialization|Decoder|Encoder)\b' \
    Sources/TerapiCore Sources/TerapiStorage Sources/TerapiSQLite Sources/TerapiScripts Sources/TerapiEngine

# Who switches a check off says why, on the line or on the one above.
unexplained=$(find Sources Tests -name '*.swift' -exec awk '
    /@unchecked Sendable|nonisolated\(unsafe\)/ && !/^ *\/\// && !/\/\// && previous !~ /\/\/|^ *\*/ {
        printf "%s:%d:%s\n", FILENAME, FNR, $0
    }
    { previous = $0 }' {} +)
[ -z "$unexplained" ] || report 'say in a comment why this is safe' "$unexplained"

if ! output=$(swift format lint --strict --recursive --parallel Package.swift Sources Tests 2>&1); then
    report 'the format is not that of .swift-format; `make format` applies it' "$output"
fi

[ "$failed" -eq 0 ] && echo 'lint: in order'
exit "$failed"
