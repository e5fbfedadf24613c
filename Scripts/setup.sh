#!/usr/bin/env bash
# Installs what is missing on this machine and says so. With nothing missing it needs neither network nor root.
#
# usage: Scripts/setup.sh [build] [test] [bench]
#   build  what `swift build` needs: the Swift toolchain (checked, not installed) and the system libraries; and
#          esbuild, with which the program bundles scripts in TypeScript
#   test   what the journeys need besides: a browser, curl, openssl, and a Python environment in .build/venv
#   bench  what the benches need besides: nginx, wrk, simdjson, a C++ compiler, and .build/bench-venv
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

check_swift() {
    if ! has swift; then
        fail "Swift is missing, and it is the one thing that is not installed from here." \
            "Get Swift 6.2 or newer from https://www.swift.org/install (Linux, macOS) and run the command again."
    fi
    local version
    version=$(swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+\.[0-9]+).*/\1/p' | head -n 1)
    case "$version" in
        [1-5].* | 6.0 | 6.1) fail "Swift $version is too old: 6.2 or newer is needed (https://www.swift.org/install)." ;;
    esac
}

# --- Debian, Ubuntu -------------------------------------------------------------------------------------------------

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# What a purpose needs, as package names; a program that is there already, from wherever, counts.
apt_packages() {
    case "$1" in
        build)
            echo libjavascriptcoregtk-4.1-dev libsqlite3-dev zlib1g-dev
            has pkg-config || echo pkg-config
            has esbuild || echo esbuild
            ;;
        test)
            has curl || echo curl
            has openssl || echo openssl
            has python3 || echo python3
            python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
            # Ubuntu's package only fetches a snap, which cannot run in a container: Playwright brings its own there.
            has chromium || has google-chrome || { grep -q '^ID=debian' /etc/os-release && echo chromium; } || true
            ;;
        bench)
            has nginx || echo nginx-light
            has c++ || echo g++
            has wrk || echo wrk
            has node || echo nodejs
            echo libsimdjson-dev
            ;;
    esac
}

install_with_apt() {
    local missing=() package
    for package in $(for purpose in "$@"; do apt_packages "$purpose"; done); do
        installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return

    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        has sudo || fail "Missing: ${missing[*]}" "Run this as root: apt-get install --no-install-recommends ${missing[*]}"
        as_root=(sudo)
    fi
    export DEBIAN_FRONTEND=noninteractive
    say "installing with apt-get: ${missing[*]}"
    ${as_root[@]+"${as_root[@]}"} apt-get -qq update
    ${as_root[@]+"${as_root[@]}"} apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
}

# --- macOS ----------------------------------------------------------------------------------------------------------

# JavaScriptCore, SQLite, zlib and curl come with macOS.
brew_packages() {
    case "$1" in
        build)
            has pkg-config || echo pkgconf
            has esbuild || echo esbuild
            ;;
        test) has python3 || echo python ;;
        bench)
            has nginx || echo nginx
            has wrk || echo wrk
            has node || echo node
            [ -d "$(brew --prefix)/opt/simdjson" ] || echo simdjson
            ;;
    esac
}

install_with_brew() {
    local missing
    missing=$(for purpose in "$@"; do brew_packages "$purpose"; done)
    [ -z "$missing" ] && return
    has brew || fail "Missing: $missing" "Install Homebrew from https://brew.sh and run the command again."
    say "installing with brew: $missing"
    # shellcheck disable=SC2086  # a list of names
    brew install --quiet $missing
}

# --- Python ---------------------------------------------------------------------------------------------------------

# python_environment REQUIREMENTS FOLDER
python_environment() {
    local wanted=$1 there=$2
    # The copy that was installed is the stamp: equal means nothing to do.
    if ! cmp -s "$wanted" "$there/installed.txt"; then
        say "installing Python packages into $there: $(grep -v '^#' "$wanted" | tr '\n' ' ')"
        rm -rf "$there"
        python3 -m venv "$there"
        "$there/bin/python" -m pip install --quiet --disable-pip-version-check -r "$wanted"
        cp "$wanted" "$there/installed.txt"
    fi
}

browser() {
    local there=.build/venv
    if ! has chromium && ! has google-chrome && [ ! -e "$there/browser" ]; then
        say "installing a Chromium for Playwright"
        "$there/bin/python" -m playwright install --with-deps chromium
        touch "$there/browser"
    fi
}

[ $# -gt 0 ] || set -- build
check_swift
if has apt-get; then
    install_with_apt "$@"
elif [ "$(uname)" = Darwin ]; then
    install_with_brew "$@"
else
    say "this is neither Debian, Ubuntu nor macOS: install the packages yourself (see this script for their names)"
fi
for purpose in "$@"; do
    case "$purpose" in
        test)
            python_environment Tests/EndToEnd/requirements.txt .build/venv
            browser
            ;;
        bench) python_environment Benchmarks/requirements.txt .build/bench-venv ;;
    esac
done
