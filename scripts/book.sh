#!/usr/bin/env bash
# book.sh : builds the book of docs/ to target/book, and fails when a snippet, a link or an anchor in it leads nowhere.
# mdBook is compiled once, to ~/.cache/bulwark/tools, outside the checkout.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
. scripts/packages.sh
ensure_packages python3=python3

VERSION=0.5.4
tools=${BULWARK_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/bulwark/tools}/mdbook-$VERSION
target=${CARGO_TARGET_DIR:-target}

if [ ! -x "$tools/bin/mdbook" ]; then
  echo "compiling mdBook $VERSION, once" >&2
  CARGO_TARGET_DIR=$(mktemp -d)
  export CARGO_TARGET_DIR
  trap 'rm -rf "$CARGO_TARGET_DIR"' EXIT
  cargo install mdbook --version "$VERSION" --locked --no-default-features --features search --root "$tools" --quiet
fi

python3 scripts/book/sources.py docs/src
"$tools/bin/mdbook" build docs --dest-dir "$(realpath -m "$target")/book"
python3 scripts/book/links.py "$target/book"
