# ensure_packages WHAT=PACKAGE... : makes sure that every WHAT (a command, or an absolute path) is there,
# installing the Debian packages of the missing ones when this is root and saying what to install when it is not.
# shellcheck shell=bash
ensure_packages() {
  local spec what missing=()
  for spec in "$@"; do
    what=${spec%%=*}
    case $what in
      /*) [ -e "$what" ] || missing+=("${spec#*=}") ;;
      *) command -v "$what" >/dev/null || missing+=("${spec#*=}") ;;
    esac
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "missing on this machine: sudo apt-get install ${missing[*]}" >&2
    return 1
  fi
  echo "installing ${missing[*]}" >&2
  apt-get -qq update >&2
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
}
