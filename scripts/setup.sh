#!/usr/bin/env bash
# setup.sh [lint|node] : makes a bare machine able to build and test Bulwark; does nothing when everything is there.
# With `lint` it also asks for rustfmt and clippy; with `node` it asks for Node.js and installs the packages of package-lock.json.
# Debian packages are installed when this is root; Rust and Node.js never are.
# The SBF toolchain is not set up here: build-sbf.sh installs it the first time a program is built.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/packages.sh"

RUST_MINOR=95   # the workspace's rust-version is 1.95
NODE_MAJOR=20   # as package.json says

die() { echo "setup: $*" >&2; exit 1; }

command -v rustc >/dev/null ||
  die "no Rust toolchain: install 1.$RUST_MINOR or later from https://rustup.rs, and put ~/.cargo/bin on PATH"
version=$(rustc --version)
minor=${version#rustc 1.}
minor=${minor%%.*}
[ "$minor" -ge "$RUST_MINOR" ] || die "Bulwark needs Rust 1.$RUST_MINOR or later, this is $version (rustup update)"

if [ "${1-}" = lint ]; then
  cargo fmt --version >/dev/null 2>&1 || die "no rustfmt: rustup component add rustfmt"
  cargo clippy --version >/dev/null 2>&1 || die "no clippy: rustup component add clippy"
fi

# The tests' embedded runtime has C parts, and rustc links with the C compiler; no system library is needed.
ensure_packages cc=gcc /usr/include/stdlib.h=libc6-dev /etc/ssl/certs/ca-certificates.crt=ca-certificates

if [ "${1-}" = node ]; then
  how="install it with nvm (nvm install $NODE_MAJOR) or from deb.nodesource.com: Debian 12's own is too old"
  command -v node >/dev/null && command -v npm >/dev/null || die "no Node.js $NODE_MAJOR or later with npm: $how"
  major=$(node --version)
  major=${major#v}
  major=${major%%.*}
  [ "$major" -ge "$NODE_MAJOR" ] || die "Bulwark needs Node.js $NODE_MAJOR or later, this is $(node --version): $how"
  root=$(dirname "$here")
  # npm writes this file last: it is there, and newer than the lock, when everything is installed.
  [ "$root/node_modules/.package-lock.json" -nt "$root/package-lock.json" ] ||
    (cd "$root" && npm ci --no-audit --no-fund)
fi
