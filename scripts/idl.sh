#!/usr/bin/env bash
# idl.sh [--check] : writes the program's interface description (Anchor IDL 0.1.0) to idl/bulwark.json, without anchor-cli.
# With --check it writes nothing, and fails when the committed file is not what the program says now.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
file=idl/bulwark.json
usage() { sed -n '2,3s/^# \{0,1\}//p' "$here/idl.sh" >&2; exit 2; }
case ${1-} in
  '') check=0 ;;
  --check) check=1 ;;
  *) usage ;;
esac
[ $# -le 1 ] || usage

# The toolchain itself goes first in PATH: under rustup's proxies Anchor's builder calls a cargo that there is not.
PATH=$(rustc --print sysroot)/bin:$PATH
export PATH
unset RUSTUP_TOOLCHAIN

fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT
cargo run --quiet --locked --profile idl -p bulwark-idl -- programs/bulwark >"$fresh"

if [ "$check" = 0 ]; then
  mkdir -p "$(dirname "$file")"
  # An unchanged description keeps its time stamp, and what is built from it too.
  cmp -s "$fresh" "$file" || cat "$fresh" >"$file"
  echo "$file: $(wc -c <"$file") bytes"
elif ! difference=$(diff -u --label "$file, as committed" --label "the program now" "$file" "$fresh"); then
  head -60 <<<"$difference" >&2
  echo "$file is not current: run \`make idl\` and commit the file." >&2
  exit 1
else
  echo "$file is current"
fi
