# Sourced by the install scripts beside it: programs out of the packages of a Debian suite, in a directory of their own,
# without touching the system: no root, no maintainer scripts, libraries of their own. For Debian and its derivatives on amd64.
# shellcheck shell=bash

libraries=usr/lib/x86_64-linux-gnu

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }
fail() {
  say "$@"
  exit 1
}

# Usage: claim DIRECTORY. Sets `target`, and waits for another run that fills it.
claim() {
  target=$(realpath -m -- "$1")
  # The path goes into an apt configuration, shell scripts and the headers of programs.
  [[ $target =~ ^[A-Za-z0-9/._+-]+$ ]] || fail "$target: only letters, digits and . _ + - may stand in the path"
  for tool in apt-get apt-config dpkg-deb flock; do
    command -v "$tool" >/dev/null || fail "$tool is missing: this needs Debian or one of its derivatives"
  done
  [ "$(dpkg --print-architecture)" = amd64 ] || fail "only amd64 is supported"
  if [ -e "$target" ] && [ ! -e "$target/.packages" ]; then
    fail "$target exists and was not made by this script"
  fi
  mkdir -p "$(dirname "$target")"
  exec 9>"$target.lock"
  flock 9
}

# Usage: unpack SUITE PACKAGE... Fetches the packages and all that they need, and sets `root` to where they are.
unpack() {
  local suite=$1 archive keyring package
  shift
  work=$(mktemp -d "$target.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  chmod 755 "$work"

  # An apt with its own lists, cache and (empty) record of what is installed: it resolves everything down to libc.
  archive=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -n "$archive" ] || fail "apt knows no package archive"
  [ -r "$keyring" ] || fail "$keyring is missing: install debian-archive-keyring"
  mkdir -p "$work"/apt/{lists/partial,cache/archives/partial,parts}
  : >"$work/apt/status"
  echo "deb [arch=amd64 signed-by=$keyring] $archive $suite main" >"$work/apt/sources.list"
  {
    # How this machine reaches the archive (proxy, certificates) holds here too.
    apt-config dump | grep -E '^Acquire::(https?|Check-Valid-Until|ForceIPv)' || true
    cat <<SETTINGS
Dir::Etc::Main "$work/apt/none";
Dir::Etc::Parts "$work/apt/parts";
Dir::Etc::SourceList "$work/apt/sources.list";
Dir::Etc::SourceParts "$work/apt/parts";
Dir::Etc::Trusted "$work/apt/none";
Dir::Etc::TrustedParts "$work/apt/parts";
Dir::Etc::Preferences "$work/apt/none";
Dir::Etc::PreferencesParts "$work/apt/parts";
Dir::State::Lists "$work/apt/lists";
Dir::State::Status "$work/apt/status";
Dir::State::Extended_States "$work/apt/extended_states";
Dir::Cache "$work/apt/cache";
APT::Sandbox::User "";
APT::Architecture "amd64";
APT::Architectures "amd64";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
Debug::NoLocking "true";
SETTINGS
  } >"$work/apt/apt.conf"

  say "fetching $* from $suite"
  export APT_CONFIG=$work/apt/apt.conf
  apt-get -qq update
  apt-get -qq --yes --download-only install "$@" patchelf >/dev/null
  unset APT_CONFIG

  root=$work/root
  mkdir -p "$root/bin"
  for package in "$work"/apt/cache/archives/*.deb; do
    dpkg-deb --extract "$package" "$root"
    basename "$package" >>"$root/.packages"
  done
  rm -rf "$root"/etc "$root"/var "$root/$libraries/gconv" \
    "$root"/usr/share/{applications,bash-completion,bug,doc,gcc,gdb,icons,lintian,locale,man}
  if [ -d "$root/lib" ]; then
    # Suites before trixie have some libraries there.
    cp -a "$root/lib/." "$root/usr/lib"
    rm -rf "$root/lib"
  fi
}

# Usage: own_libraries PROGRAM... Lets programs find their own loader and libraries, wherever they are started.
own_libraries() {
  local loader=$libraries/ld-linux-x86-64.so.2 program
  for program in "$@"; do
    "$root/$loader" --library-path "$root/$libraries" "$root/usr/bin/patchelf" --force-rpath \
      --set-interpreter "$target/$loader" --set-rpath "$target/$libraries" "$root/$program"
  done
}

# Puts what was unpacked into its place.
publish() {
  rm -rf "$target"
  mv "$root" "$target"
}
