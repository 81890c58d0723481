#!/usr/bin/env bash
# quickstart.sh : runs the README's quick starts, as they are pasted from it, against a local network that it starts.
# A quick start is the shell block after a line `<!-- quickstart -->`. Needs `make binaries` first.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
target=${CARGO_TARGET_DIR:-target}

# block N : the Nth quick start of the README.
block() {
  awk -v wanted="$1" '
    /^<!-- quickstart -->$/ { found++; next }
    found == wanted && /^```$/ && inside { exit }
    inside && found == wanted { print }
    /^```sh$/ && found == wanted { inside = 1 }
  ' README.md
}

ready=$(mktemp -u)
mkfifo "$ready"
"$target/debug/bulwark-localnet" --json >"$ready" &
network=$!
trap 'kill "$network" 2>/dev/null || true; rm -f "$ready"' EXIT
exec 3<"$ready"
IFS= read -r -t 180 line <&3 || { echo "quickstart: the local network does not start" >&2; exit 1; }
echo "local network: ${line:0:80}…"

count=$(grep -c '^<!-- quickstart -->$' README.md)
[ "$count" -ge 2 ] || { echo "quickstart: the README has $count quick starts, not one for each language" >&2; exit 1; }
for number in $(seq "$count"); do
  commands=$(block "$number")
  [ -n "$commands" ] || { echo "quickstart: block $number of the README is empty" >&2; exit 1; }
  printf '\n--- quick start %d\n' "$number"
  output=$(bash -euo pipefail -c "$commands" 2>&1) || { echo "$output"; echo "quickstart: block $number failed" >&2; exit 1; }
  echo "$output"
  grep -q '^closed:' <<<"$output" || { echo "quickstart: block $number closed no position" >&2; exit 1; }
done
