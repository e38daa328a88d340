#!/usr/bin/env bash
# Installs what this checkout needs. Idempotent; a second run takes a moment.
#   install.sh venv      .venv with the locked packages and this project's own, editable
#   install.sh servers   and what Kafka and MongoDB need: Java, Maven, libcurl
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
mkdir -p .cache
exec 9>.cache/install.lock
flock 9

say() { printf '%s\n' "install: $*" >&2; }
die() { say "$*"; exit 1; }

# apt_need PACKAGE...: Debian packages, when root; otherwise says which command to run
apt_need() {
  command -v apt-get >/dev/null || die "please install these programs first: $*"
  [ "$(id -u)" = 0 ] || die "something is missing, please run: sudo apt-get update && sudo apt-get install -y --no-install-recommends $*"
  say "apt-get install $*"
  mkdir -p /usr/share/man/man1   # Java's package fails without, and slim images lack it
  apt-get update -qq >.cache/apt.log 2>&1 || true
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >>.cache/apt.log 2>&1 ||
    { tail -n 20 .cache/apt.log >&2; die "apt-get failed: see $root/.cache/apt.log"; }
}

suitable() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
find_python() {
  local candidate
  for candidate in ${PYTHON:-} /usr/bin/python3.11 python3.11 /usr/bin/python3 python3; do
    if suitable "$candidate"; then command -v "$candidate"; return 0; fi
  done
  return 1
}

members=(shared shared/rules shared/publisher services/ingestor services/risk-engine services/outreach-tracker
  services/api-gateway deploy/reengage)

locked=$(cat requirements.lock - <<<"$root" | sha256sum)
own=$(for member in "${members[@]}"; do cat "$member/pyproject.toml"; done | sha256sum)
packages_there() { [ "$(cat .venv/.locked 2>/dev/null)" = "$locked" ]; }

venv() {
  local python
  if ! packages_there; then
    python=$(find_python) || die "Python 3.11 or newer is needed"
    say "Python packages into .venv (about a minute)"
    if [ ! -x .venv/bin/python ] || [ "$(cat .venv/.root 2>/dev/null)" != "$root" ]; then
      rm -rf .venv
      "$python" -m venv .venv
      echo "$root" >.venv/.root
    fi
    .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
    rm -f .venv/.own
    echo "$locked" >.venv/.locked
  fi
  if [ "$(cat .venv/.own 2>/dev/null)" != "$own" ]; then
    .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation "${members[@]/#/-e./}"
    echo "$own" >.venv/.own
  fi
}

java_suits() { java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | awk '$1 >= 17 { ok = 1 } END { exit !ok }'; }
kafka_there() { [ -n "${KAFKA_HOME:-}" ] || command -v kafka-server-start.sh >/dev/null || compgen -G '.cache/servers/kafka-*' >/dev/null; }
mongod_there() { command -v mongod >/dev/null || PATH="$PATH:/usr/sbin:/sbin" ldconfig -p | grep 'libcurl\.so\.4' >/dev/null; }

missing=()
missing_for_python() { packages_there || find_python >/dev/null || missing+=(python3 python3-venv); }
missing_for_servers() {
  if [ -z "${KAFKA_BOOTSTRAP_SERVERS:-}" ]; then
    java_suits || missing+=(openjdk-17-jre-headless)
    kafka_there || command -v mvn >/dev/null || missing+=(maven)
  fi
  [ -n "${MONGODB_URI:-}" ] || mongod_there || missing+=(libcurl4)
}

case ${1:-} in
  venv) missing_for_python ;;
  servers) missing_for_python; missing_for_servers ;;
  *) sed -n 2,4p "$0"; exit 2 ;;
esac
if [ ${#missing[@]} -gt 0 ]; then apt_need "${missing[@]}"; fi
venv
