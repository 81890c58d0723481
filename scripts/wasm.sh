#!/usr/bin/env bash
# wasm.sh : compiles the engine to WebAssembly for the TypeScript SDK, to sdk/ts/src/engine/bytes.ts.
# A toolchain that has the target itself (rustup target add wasm32-unknown-unknown) is preferred; otherwise the one that
# scripts/sbf puts together is used.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
target=${CARGO_TARGET_DIR:-target}
build=(build --quiet --locked --profile wasm --target wasm32-unknown-unknown -p bulwark-wasm --target-dir "$target/wasm")

if [ -d "$(rustc --print target-libdir --target wasm32-unknown-unknown)" ]; then
  cargo "${build[@]}"
else
  "$here/sbf/sbf-toolchain.sh"
  (
    . "$here/sbf/sbf-env.sh"
    wasm_env "$SBF_PREFIX"
    "$SBF_PREFIX/bin/cargo" "${build[@]}"
  )
fi
mkdir -p sdk/ts/src/engine
cargo run --quiet --locked -p bulwark-wasm-bundle -- \
  "$target/wasm/wasm32-unknown-unknown/wasm/bulwark_wasm.wasm" sdk/ts/src/engine/bytes.ts
