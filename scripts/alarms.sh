#!/usr/bin/env bash
# alarms.sh : checks the keeper's alarms with promtool: that Prometheus reads them, and that each fires when it should, not before.
# Where there is no promtool, Debian's is unpacked, once, to ~/.cache/bulwark/tools: the package would start a server.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

promtool=$(command -v promtool) || {
  tools=${BULWARK_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/bulwark/tools}/prometheus
  promtool=$tools/usr/bin/promtool
  if [ ! -x "$promtool" ]; then
    command -v apt-get >/dev/null || { echo "alarms: no promtool: install Prometheus" >&2; exit 1; }
    echo "unpacking promtool, once" >&2
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    [ "$(id -u)" != 0 ] || apt-get -qq update >&2
    (cd "$folder" && apt-get -qq -o APT::Sandbox::User=root download prometheus >&2)
    mkdir -p "$tools"
    dpkg-deb --fsys-tarfile "$folder"/prometheus_*.deb | tar -x -C "$tools" ./usr/bin/promtool
  fi
}
"$promtool" check rules keeper/alerts.yaml
"$promtool" test rules keeper/alerts.test.yaml
