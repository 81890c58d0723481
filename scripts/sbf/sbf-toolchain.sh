#!/usr/bin/env bash
# sbf-toolchain.sh [--force]
#
# Installs what compiles Solana programs to SBPF v3 from crates.io and Debian packages alone, into one folder:
# BULWARK_SBF_TOOLCHAIN, or ~/.cache/bulwark/sbf-toolchain. Takes a few minutes the first time and about 0.8 GB
# (1.3 GB meanwhile); does nothing when that folder is up to date. Nothing outside it changes, except that root gets
# Debian packages that are missing (a C compiler, python3, Debian's archive keys).
#
# Needs apt and Rust 1.95 or later, on x86-64. What is put together:
#   rust/      Debian's rustc-web: rustc with the BPF target and the source of std, which rustup's rustc lacks
#   llvm/      LLVM 23 of Debian sid with its own loader and libc: LLVM 22, which rustc brings, refuses functions of
#              more than five arguments and calls for 128-bit arithmetic
#   bin/       rustc and cargo of rust/, and sbpf-linker (crates.io) built against llvm/
#   sysroot/   std, compiled once: for programs, and for WebAssembly (the engine in the TypeScript SDK)
#   *.bc       functions that compiled code calls by itself (128-bit arithmetic, memcpy, f64): builtins/ and
#              compiler_builtins
#
# The stamp is a hash of the files in this folder that shape the result: editing one of them installs anew.
set -euo pipefail

SBPF_LINKER=0.2.6
LLVM_PACKAGE=libllvm23
LINKER_LLVM=bpf-linker/llvm-23

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
. "$here/sbf-env.sh"
. "$here/../packages.sh"
say() { printf '[sbf-toolchain %4ds] %s\n' $SECONDS "$*" >&2; }
die() { echo "sbf-toolchain: $*" >&2; exit 1; }

case ${1-} in
  '') force=0 ;;
  --force) force=1 ;;
  *) sed -n '2,20s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac

wanted=$(cd "$here" && sha256sum sbf-toolchain.sh sbf-env.sh sbpf-linker.sh sbpf-solana.json \
  builtins/Cargo.toml builtins/src/lib.rs | sha256sum | cut -c1-64)
up_to_date() { [ "$force" = 0 ] && [ "$(cat "$SBF_PREFIX/.stamp" 2>/dev/null)" = "$wanted" ]; }
! up_to_date || exit 0

# --- Checks, and one installation at a time --------------------------------------------------------------------------

export PATH=$PATH:/usr/sbin:/sbin   # ldconfig, for those who are not root
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] ||
  die "needs Debian or a relative of it on x86-64; elsewhere install Anza's tools (cargo-build-sbf), which are preferred"
ensure_packages cc=gcc /usr/include/stdlib.h=libc6-dev ar=binutils python3=python3 flock=util-linux \
  $keys=debian-archive-keyring /etc/ssl/certs/ca-certificates.crt=ca-certificates
command -v cargo >/dev/null || die "no cargo: install Rust from https://rustup.rs"

P=$SBF_PREFIX
mkdir -p "$P"
exec 9>>"$P/.lock"
flock -n 9 || { say "waiting for another build or installation in $P"; flock 9; }
! up_to_date || exit 0   # the other one has done it
rm -f "$P/.stamp"
say "installing in $P"

# --- Debian packages -------------------------------------------------------------------------------------------------

# mirror RELEASE FALLBACK : where this machine's own apt gets that Debian release from.
mirror() {
  local found
  found=$(known_mirror "$1")
  # Fresh container images come without package lists.
  [ -n "$found" ] || [ "$(id -u)" != 0 ] || { apt-get -qq update >&2 && found=$(known_mirror "$1"); }
  echo "${found:-$2}"
}
known_mirror() {
  # shellcheck disable=SC2016  # apt's own variables
  apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    awk -v release="$1" '$1 == release && !seen++ { print $2 }'
}

# unpack NAME KEPT_OUT DIR PACKAGE... : PACKAGEs from the sources in P/apt/NAME/sources.list and all they depend on
# (as if nothing were installed), but for names that match the pattern KEPT_OUT, checked by apt and unpacked in DIR.
unpack() {
  local name=$1 kept_out=$2 dir=$3 work=$P/apt/$1 packages=() deb
  shift 3
  mkdir -p "$work"/{lists/partial,cache/archives/partial,debs}
  : >"$work/status"
  local apt=(apt-get -qq
    -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o Dir::State::Lists="$work/lists" -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache"
    -o APT::Install-Recommends=false -o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=4)
  say "$name: package lists"
  "${apt[@]}" update
  mapfile -t packages < <("${apt[@]}" install -y --print-uris "$@" |
    awk -F"[' ]+" '/^.http/ { sub(/_.*/, "", $3); print $3 }' | grep -Evx "$kept_out")
  [ ${#packages[@]} -gt 0 ] || die "apt could not resolve $*"
  say "$name: ${#packages[@]} packages"
  (cd "$work/debs" && "${apt[@]}" download "${packages[@]}")
  rm -rf "$dir"
  mkdir -p "$dir"
  for deb in "$work"/debs/*.deb; do
    dpkg-deb -x "$deb" "$dir"
    basename "$deb"
  done >"$P/$name.packages"
  rm -rf "$work"
}

bookworm=$(mirror bookworm http://deb.debian.org/debian)
security=$(mirror bookworm-security http://deb.debian.org/debian-security)
rust=$P/rust llvm=$P/llvm

install_rust() {
  # The host's libc and compiler serve for these.
  local host='libc6|libc6-dev|libc-dev-bin|linux-libc-dev|gcc|cpp|gcc-12|cpp-12|gcc-12-base|libgcc-12-dev|binutils.*'
  host+='|libbinutils|libctf.*|libgprofng0|rpcsvc-proto|lib(isl23|mpfr6|mpc3|cc1-0|asan8|lsan0|tsan2|ubsan1|itm1)'
  host+='|lib(quadmath0|gomp1|atomic1|crypt-dev|crypt1|tirpc-common|tirpc3|tirpc-dev|nsl2|nsl-dev)'
  mkdir -p "$P/apt/rust"
  printf 'deb [signed-by=%s] %s\n' $keys "$bookworm bookworm main" $keys "$security bookworm-security main" \
    >"$P/apt/rust/sources.list"
  unpack rust "$host" "$rust" rustc-web cargo-web rust-web-src

  # Of the unpacked libraries, rustc and cargo use their own and those that the host lacks.
  mkdir -p "$rust/private"
  local have library name
  have=$(ldconfig -p | awk '{ print $1 }' | sort -u)
  find "$rust/usr/lib/x86_64-linux-gnu" "$rust/lib/x86_64-linux-gnu" -maxdepth 1 -name '*.so*' 2>/dev/null |
    while read -r library; do
      name=$(basename "$library")
      case $name in
        librustc_driver-* | libLLVM*) ;;
        *) ! grep -qxF "$name" <<<"$have" || continue ;;
      esac
      ln -sf "$library" "$rust/private/$name"
    done

  mkdir -p "$P/bin"
  local tool
  for tool in rustc cargo; do
    cat >"$P/bin/$tool" <<W
#!/bin/sh
LD_LIBRARY_PATH=$rust/private\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH} exec $rust/usr/bin/$tool "\$@"
W
    chmod +x "$P/bin/$tool"
    "$P/bin/$tool" --version >&2 || die "the unpacked $tool does not run"
  done
}

install_llvm() {
  local root=$P/llvm-root
  mkdir -p "$P/apt/llvm"
  printf 'deb [signed-by=%s] %s\n' $keys "$bookworm forky main" $keys "$bookworm sid main" >"$P/apt/llvm/sources.list"
  unpack llvm 'gcc-[0-9]+-base' "$root" $LLVM_PACKAGE
  rm -rf "$llvm"
  mkdir -p "$llvm/lib"
  find "$root" \( -name '*.so' -o -name '*.so.*' \) \( -type f -o -type l \) ! -path '*/gconv/*' \
    -exec cp -a -t "$llvm/lib" {} + 2>/dev/null || true   # some links lead to a file of the same name
  rm -f "$llvm/lib/ld-linux-x86-64.so.2"
  cp -L "$(find "$root" -name ld-linux-x86-64.so.2 -print -quit)" "$llvm/lib/ld-linux-x86-64.so.2"
  local library
  library=$(cd "$llvm/lib" && find . -name 'libLLVM.so.*' -print -quit)
  [ -n "$library" ] || die "no libLLVM in $LLVM_PACKAGE"
  ln -sf "$library" "$llvm/lib/libLLVM.so"
  rm -rf "$root"
}

install_linker() {
  say "compiling sbpf-linker $SBPF_LINKER"
  (
    cd "$P"
    unset CARGO_BUILD_TARGET CARGO_TARGET_DIR CARGO_ENCODED_RUSTFLAGS RUSTC
    export LLVM_PREFIX=$llvm CARGO_PROFILE_RELEASE_DEBUG=0
    # libLLVM is linked against a newer libc than the host's, which only its own loader brings.
    export RUSTFLAGS="-L native=$llvm/lib -C link-arg=-Wl,--allow-shlib-undefined"
    cargo install sbpf-linker --version "=$SBPF_LINKER" --locked --no-default-features --features $LINKER_LLVM \
      --target x86_64-unknown-linux-gnu --bin sbpf-linker --root "$P/linker" --target-dir "$P/build" --force --quiet
  ) 9>&-
  mkdir -p "$P/libexec"
  mv -f "$P/linker/bin/sbpf-linker" "$P/libexec/sbpf-linker"
  rm -rf "$P/build" "$P/linker"
}

# once NAME VERSION FUNCTION : runs FUNCTION unless this VERSION of its result is there from an earlier installation.
once() {
  [ "$force" = 0 ] && [ "$(cat "$P/.$1-ok" 2>/dev/null)" = "$2" ] && return
  rm -f "$P/.$1-ok"
  $3
  echo "$2" >"$P/.$1-ok"
}

# std's source is edited below and removed at the end, so rust/ is unpacked at every installation.
install_rust
once llvm "$LLVM_PACKAGE" install_llvm
once linker "$SBPF_LINKER $LLVM_PACKAGE" install_linker
install -m755 "$here/sbpf-linker.sh" "$P/bin/sbpf-linker"
"$P/bin/sbpf-linker" --version >&2 || die "sbpf-linker does not run"

# --- std -------------------------------------------------------------------------------------------------------------

# edit FILE SED_SCRIPT COUNT : edits std's source; the script puts the comment "sbf" into COUNT lines.
edit() {
  local file=$rust/usr/lib/rustlib/src/rust/library/std/src/$1
  [ -f "$file" ] || die "no source of std at $file"
  sed -i "$2" "$file"
  [ "$(grep -c '// sbf$' "$file")" = "$3" ] || die "std's $1 has changed: adapt the edit in sbf-toolchain.sh"
}

# Hash maps with fixed keys, as in Anza's fork: there is no randomness and no writable static on chain.
edit hash/random.rs 's|^    pub fn new() -> RandomState {$|&\
        if cfg!(target_os = "zkvm") { return RandomState { k0: 0x0706050403020100, k1: 0x0f0e0d0c0b0a0908 }; } // sbf|' 1

# A panic hands its file and line to the runtime (sol_panic_) at once: formatting it would cost space and compute units.
# shellcheck disable=SC2016
edit panicking.rs '
s|^pub fn panic_handler(info: &core::panic::PanicInfo<.*$|&\
    if cfg!(target_os = "zkvm") { sol_panic(info.location().unwrap()) } // sbf|
s|^    let must_abort = panic_count::increase(true);$|    if cfg!(target_os = "zkvm") { sol_panic(location) } // sbf\
&|
$a\
\
#[inline(always)]\
fn sol_panic(at: &Location<'"'_"'>) -> ! {\
    // sol_panic_(file, length, line, column) by the hash of its name\
    let f: extern "C" fn(*const u8, u64, u64, u64) -> ! = unsafe { mem::transmute(0x686093BBusize) };\
    f(at.file().as_ptr(), at.file().len() as u64, at.line() as u64, at.column() as u64)\
}' 2

# Out of memory is a panic like any other: the usual hook takes 8-bit atomics.
edit alloc.rs 's|^fn default_alloc_error_hook(layout: Layout) {$|&\
    if cfg!(target_os = "zkvm") { panic!("out of memory"); } // sbf|' 1

say "compiling std and builtins"
cp "$here/sbpf-solana.json" "$P/"
rm -f "$P"/*.bc
work=$P/build
rm -rf "$work"
mkdir -p "$work"
cat >"$work/Cargo.toml" <<'T'
[package]
name = "sysroot"
version = "0.0.0"
edition = "2024"
[lib]
path = "lib.rs"
[workspace]
[profile.release]
opt-level = 3
codegen-units = 1
debug = 0
overflow-checks = false
T
echo '#![no_std]' >"$work/lib.rs"
target=(--release -Zjson-target-spec --target "$P/sbpf-solana.json")
(
  cd "$work"
  unset CARGO_TARGET_DIR
  sbf_env "$P" nosysroot
  "$P/bin/cargo" build --quiet "${target[@]}" -Zbuild-std=std,panic_abort -Zbuild-std-features= --target-dir target
)
sysroot=$P/sysroot/lib/rustlib/sbpf-solana/lib
rm -rf "$P/sysroot"
mkdir -p "$sysroot"
cp "$work"/target/sbpf-solana/release/deps/lib*.rlib "$sysroot/"
rm -f "$sysroot"/libsysroot-*
(
  cd "$here/builtins"
  unset CARGO_TARGET_DIR
  sbf_env "$P"
  "$P/bin/cargo" rustc --quiet --locked "${target[@]}" --target-dir "$work/builtins" -- --emit=llvm-bc="$P/sbf_builtins.bc"
)
[ -s "$P/sbf_builtins.bc" ] || die "builtins gave no bitcode"
(
  cd "$work"
  wasm_env "$P" nosysroot
  "$P/bin/cargo" build --quiet --release --target wasm32-unknown-unknown -Zbuild-std=std,panic_abort \
    -Zbuild-std-features= --target-dir target
)
wasm=$P/sysroot/lib/rustlib/wasm32-unknown-unknown/lib
mkdir -p "$wasm"
cp "$work"/target/wasm32-unknown-unknown/release/deps/lib*.rlib "$wasm/"
rm -f "$wasm"/libsysroot-*
# rustc's LTO drops what only LLVM's code generator will call (f64): compiler_builtins goes to the linker once more.
(cd "$work" && ar x "$sysroot"/libcompiler_builtins-*.rlib)
[ "$(find "$work" -maxdepth 1 -name 'compiler_builtins-*.o' | wc -l)" = 1 ] || die "compiler_builtins: expected one object"
mv "$work"/compiler_builtins-*.o "$P/compiler_builtins.bc"
# Programs do not need these, and the next installation gets them again.
rm -rf "$work" "$P"/apt "$P"/rust/{etc,usr/share,usr/src,usr/lib/rustlib/src}

echo "$wanted" >"$P/.stamp"
say "installed $(du -sh "$P" | cut -f1)"
