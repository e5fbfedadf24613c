#!/usr/bin/env bash
# Makes the workload and serves it with nginx on 127.0.0.1:8480. S: scratch folder, W: nginx workers.
#
# usage: setup.sh start | stop
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
S=${S:-${TMPDIR:-/tmp}/terapi-bench}
W=${W:-1}

stop() {
    [ -f "$S/run/nginx.pid" ] || return 0
    kill "$(cat "$S/run/nginx.pid")" 2>/dev/null || true
    # The port must be free before the next start.
    while [ -f "$S/run/nginx.pid" ]; do sleep 0.1; done
}

start() {
    mkdir -p "$S/run"
    chmod 755 "$S"
    [ -f "$S/src/truth.json" ] || python3 "$here/gen.py" "$S/src"
    # `cur` is the variant that the source serves now: the benches turn it from v1 to v2 between two runs. Both have the
    # same number of pages, so that one list of links fits both.
    ln -sfn v1 "$S/src/cur"
    sed 's#"v1:#"cur:#; s#/v1/#/cur/#g' "$S/src/v1/link.map" >"$S/src/cur.map"
    sed "s#@SRC@#$S/src#g;s#@RUN@#$S/run#g;s#@W@#$W#g" "$here/nginx.conf" >"$S/run/nginx.conf"
    # As root, nginx gives its workers to another user, who must be able to write its temporary files.
    [ "$(id -u)" -ne 0 ] || chown -R www-data "$S/run" 2>/dev/null || true
    stop
    nginx -c "$S/run/nginx.conf"
}

case "${1:-start}" in
    start) start ;;
    stop) stop ;;
    *) echo "usage: setup.sh start | stop" >&2; exit 2 ;;
esac
