"""Each line of the units: what it forbids is tried, with the line and without it.

What a line does can be hidden by the container that the machine is: then the thing does not work without the line
either, and what is checked is that systemd has set it. The README's table has the same lines.
"""

import os
import struct
import subprocess
from dataclasses import dataclass

from pathlib import Path

from checks import Checks, must
from shop import Site

SUID = "/usr/local/lib/as-root"
FOREIGN = "/usr/local/lib/foreign-architecture"


@dataclass
class Probe:
    """A script that ends with 0 if the forbidden thing works."""

    script: str
    user: str = "root"


PROBES = {
    "User=www-data": Probe("[ $(id -u) = 0 ]"),
    "Group=www-data": Probe("[ $(id -g) = 0 ]"),
    "UMask=0027": Probe("touch /run/probe; mode=$(stat -c %a /run/probe); rm /run/probe; [ $mode = 644 ]"),
    "LimitNOFILE=16384": Probe("ulimit -n 20000"),
    "CapabilityBoundingSet=": Probe("touch /run/probe; chown 65534 /run/probe; result=$?; rm /run/probe; exit $result"),
    "NoNewPrivileges=yes": Probe(f"[ $({SUID} -u) = 0 ]", user="www-data"),
    "ProtectSystem=strict": Probe("touch /etc/probe && rm /etc/probe"),
    "ProtectHome=yes": Probe("ls /root/probe"),
    "PrivateTmp=yes": Probe("ls /tmp/probe"),
    "PrivateDevices=yes": Probe("touch /dev/probe && rm /dev/probe"),
    "PrivateNetwork=yes": Probe("curl -s -o /dev/null http://127.0.0.1/"),
    "RestrictAddressFamilies=AF_UNIX": Probe("</dev/tcp/127.0.0.1/80"),
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK": Probe("perl -e 'socket(S, 17, 3, 0) or exit 1'"),
    "ProtectClock=yes": Probe("perl -e '$buffer = chr(0) x 256; exit(syscall(159, $buffer) == -1)'"),
    "ProtectControlGroups=yes": Probe(
        "directory=$(findmnt -rno TARGET -t cgroup2 | head -n 1)/probe; mkdir $directory && rmdir $directory"
    ),
    "ProtectHostname=yes": Probe("hostname $(hostname)"),
    "ProtectKernelLogs=yes": Probe("perl -e 'exit(syscall(103, 10, 0, 0) == -1)'"),
    "ProtectKernelModules=yes": Probe("ls /usr/lib/modules/probe"),
    "ProtectKernelTunables=yes": Probe("echo 0 >/proc/sys/net/ipv4/ip_forward"),
    "ProtectProc=invisible": Probe("ls /proc/1/status", user="www-data"),
    "LockPersonality=yes": Probe("setarch --addr-no-randomize true"),
    "MemoryDenyWriteExecute=yes": Probe("perl -e 'exit(syscall(9, 0, 4096, 7, 0x22, -1, 0) == -1)'"),
    "RestrictNamespaces=yes": Probe("unshare --net true"),
    "RestrictNamespaces=user net": Probe("unshare --mount true"),
    "RestrictRealtime=yes": Probe("chrt --fifo 1 true"),
    "SystemCallArchitectures=native": Probe(FOREIGN),
    "SystemCallFilter=@system-service": Probe("mount -t tmpfs none /mnt && umount /mnt"),
    # The kernel ends the process at the limit.
    "MemoryMax=2G": Probe("perl -e 'vec($text, 2200 << 20, 8) = 1'"),
}

# What they do is seen in other topics, or cannot be seen in a test.
ELSEWHERE = {
    "Type=notify": "`systemctl start` returns when uploads work: install, restart",
    "ExecStart": "everything",
    "ExecReload": "restart: reload",
    "Restart=always": "restart: a killed service is back",
    "RestartSec=1": "the same",
    "RestartSec=200ms": "the same",
    "RestartPreventExitStatus=64": "restart: wrong settings",
    "TimeoutStartSec=15min": "only a longer time than the default for big catalogues",
    "TimeoutStopSec=15": "only a limit: it ends within 10 s",
    "KillMode=mixed": "restart: a worker with a job under way gives it back",
    "WatchdogSec": "restart: a service that hangs",
    "StateDirectory=video-intake": "install: owner and mode; every upload",
    "StateDirectoryMode=0750": "the same",
    "OOMPolicy=continue": "below: `systemctl show`; a container may have no limit of its own",
    "MemoryMax=75%": "as MemoryMax=2G, of which it is a percentage",
    "SystemCallFilter=landlock_create_ruleset landlock_add_rule landlock_restrict_self": "below: tools are kept in",
    "CPUWeight=10": "below: `systemctl show`; it takes a busy machine to see it",
    "IOWeight=10": "the same",
}


def foreign_program() -> bytes:
    """Ends with 0 by the 32-bit call: an ELF header, a program header, `mov eax, 1; xor ebx, ebx; int 0x80`."""
    code = bytes.fromhex("b80100000031dbcd80")
    start, size = 0x08048000, 84 + len(code)
    header = (
        b"\x7fELF\x01\x01\x01"
        + bytes(9)
        + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, start + 84, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    )
    return header + struct.pack("<IIIIIIII", 1, 0, start, start, size, size, 5, 0x1000) + code


def lines(site: Site, unit: str) -> list[str]:
    """The lines of the unit's [Service]."""
    text = site.machine.shell(f"sed -n '/^\\[Service\\]/,/^\\[Install\\]/p' /lib/systemd/system/{unit}")
    return [line for line in text.splitlines() if "=" in line and not line.startswith("#")]


def attempt(site: Site, probe: Probe, *properties) -> bool:
    """Whether the forbidden thing works with these lines."""
    arguments = [part for line in properties for part in ("-p", line)]
    if probe.user != "root":
        arguments += ["-p", f"User={probe.user}"]
    done = site.machine.run(
        "systemd-run",
        "--quiet",
        "--collect",
        "--wait",
        "--pipe",
        *arguments,
        "bash",
        "-c",
        probe.script,
        check=False,
        timeout=60,
    )
    return done.returncode == 0


def run(site: Site, check: Checks, videos):
    machine = site.machine
    machine.shell(f"""
        cp /usr/bin/id {SUID}; chmod 4755 {SUID}
        mkdir -p /usr/lib/modules/probe; touch /root/probe /tmp/probe
    """)
    machine.path(FOREIGN).write_bytes(foreign_program())
    machine.path(FOREIGN).chmod(0o755)

    units = ["video-intake.service", "video-intake-worker.service"]
    seen = []
    with check("each line of the units is known here"):
        for unit in units:
            for line in lines(site, unit):
                key = next(
                    (
                        key
                        for key in (*PROBES, *ELSEWHERE)
                        if line == key or ("=" not in key and line.startswith(key + "="))
                    ),
                    None,
                )
                must(key, f"{unit}: nobody tries what this line does: {line}")
                if key in PROBES and key not in seen:
                    seen.append(key)
        must(len(seen) == len(PROBES), f"in no unit: {set(PROBES) - set(seen)}")

    with check("the README's table has each of them"):
        text = site.documented.whole
        must(
            all(f"`{line}`" in text for line in PROBES),
            lambda: [line for line in PROBES if f"`{line}`" not in text],
        )

    for line in seen:
        with check(line) as notes:
            probe = PROBES[line]
            # Control groups of version 1 are read-only in a container.
            hidden = line.startswith("MemoryMax=") and site.show(units[0], "MemoryCurrent") == "[not set]"
            if not hidden and attempt(site, probe):
                must(not attempt(site, probe, line), "it works all the same")
                notes.append("works without it, not with it")
            else:
                name, _, value = line.partition("=")
                unit = next(unit for unit in units if line in lines(site, unit))
                shown = site.show(unit, name)
                must(shown not in ("no", "infinity"), f"systemd has not set it: {shown}")
                notes.append(f"hidden by the container; systemd says {shown[:40] or 'nothing'}")

    with check("systemd has set what only shows when memory is gone or the machine is busy"):
        for unit, name, value in (
            ("video-intake", "OOMPolicy", "continue"),
            ("video-intake-worker", "OOMPolicy", "continue"),
            ("video-intake-worker", "CPUWeight", "10"),
            ("video-intake-worker", "IOWeight", "10"),
        ):
            must(site.show(unit, name) == value, f"{unit}: {name} is {site.show(unit, name)}")
        must(site.show("video-intake-worker", "MemoryMax").isdigit(), site.show("video-intake-worker", "MemoryMax"))

    with check("RestrictSUIDSGID= would make the service useless, and it says so instead of starting"):
        drop_in = "/run/systemd/system/video-intake.service.d/test.conf"
        machine.write(drop_in, "[Service]\nRestrictSUIDSGID=yes\n")
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "restart", "video-intake.service", check=False)
        try:
            machine.wait_until(
                "openat2 and the line in the journal",
                lambda: "RestrictSUIDSGID" in machine.journal("-u", "video-intake", "-n", "20"),
            )
            must("openat2" in machine.journal("-u", "video-intake", "-n", "20"), "the call is not named")
            site.refused(videos["small"])
        finally:
            machine.shell(f"rm {drop_in}; systemctl daemon-reload; systemctl restart video-intake.service")
        site.upload(videos["small"])

    with check("the processes are what the units say: user, no capabilities, a filter of system calls"):
        for unit in units:
            status = machine.shell(f"cat /proc/{site.show(unit, 'MainPID')}/status")
            words = {name: value.strip() for name, _, value in (line.partition(":") for line in status.splitlines())}
            must(words["Uid"].split()[0] == "33" and int(words["CapBnd"], 16) == 0, words)
            must(words["NoNewPrivs"] == "1" and words["Seccomp"] == "2", words)

    with check("tools are kept in, by what the units allow; a wall that is missing is said"):

        def walls(unit: str) -> str:
            lines = machine.journal("-u", unit, "-n", "40").splitlines()
            return next((line for line in reversed(lines) if " is kept in" in line), "nothing")

        for unit, network in (("video-intake", "filter"), ("video-intake-worker", "namespace")):
            machine.run("systemctl", "restart", f"{unit}.service")
            line = walls(unit)
            must("files=landlock" in line and f"network={network}" in line and "calls=filter" in line, line)
        drop_in = "/run/systemd/system/video-intake-worker.service.d/test.conf"
        for without, sign in (
            ("RestrictNamespaces=yes", "network=filter"),
            ("SystemCallFilter=~landlock_restrict_self", "files=none"),
        ):
            machine.write(drop_in, f"[Service]\n{without}\n")
            machine.run("systemctl", "daemon-reload")
            machine.run("systemctl", "restart", "video-intake-worker.service", check=False)
            try:
                must(sign in walls("video-intake-worker"), f"{without}: {walls('video-intake-worker')}")
            finally:
                machine.shell(f"rm {drop_in}; systemctl daemon-reload; systemctl restart video-intake-worker.service")

    with check("a tool in ffmpeg's place that is taken over reaches nothing") as notes:
        worked, failed = intrude(site, videos)
        must(not worked, f"it could {worked}")
        # A job keeps the first and the last of what its tool says.
        must(len(failed) > 30, f"it only tried {failed}")
        notes.append(f"{len(failed)} attempts")


INTRUDER = "/usr/local/lib/intruder"


def intrude(site: Site, videos) -> tuple[list[str], list[str]]:
    """Tests/Faults/intruder.c in the worker: what worked that must not, and what did not."""
    machine = site.machine
    directory = machine.path(INTRUDER)
    directory.mkdir(parents=True)
    source = Path(__file__).parents[2] / "Faults/intruder.c"
    other = site.sql("SELECT path FROM video_info ORDER BY video_id LIMIT 1").strip()
    subprocess.run(["cc", "-static", "-O1", "-o", directory / "intruder", source], check=True)
    (directory / "ffmpeg").write_text(f"""#!/bin/sh
case "$*" in */dev/zero*) exec /usr/bin/ffmpeg "$@" ;; esac
for word in "$@"; do
    case "$word" in file:*) break ;; esac
done
data=/var/lib/video-intake
exec {INTRUDER}/intruder "$PPID" $data/video-intake.db "$data/{other}" /etc/default/video-intake "${{word#file:}}" "$HOME" \\
    /run/video-intake/video-intake.sock 80 fail >&2
""")
    (directory / "ffmpeg").chmod(0o755)
    # Bytes of its own, so that it is transcoded anew: a box that players pass over.
    video = machine.directory / "intruder.mp4"
    video.write_bytes(videos["small"].read_bytes() + b"\0\0\0\x18free" + os.urandom(16))
    drop_in = "/run/systemd/system/video-intake-worker.service.d/test.conf"
    machine.write(drop_in, f"[Service]\nEnvironment=PATH={INTRUDER}:/usr/bin:/bin\n")
    machine.shell("systemctl daemon-reload; systemctl restart video-intake-worker.service")
    try:
        data = site.upload(video)
        path = site.sql(f"SELECT path FROM video_info WHERE video_id = {data['video_id']}").strip()
        query = f"SELECT error FROM job WHERE path = '{path}'"
        report = machine.wait_until("the report", lambda: site.sql(query).strip(), 60)
    finally:
        machine.shell(f"rm {drop_in}; systemctl daemon-reload; systemctl restart video-intake-worker.service")
    lines = report.splitlines()
    worked = [line for line in lines if line.startswith("worked ") and not line.startswith("worked allowed: ")]
    return worked, [line for line in lines if line.startswith("failed ")]
