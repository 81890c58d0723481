#!/usr/bin/env bash
# build-sbf.sh MANIFEST [--out DIR] [--target-dir DIR] [--own-toolchain] [-- CARGO ARGUMENTS]
#
# Builds the program crate at MANIFEST (a Cargo.toml or its folder) in release to <target>/deploy/<library>.so,
# or DIR/<library>.so with --out. <target> is --target-dir, else CARGO_TARGET_DIR, else the workspace's own.
# Cargo arguments are such as `--locked` or `--features x`.
#
# An installed Anza cargo-build-sbf is preferred, unless --own-toolchain; without one, sbf-toolchain.sh provides.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
die() { echo "build-sbf: $*" >&2; exit 1; }
usage() { sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

manifest='' out='' target=${CARGO_TARGET_DIR-} own=0 cargo=()
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=$2; shift 2 ;;
    --target-dir) target=$2; shift 2 ;;
    --own-toolchain) own=1; shift ;;
    -h | --help) usage; exit 0 ;;
    --) shift; cargo=("$@"); break ;;
    -*) usage >&2; exit 2 ;;
    *) manifest=$1; shift ;;
  esac
done
[ -n "$manifest" ] || { usage >&2; exit 2; }
[ ! -d "$manifest" ] || manifest=$manifest/Cargo.toml
[ -f "$manifest" ] || die "no $manifest"
manifest=$(realpath "$manifest")
# Made absolute now: the build itself runs in the program's folder.
[ -z "$target" ] || target=$(realpath -m "$target")
[ -z "$out" ] || out=$(realpath -m "$out")
cd "$(dirname "$manifest")"   # so that this folder's .cargo/config.toml, if any, applies

if [ "$own" = 0 ] && anza=$(command -v cargo-build-sbf) && ! grep -q bulwark-sbf-shim "$anza" 2>/dev/null; then
  [ -z "$target" ] || export CARGO_TARGET_DIR=$target
  anza_args=(--manifest-path "$manifest" --arch v3)
  [ -z "$out" ] || anza_args+=(--sbf-out-dir "$out")
  exec "$anza" "${anza_args[@]}" -- "${cargo[@]}"
fi

"$here/sbf-toolchain.sh" >&2
. "$here/sbf-env.sh"
# Shared with other builds; an installation (of another clone's version, say) waits until we are done.
exec 8<"$SBF_PREFIX/.lock"
flock -s 8
unset CARGO_TARGET_DIR
sbf_env "$SBF_PREFIX"

metadata=$("$SBF_PREFIX/bin/cargo" metadata --format-version 1 --no-deps --manifest-path "$manifest")
fields=$(python3 -c '
import json, os, sys
workspace = json.load(sys.stdin)
here = [p for p in workspace["packages"] if os.path.realpath(p["manifest_path"]) == sys.argv[1]]
libraries = [t for p in here for t in p["targets"] if "cdylib" in t["kind"]]
if not libraries: sys.exit("build-sbf: no library of crate-type cdylib in " + sys.argv[1])
print(here[0]["name"], libraries[0]["name"].replace("-", "_"), workspace["target_directory"], sep="\t")
' "$manifest" <<<"$metadata")
IFS=$'\t' read -r package library workspace_target <<<"$fields"
target=${target:-$workspace_target}
out=${out:-$target/deploy}

# The crate type is given because cargo does not let rustc do LTO when "lib" stands beside "cdylib".
export SBF_PRIMARY=$library
"$SBF_PREFIX/bin/cargo" rustc --manifest-path "$manifest" -p "$package" --lib --crate-type cdylib --release \
  -Zjson-target-spec --target "$SBF_PREFIX/sbpf-solana.json" --target-dir "$target/sbf" "${cargo[@]}" 8<&-

built=$target/sbf/sbpf-solana/release/lib$library.so
[ -f "$built" ] || built=$target/sbf/sbpf-solana/release/$library.so
mkdir -p "$out"
# An unchanged program keeps its time stamp.
cmp -s "$built" "$out/$library.so" || cp "$built" "$out/$library.so"
echo "$out/$library.so: $(stat -c%s "$out/$library.so") bytes"
