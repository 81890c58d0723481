#!/usr/bin/env bash
# sbpf-linker under its own loader and libc: Debian sid's LLVM needs a newer libc than the machine's.
# Installed as PREFIX/bin/sbpf-linker.
prefix=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
unset LD_LIBRARY_PATH

# Some dependencies (spl-*, solana-zk-sdk) also declare a cdylib, which cargo links too although nobody wants it:
# anything but the program that is being built (SBF_PRIMARY) becomes an empty file.
if [ -n "${SBF_PRIMARY-}" ]; then
  previous=
  for argument in "$@"; do
    if [ "$previous" = -o ]; then
      case ${argument##*/} in
        "lib$SBF_PRIMARY.so" | "$SBF_PRIMARY.so") ;;
        *) : >"$argument"; exit 0 ;;
      esac
    fi
    previous=$argument
  done
fi
exec "$prefix/llvm/lib/ld-linux-x86-64.so.2" --library-path "$prefix/llvm/lib" "$prefix/libexec/sbpf-linker" "$@"
