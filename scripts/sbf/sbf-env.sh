# What the build scripts agree on: where the toolchain is, and the compiler flags for SBPF v3 and for WebAssembly.
# shellcheck shell=bash

# Where the toolchain lives: outside the checkout, so that every clone of Bulwark shares one.
# shellcheck disable=SC2034  # for those who source this
SBF_PREFIX=$(realpath -m "${BULWARK_SBF_TOOLCHAIN:-${XDG_CACHE_HOME:-$HOME/.cache}/bulwark/sbf-toolchain}")

# sbf_env PREFIX [nosysroot] : environment in which PREFIX/bin/cargo compiles to SBPF v3.
# `nosysroot` is for compiling std itself.
sbf_env() {
  local prefix=$1 sysroot=${2-} flags builtins
  flags=(
    -Clinker="$prefix/bin/sbpf-linker"
    -Zunstable-options    # target files are unstable
    -Cpanic=abort
    -Crelocation-model=static
    # std's panic path uses 8-bit atomics, which BPF lacks; there is one thread, so plain loads and stores do.
    -Cpasses=lower-atomic
    # BPF v4 minus its instructions that the runtime does not accept.
    -Ctarget-cpu=v4
    -Clink-arg=--llvm-args=--disable-gotox
    -Clink-arg=--llvm-args=--disable-ldsx
    -Clink-arg=--llvm-args=--disable-movsx
    -Clink-arg=--llvm-args=--disable-bswap
    # The runtime has 4096-byte frames (Linux, LLVM's default: 512). It also allows unaligned access: target file.
    -Clink-arg=--llvm-args=-bpf-stack-size=4096
    # Longer copies call memcpy, which is a syscall, instead of being unrolled.
    -Clink-arg=--llvm-args=--bpf-max-stores-per-memfunc=5
    -Clink-arg=--arch=v3
    -Clink-arg=--deploy=false    # build-sbf.sh knows where the program belongs
    # The target file says "zkvm", for which std builds; the crates look for "solana" to use syscalls,
    # and call them by hash with "static-syscalls", as SBPF v3 demands.
    '--cfg=target_os="solana"'
    '--cfg=target_feature="static-syscalls"'
    '--check-cfg=cfg(target_os,values("solana"))'
    '--check-cfg=cfg(target_feature,values("static-syscalls"))'
    -Aexplicit_builtin_cfgs_in_flags
    # No machine's paths in the program: panics show the same file names everywhere.
    "--remap-path-prefix=$prefix/rust/usr/lib/rustlib/src/rust=/rust"
    "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=/registry"
  )
  if [ "$sysroot" = nosysroot ]; then
    # std's table of minimal alignments does not know "bpf"; csky's value (8) is the right one.
    flags+=('--cfg=target_arch="csky"')
  else
    flags+=("--sysroot=$prefix/sysroot")
  fi
  # Ours first: its strong symbols replace the weak ones of compiler_builtins.
  for builtins in "$prefix/sbf_builtins.bc" "$prefix/compiler_builtins.bc"; do
    [ ! -s "$builtins" ] || flags+=("-Clink-arg=$builtins")
  done

  cross_env "$prefix" "${flags[@]}"
  export RUSTC_BOOTSTRAP_SYNTHETIC_TARGET=1
}

# wasm_env PREFIX [nosysroot] : environment in which PREFIX/bin/cargo compiles libraries to wasm32-unknown-unknown.
# `nosysroot` is for compiling std itself.
wasm_env() {
  local prefix=$1 sysroot=${2-} flags
  flags=(
    -Cpanic=abort
    "--remap-path-prefix=$prefix/rust/usr/lib/rustlib/src/rust=/rust"
    "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=/registry"
  )
  [ "$sysroot" = nosysroot ] || flags+=("--sysroot=$prefix/sysroot")
  cross_env "$prefix" "${flags[@]}"
}

# cross_env PREFIX FLAG... : PREFIX's rustc with these flags, and nothing of the caller's environment.
cross_env() {
  local prefix=$1 IFS=$'\x1f'
  shift
  unset RUSTFLAGS RUSTDOC RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER RUSTUP_TOOLCHAIN CARGO
  unset CARGO_BUILD_TARGET CARGO_BUILD_RUSTFLAGS CARGO_BUILD_RUSTC_WRAPPER
  export CARGO_ENCODED_RUSTFLAGS="$*" RUSTC=$prefix/bin/rustc RUSTC_BOOTSTRAP=1
}
