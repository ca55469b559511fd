# What nginx/run and the scripts in Tests need on the machine: Debian packages, a Swift toolchain, the release binary. To be sourced, by bash.
# Messages go to standard error. Exit codes are those of sysexits.h.
# shellcheck shell=bash

repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
readonly repository
readonly release_binary="$repository/.build/release/video-intake"

# Debian keeps nginx where an ordinary user does not look.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

say() {
    printf '%s\n' "$*" >&2
}

# fail CODE MESSAGE...: the message, one argument a line, and the end.
fail() {
    local code="$1"
    shift
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    shift
    (($# == 0)) || printf '    %s\n' "$@" >&2
    exit "$code"
}

# usage_error MESSAGE: the message, the script's own `usage`, and the end.
usage_error() {
    printf '%s: %s\n\n' "${0##*/}" "$1" >&2
    usage >&2
    exit 64
}

# run_interruptibly COMMAND...: runs it in a session of its own; a signal to this script ends both at once. In the foreground bash
# would put the trap off until the command ends, and what it starts in the background ignores SIGINT. Traps are set only here and
# while nginx/run serves, because bash 5.2 sometimes fails to run one that comes in the middle of `$(...)`.
run_interruptibly() {
    local command status=0
    env --default-signal=INT setsid "$@" &
    command=$!
    trap 'interrupt "$command"' INT TERM HUP
    wait "$command" || status=$?
    trap - INT TERM HUP
    return "$status"
}

# interrupt PID: SIGINT first, because SwiftPM stops its compilers on that only.
interrupt() {
    local signal attempt
    trap '' INT TERM HUP
    say "${0##*/}: stopping"
    for signal in INT TERM KILL; do
        kill -s "$signal" -- "-$1" 2>/dev/null || true
        for ((attempt = 0; attempt < 60; attempt++)); do
            kill -0 "$1" 2>/dev/null || exit 130
            sleep 0.05
        done
    done
    exit 130
}

has_command() {
    command -v "$1" >/dev/null
}

has_package() {
    [[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

# missing_packages NAME...: those of the packages that are needed and not there, one a line. Programs count wherever they come from.
missing_packages() {
    local package
    for package in "$@"; do
        case "$package" in
            binutils) has_command ld || echo "$package" ;;
            g++) compgen -G '/usr/lib/gcc/*/*/libstdc++.so' >/dev/null || echo "$package" ;;
            ffmpeg) { has_command ffmpeg && has_command ffprobe; } || echo "$package" ;;
            procps) has_command ps || echo "$package" ;;
            curl | git | memcached | nginx | openssl | shellcheck | strace | wrk) has_command "$package" || echo "$package" ;;
            *) has_package "$package" || echo "$package" ;;
        esac
    done
}

# install_packages NAME...: installs those that are missing, or says which and ends.
install_packages() {
    local -a missing become_root=()
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]} > 0)) || return 0

    has_command apt-get || fail 69 "missing: ${missing[*]}" \
        "These are names of Debian packages, and there is no apt-get here: install what corresponds and start again."
    if ((EUID != 0)); then
        has_command sudo || fail 77 "missing: ${missing[*]}" \
            "Neither root nor sudo. Have this run as root, then start again:" \
            "apt-get update && apt-get install ${missing[*]}"
        become_root=(sudo)
    fi

    say "Installing ${missing[*]}"
    # A policy-rc.d of our own for the time of the installation: Debian would start its nginx, on port 80.
    # shellcheck disable=SC2016 # expands in the shell of root
    "${become_root[@]}" bash -c '
        set -e
        export DEBIAN_FRONTEND=noninteractive
        policy=/usr/sbin/policy-rc.d
        if [[ ! -e "$policy" ]]; then
            trap "rm -f $policy" EXIT
            printf "#!/bin/sh\nexit 101\n" >"$policy"
            chmod 755 "$policy"
        fi
        apt-get update --quiet
        apt-get install --quiet --yes --no-install-recommends "$@"
    ' install "${missing[@]}" >&2 || fail 69 "could not install: ${missing[*]}" \
        "As root: apt-get update && apt-get install ${missing[*]}"
}

# marked DIRECTORY FILE: whether the directory was made from this very file.
marked() {
    [[ "$(cat "$1/made-from.sha256" 2>/dev/null)" == "$(sha256sum <"$2")" ]]
}

# mark DIRECTORY FILE: it is whole.
mark() {
    sha256sum <"$2" >"$1/made-from.sha256"
}

# make_environment DIRECTORY REQUIREMENTS: a virtual environment with the requirements, if it is not there. Fails if it cannot be made, and
# leaves nothing then.
make_environment() {
    marked "$1" "$2" && return 0
    say "Installing $2 in $1"
    rm -rf "$1"
    mkdir -p "$(dirname "$1")"
    if run_interruptibly python3 -m venv "$1" >&2 &&
        run_interruptibly "$1/bin/pip" install --quiet --disable-pip-version-check --requirement "$2" >&2; then
        mark "$1" "$2"
    else
        rm -rf "$1"
        return 1
    fi
}

# Finds a Swift toolchain, in PATH or where swiftly and the packages of swift.org put it, or says where to get one and ends.
require_swift() {
    local directory version
    if ! has_command swift; then
        for directory in "${HOME:-/root}/.local/share/swiftly/bin" /opt/swift/usr/bin /usr/libexec/swift/bin; do
            [[ -x "$directory/swift" ]] && PATH="$directory:$PATH" && break
        done
    fi
    has_command swift || fail 69 "no Swift toolchain: there is no swift in PATH" \
        "Swift 6.2 or newer is needed: https://www.swift.org/install/linux/"
    version="$(swift --version 2>&1)" || fail 69 "$(command -v swift) does not work:" "$version" \
        "Swift 6.2 or newer is needed: https://www.swift.org/install/linux/"
    if ! [[ "$version" =~ Swift\ version\ ([0-9]+)\.([0-9]+) ]] ||
        ((BASH_REMATCH[1] * 1000 + BASH_REMATCH[2] < 6002)); then
        fail 69 "$(command -v swift) is too old:" "$version" \
            "Swift 6.2 or newer is needed: https://www.swift.org/install/linux/"
    fi
}

# The content of the sources; not their times, so that a checkout of older files counts as a change.
release_sources() {
    (cd "$repository" && find Package.swift Sources -type f -print0 |
        LC_ALL=C sort --zero-terminated | xargs --null sha256sum)
}

# What the release binary was made of, and the binary itself: somebody else may have built one since.
release_fingerprint() {
    {
        release_sources
        cat "$repository/Package.resolved" 2>/dev/null || true
        stat --dereference --format='%i %s %y' "$release_binary"
    } | sha256sum
}

release_is_current() {
    [[ -x "$release_binary" && -f "$repository/.build/release.fingerprint" ]] &&
        [[ "$(release_fingerprint)" == "$(<"$repository/.build/release.fingerprint")" ]]
}

# Builds the release binary, unless it is what the sources say.
build_release() {
    local before
    release_is_current && return 0
    require_swift
    { mkdir -p "$repository/.build" && [[ -w "$repository/.build" ]]; } 2>/dev/null ||
        fail 73 "cannot write to $repository/.build, and the release binary is not built"
    say "Building the release binary (minutes at the first time)"
    before="$(release_sources)"
    run_interruptibly swift build --package-path "$repository" --configuration release --static-swift-stdlib \
        --product video-intake >&2 || fail 70 "the build failed"
    # Sources that changed while they were compiled: leave the binary, but build again next time.
    [[ "$before" == "$(release_sources)" ]] || return 0
    release_fingerprint >"$repository/.build/release.fingerprint"
}

# run_python_tests JOBS PYTHON DIRECTORY OPTION...: the tests in the directory of the repository, so many modules at a time; they may use
# the server of Tests/Browser. Above 1 PYTHON has to have unittest-parallel.
run_python_tests() {
    local jobs="$1" python="$2" directory="$3"
    shift 3
    # Removed here: what a run that was interrupted leaves. Its servers end with it.
    TMPDIR="$(mktemp --directory --tmpdir "video-intake-${0##*/}.XXXXXX")"
    export TMPDIR
    trap 'rm -rf "$TMPDIR" 2>/dev/null || { sleep 1 && rm -rf "$TMPDIR"; }' EXIT
    export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$repository/Tests/Browser"
    local -a runner=(unittest discover)
    ((jobs == 1)) || runner=(unittest_parallel --level module --jobs "$jobs")
    run_interruptibly "$python" -m "${runner[@]}" --start-directory "$repository/$directory" --verbose "$@" >&2
}
