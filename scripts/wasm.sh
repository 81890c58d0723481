#!/usr/bin/env bash
# wasm.sh : compiles the engine to WebAssembly for the TypeScript SDK, to sdk/ts/src/engine/bytes.ts.
# A toolchain that has the target itself (rustup target add wasm32-unknown-unknown) is preferred; otherwise the one that
# scripts/sbf puts together is used. The linker is the one that comes with Rust from rustup.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
target=${CARGO_TARGET_DIR:-target}/wasm
build=(build --quiet --locked --profile wasm --target wasm32-unknown-unknown -p bulwark-wasm --target-dir "$target")

host=$(rustc --version --verbose | sed -n 's/^host: //p')
sysroot=$(rustc --print sysroot)
tools=$sysroot/lib/rustlib/$host/bin
for tool in rust-lld rust-objcopy; do
  [ -x "$tools/$tool" ] || { echo "wasm: no $tool in $tools: install Rust from https://rustup.rs" >&2; exit 1; }
done

# Some crates are linked on the way, to nothing that is used.
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$tools/rust-lld

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

# Linked by hand: rustc would export what other crates offer to JavaScript, and with it keep most of their code.
"$tools/rust-lld" -flavor wasm --no-entry --gc-sections --strip-all -z stack-size=1048576 --stack-first \
  --export=bulwark_alloc --export=bulwark_ask --export=bulwark_free \
  "$target/wasm32-unknown-unknown/wasm/libbulwark_wasm.a" -o "$target/engine.wasm"
LD_LIBRARY_PATH=$sysroot/lib "$tools/rust-objcopy" --strip-all \
  --remove-section=__wasm_bindgen_unstable --remove-section=producers "$target/engine.wasm"

mkdir -p sdk/ts/src/engine
{
  echo '// Compiled from sdk/wasm by scripts/wasm.sh.'
  printf 'export const engineBytes =\n  "%s";\n' "$(base64 -w 0 "$target/engine.wasm")"
} >sdk/ts/src/engine/bytes.ts
echo "sdk/ts/src/engine/bytes.ts: $(wc -c <"$target/engine.wasm") bytes of WebAssembly"
