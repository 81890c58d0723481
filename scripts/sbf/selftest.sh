#!/usr/bin/env bash
# selftest.sh [BATCHES] : checks the toolchain of this folder. A program that does every kind of wide-integer, shift and
# memory operation is compiled and run in LiteSVM: its results have to be the host's, and its panics have to show where.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
target=$(realpath -m "${CARGO_TARGET_DIR:-$here/../../target}")/selftest
batches=${1:-100}
unset CARGO_TARGET_DIR

# The algorithms of the builtins, on the host.
cargo test --quiet --release --locked --manifest-path "$here/builtins/Cargo.toml" --target-dir "$target"
# And all as compiled.
"$here/build-sbf.sh" "$here/selftest/program" --own-toolchain --target-dir "$target" -- --locked
cargo run --quiet --locked --manifest-path "$here/selftest/Cargo.toml" --target-dir "$target" -p selftest-runner -- \
  "$target/deploy/selftest.so" "$batches"
