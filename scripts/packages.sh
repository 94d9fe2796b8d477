# Installs the packages of scripts/packages.txt, or lists all that is missing in one message. Sourced after lib.sh, never run.

missing=()  # packages
problems=() # what no package provides
apt_lists=/var/lib/apt/lists
os_release=/etc/os-release
rust_needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' guest/lohar/Cargo.toml)

ensure_packages() { # PURPOSE
  find_missing "$1"
  check_cargo
  [ ${#missing[@]} -gt 0 ] || [ ${#problems[@]} -gt 0 ] || return 0
  local is_root=
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then is_root=yes; fi
  if [ -n "$is_root" ] && [ ${#missing[@]} -gt 0 ]; then
    step "package lists" "Check the sources in /etc/apt" apt-get update -q
  fi
  resolve_missing
  if [ -z "$is_root" ] || [ ${#problems[@]} -gt 0 ]; then
    report_missing >&2
    exit 1
  fi
  step "packages: ${#missing[@]}" "See the message of apt-get above" install_missing
  extend_path
}

find_missing() { # PURPOSE
  local name purpose check
  while read -r name purpose check; do
    case $purpose in
      tests) [ "$1" = tests ] || continue ;;
      lint) [ "$1" = tests ] || [ "$1" = lint ] || continue ;;
    esac
    # shellcheck disable=SC2086 # A command and its arguments.
    ${check:-is_installed "$name"} >/dev/null 2>&1 || missing+=("$name")
  done < <(grep -v '^#' scripts/packages.txt)
}

is_installed() { # PACKAGE
  dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}

# An existing Rust is never replaced.
check_cargo() {
  local have
  command -v cargo >/dev/null || return 0
  have=$(cargo --version 2>/dev/null | cut -d' ' -f2) || true
  is_at_least "$have" "$rust_needed" ||
    problems+=("cargo $rust_needed or newer: $(command -v cargo) is ${have:-broken}. Update it (rustup update stable), or remove it")
}

is_at_least() { # VERSION MINIMUM
  [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

# Replaces the `@` of the Rust packages. A name that apt does not know becomes a problem.
resolve_missing() {
  local name suffix='?' found=()
  if [[ "${missing[*]}" == *@* ]]; then suffix=$(rust_suffix) || suffix='?'; fi
  for name in "${missing[@]}"; do
    if [[ "$name" != *@* ]]; then
      if ! has_lists || [ -n "$(candidate "$name")" ]; then found+=("$name"); else problems+=("$name: no apt source provides it"); fi
    elif [ "$suffix" != '?' ]; then
      found+=("${name/@/$suffix}")
    elif ! command -v cargo >/dev/null; then
      [ "$name" != cargo@ ] || problems+=("cargo $rust_needed or newer: $(has_lists || echo "run apt-get update to check for a package, or ")install Rust: https://rustup.rs")
    elif [ "$name" != cargo@ ]; then
      name=${name#rust@-}
      problems+=("cargo ${name%@}: rustup component add ${name%@}")
    fi
  done
  missing=("${found[@]}")
}

# The suffix of the packages that cargo comes from, or else of the first that are new enough.
rust_suffix() {
  local owner suffix
  if command -v cargo >/dev/null; then
    owner=$(dpkg-query -S "$(readlink -f "$(command -v cargo)")" 2>/dev/null) || return
    owner=${owner%%:*}
    [[ "$owner" == cargo* ]] && echo "${owner#cargo}"
    return
  fi
  if ! has_lists; then
    debian_suffix
    return
  fi
  for suffix in "" -web $(apt-cache pkgnames cargo-1. 2>/dev/null | sed 's/^cargo//' | sort -rV); do
    if is_at_least "$(candidate "cargo$suffix")" "$rust_needed"; then
      echo "$suffix"
      return
    fi
  done
  return 1
}

# For a message without package lists; the versions of Ubuntu are not known without them.
debian_suffix() {
  case $(sed -n 's/^VERSION_CODENAME=//p' "$os_release") in
    bookworm) echo -web ;;
    trixie) echo "" ;;
    *) return 1 ;;
  esac
}

candidate() { # PACKAGE – the version that apt would install
  LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: \([^(]\)/\1/p'
}

# Whether apt-get update has ever run here.
has_lists() {
  compgen -G "$apt_lists/*_Packages*" >/dev/null
}

report_missing() {
  local problem
  echo "Missing packages. Install them, then try again:"
  [ ${#missing[@]} = 0 ] ||
    echo "  as root: apt-get update && apt-get install --no-install-recommends ${missing[*]}"
  for problem in "${problems[@]}"; do echo "  $problem"; done
}

install_missing() {
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}
