#!/usr/bin/env bash
# Install everything the project needs into this folder: what is there already is left alone.
#
#   .venv/   Python packages, each checked against the hashes of requirements.lock
#   .jars/   Java packages, each checked against the hashes of jars.lock, and archives of their classes
#
# Java 17+ and redis-server come from apt, where this user may install (root, or sudo without a password);
# elsewhere a sentence says what to install by hand. Set PYTHON to choose the Python (3.11 or newer).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PATH=${PATH//"$PWD/.venv/bin:"/} # the Python that makes .venv is not the one in it
readonly VENV=.venv
readonly STAMP=$VENV/.mainstem-setup # the hash of everything this script installs from

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

fingerprint() {
    cat requirements.lock requirements-bootstrap.lock jars.lock setup.py local_stack/setup.sh | sha256sum | cut -d' ' -f1
}

# --- what the operating system gives -----------------------------------------------------------------------------

may_install() { command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; }

apt_install() { # packages...
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    say "installing with apt: $*"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

need() { # what it is, the check, the apt package
    "$2" && return
    may_install || fail "$1 is missing and this user may not install packages. Install it (Debian: apt-get install $3), then run make setup again."
    apt_install "$3"
    "$2" || fail "$1 is still missing after apt installed $3. Look at its messages above, or install it by hand, then run make setup again."
}

has_java() {
    local java=java major
    [ -z "${JAVA_HOME:-}" ] || java=$JAVA_HOME/bin/java
    major=$("$java" -version 2>&1 | sed -nE '1s/.*version "([0-9]+).*/\1/p') || return 1
    [ "${major:-0}" -ge 17 ]
}

java_package() { # the default is 17 or newer on Debian 12, older on Ubuntu 22.04
    apt-cache show openjdk-17-jre-headless >/dev/null 2>&1 && echo openjdk-17-jre-headless || echo default-jre-headless
}

has_redis() { PATH=$PATH:/usr/sbin:/usr/local/sbin command -v redis-server >/dev/null; }

python_fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.11 python3.12 python3 python3.13}; do
        if python_fits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "no Python 3.11 or newer was found (looked for: ${PYTHON:-python3.11 python3.12 python3 python3.13}). Install one, or name it: make setup PYTHON=/path/to/python"
}

# --- what the project installs -----------------------------------------------------------------------------------

has_venv_module() { "$python" -c 'import venv, ensurepip' 2>/dev/null; }

make_venv() {
    [ -x $VENV/bin/python ] && python_fits $VENV/bin/python && return
    python=$(find_python)
    need "the venv module of $python" has_venv_module \
        "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    say "making $VENV with $("$python" --version)"
    rm -rf $VENV
    "$python" -m venv $VENV
}

install_packages() {
    say "installing Python packages (the first time this takes a few minutes: pyspark is built from its source)"
    $VENV/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
    # uv removes from the environment what the lock does not name, itself too: so both locks are given.
    # Compiled once here: where Python may not write bytecode, every process would compile what it imports, for seconds.
    $VENV/bin/uv pip sync -q --python $VENV/bin/python --require-hashes --compile-bytecode requirements-bootstrap.lock requirements.lock
    # By path, so that a package which is made tomorrow is found without another set-up.
    $VENV/bin/uv pip install -q --python $VENV/bin/python --no-deps --no-build-isolation \
        --config-settings editable_mode=compat --editable .
}

# Two set-ups at once in one folder would build one .venv on top of the other: the second waits.
mkdir -p build
exec 9>build/setup.lock
! command -v flock >/dev/null || flock 9

# The system's part is looked at every time (milliseconds); the rest only when something it is made from has changed.
need "Java 17 or newer" has_java "$(java_package)"
need "redis-server" has_redis "redis-server"
if [ "$(cat $STAMP 2>/dev/null)" != "$(fingerprint)" ] || [ ! -x $VENV/bin/mainstem ]; then
    make_venv
    install_packages
    fingerprint >$STAMP.new && mv $STAMP.new $STAMP
fi
$VENV/bin/python -m local_stack.jars
$VENV/bin/python -m local_stack.archives
say "complete"
