"""A Debian server of its own: a copy of the prepared system, booted with systemd in a container without a network."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

# What a shop has, and what the package needs: everything is there before the boot, after which there is no network.
SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
FIRST = ["systemd", "systemd-sysv", "dbus", "ca-certificates", "iproute2", "procps"]
PACKAGES = [
    "nginx",
    "ffmpeg",
    "curl",
    "sqlite3",
    "openssl",
    "php8.2-fpm",
    "php8.2-mysql",
    "php8.2-sqlite3",
    "mariadb-server",
    "rsync",
    "e2fsprogs",
    "libcurl4",
    "libfcgi0ldbl",
    "libsqlite3-0",
    "libssl3",
    "libstdc++6",
    "tzdata",
    "perl-base",
    "strace",
]
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/root",
    "DEBIAN_FRONTEND": "noninteractive",
}


class Failure(Exception):
    """Something did not happen as it must."""


def make_base(directory: Path) -> Path:
    """The system that machines are copies of, made once: a few minutes, and a network."""
    base = directory / "base"
    mark = directory / "base.made-of"
    recipe = "\n".join([SUITE, MIRROR, *FIRST, *PACKAGES])
    if mark.is_file() and mark.read_text() == recipe:
        return base
    mark.unlink(missing_ok=True)
    subprocess.run(["rm", "-rf", "--one-file-system", base], check=True)
    directory.mkdir(parents=True, exist_ok=True)
    command = ["debootstrap", "--variant=minbase", "--include=" + ",".join(FIRST), SUITE, str(base), MIRROR]
    with open(directory / "base.log", "w") as log:

        def run(*arguments):
            if subprocess.run(
                arguments, stdout=log, stderr=subprocess.STDOUT, env=ENVIRONMENT, stdin=subprocess.DEVNULL
            ).returncode:
                raise Failure(f"{arguments[0]} failed: see {directory}/base.log")

        run(*command)
        # Nothing starts while packages are installed from outside.
        policy = base / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        (base / "etc/apt/sources.list").write_text(
            f"deb {MIRROR} {SUITE} main\ndeb {MIRROR}-security {SUITE}-security main\n"
        )
        # Nobody needs them to be on the disk: half the time of the installation.
        fast = ["-o", "Dpkg::Options::=--force-unsafe-io", "--quiet", "--yes", "--no-install-recommends"]
        run("chroot", base, "apt-get", "update", "--quiet")
        run("chroot", base, "apt-get", "install", *fast, *PACKAGES)
        run("chroot", base, "apt-get", "clean")
        policy.unlink()
    mark.write_text(recipe)
    return base


class Machine:
    """Made by copying the base (by overlayfs where that works), booted, and driven from outside with nsenter."""

    def __init__(self, name: str, work: Path, base: Path):
        self.name = name
        self.directory = work / name
        self.root = self.directory / "root"
        self.leader = 0
        self._nspawn = None
        self._is_overlay = False
        if self.directory.exists():
            subprocess.run(["umount", "--quiet", self.root], check=False)
            subprocess.run(["rm", "-rf", "--one-file-system", self.directory], check=True)
        self.root.mkdir(parents=True)
        for part in ("upper", "work"):
            (self.directory / part).mkdir()
        options = f"lowerdir={base},upperdir={self.directory}/upper,workdir={self.directory}/work"
        overlay = ["mount", "-t", "overlay", "overlay", "-o", options, str(self.root)]
        if subprocess.run(overlay, stderr=subprocess.DEVNULL).returncode == 0:
            self._is_overlay = True
        else:
            self.root.rmdir()
            subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(self.root)], check=True)

    def path(self, inside: str) -> Path:
        """Where a file of the machine is, seen from outside; not of what is mounted inside."""
        return self.root / inside.lstrip("/")

    def boot(self, devices=None, seconds=120):
        """`devices`: block devices, by the name that they get inside."""
        command = ["setpriv", "--pdeathsig", "TERM", "systemd-nspawn", "--quiet", "--register=no"]
        # Without systemd around it there is nobody to ask for a scope.
        if not os.path.isdir("/run/systemd/system"):
            command.append("--keep-unit")
        command += [
            "--boot",
            "--private-network",
            f"--machine=vi-{self.name}",
            f"--hostname={self.name}",
            "-D",
            str(self.root),
        ]
        # What the container's own filter would hide of the units' lines; the clock can only be read all the same.
        command += ["--capability=CAP_SYSLOG"]
        command.append(
            "--system-call-filter=adjtimex syslog landlock_create_ruleset landlock_add_rule landlock_restrict_self"
        )
        command += [f"--bind={outside}:{inside}" for inside, outside in (devices or {}).items()]
        with open(self.directory / "console.log", "ab") as console:
            self._nspawn = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, start_new_session=True
            )
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._nspawn.poll() is not None:
                break
            self.leader = self.leader or self._find_leader()
            if self.leader:
                state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
                if state in ("running", "degraded"):
                    return
            time.sleep(0.2)
        raise Failure(f"{self.name} did not boot: see {self.directory}/console.log")

    def _find_leader(self) -> int:
        pid = self._nspawn.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            for child in children:
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return int(child)
        except OSError:
            pass
        return 0

    def power_off(self):
        """As `systemctl poweroff` does it; what hangs is killed."""
        if self._nspawn is None:
            return
        self._nspawn.send_signal(signal.SIGTERM)
        try:
            self._nspawn.wait(60)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()
        self._nspawn = None
        self.leader = 0

    def remove(self):
        self.power_off()
        if self._is_overlay:
            subprocess.run(["umount", str(self.root)], check=True)
        shutil.rmtree(self.directory)

    def enter(self) -> list[str]:
        """What stands before a command that runs inside."""
        return ["nsenter", "--target", str(self.leader), "--all", "--wdns=/"]

    def run(self, *command, check=True, input=None, timeout=300) -> subprocess.CompletedProcess:
        """A command inside, as root; its output as text, standard error in it."""
        done = subprocess.run(
            [*self.enter(), *map(str, command)],
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            input=input,
            stdin=None if input is not None else subprocess.DEVNULL,
            timeout=timeout,
            text=True,
            errors="replace",
            cwd="/",
        )
        if check and done.returncode != 0:
            raise Failure(f"`{' '.join(map(str, command))}` ended with {done.returncode}:\n{done.stdout.strip()}")
        return done

    def shell(self, script: str, check=True, timeout=300) -> str:
        """A script inside, as root, to its first failure; what it printed, without the last newline."""
        return self.run("bash", "-ec", script, check=check, timeout=timeout).stdout.rstrip("\n")

    def write(self, path: str, text: str):
        self.run("bash", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1"', "write", path, input=text)

    def in_network(self, *command, timeout=300) -> subprocess.CompletedProcess:
        """A command of the machine around it, in the network of this one."""
        return subprocess.run(
            ["nsenter", "--target", str(self.leader), "--net", *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            text=True,
        )

    def start_in_network(self, *command) -> subprocess.Popen:
        return subprocess.Popen(
            ["nsenter", "--target", str(self.leader), "--net", *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def wait_until(self, what: str, condition, seconds=30.0, pause=0.2):
        """Asks until the answer is true; a failure says what was waited for, and the last answer."""
        deadline = time.monotonic() + seconds
        while True:
            answer = condition()
            if answer:
                return answer
            if time.monotonic() > deadline:
                raise Failure(f"not within {seconds:g} s: {what} (last: {answer!r})")
            time.sleep(pause)

    def journal(self, *arguments) -> str:
        return self.run("journalctl", "--no-pager", "--quiet", "-o", "cat", *arguments).stdout.strip()
