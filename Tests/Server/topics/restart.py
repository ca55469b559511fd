"""Wrong settings and right ones, a service that hangs, reload, and restarts and upgrades while an upload goes on."""

import json
import re
import subprocess
from pathlib import Path

from checks import Checks, must
from shop import Site

SETTINGS = "/etc/default/video-intake"
# Of each kind.
ROUNDS = 10


def with_version(package: Path, directory: Path, version: str) -> Path:
    """The package once more, as a later version."""
    tree = directory / "tree"
    if not tree.exists():
        subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {version}", control.read_text(), flags=re.MULTILINE))
    name, _, architecture = package.name.split("_")
    later = directory / f"{name}_{version}_{architecture}"
    # What dpkg-deb stores uncompressed is made in a second.
    subprocess.run(["dpkg-deb", "--build", "-Znone", tree, later], check=True, stdout=subprocess.DEVNULL)
    return later


def run(site: Site, check: Checks, videos):
    machine = site.machine

    with check(
        "a wrong setting: the service ends with 64, says what is wrong, and is not started again; uploads get 409"
    ):
        machine.shell(f"cp -p {SETTINGS} /root/settings; echo VIDEO_INTAKE_THREADS=many >>{SETTINGS}")
        must(
            machine.run("video-intake", "config", "check", check=False).returncode == 64, "config check does not see it"
        )
        machine.run("systemctl", "restart", "video-intake.service", check=False)
        machine.wait_until("failed", lambda: site.show("video-intake", "ActiveState") == "failed", 20)
        must(site.show("video-intake", "ExecMainStatus") == "64", site.show("video-intake", "ExecMainStatus"))
        must(
            "VIDEO_INTAKE_THREADS" in machine.journal("-u", "video-intake", "-n", "10"), "the journal does not name it"
        )

    with check("requests do not start it for ever: the socket closes, and 409 comes at once"):

        def refused_at_once():
            reply = site.get("/service/upload/list_class", "-d", "", seconds=10)
            return reply.status == 409 and site.show("video-intake.socket", "ActiveState") == "failed"

        machine.wait_until("a closed socket", refused_at_once, 60)
        before = site.show("video-intake", "NRestarts"), machine.journal("-u", "video-intake").count(
            "VIDEO_INTAKE_THREADS"
        )
        for _ in range(20):
            site.get("/service/upload/list_class", "-d", "")
        after = site.show("video-intake", "NRestarts"), machine.journal("-u", "video-intake").count(
            "VIDEO_INTAKE_THREADS"
        )
        must(before == after, f"it goes on starting: {before}, {after}")

    with check("right again: one restart, and uploads work"):
        machine.shell(f"cp -p /root/settings {SETTINGS}; systemctl restart video-intake video-intake-worker")
        site.are_active()
        site.upload(videos["small"])

    with check("reload: other limits at once, no other process"):
        pid = site.show("video-intake", "MainPID")
        machine.shell(
            f"echo VIDEO_INTAKE_SIZE_LIMIT=1M >>{SETTINGS}; systemctl reload video-intake video-intake-worker"
        )
        machine.wait_until(
            "the limit", lambda: (site.try_upload(videos["chunks"])["reply"] or {}).get("code") in (-1, -3), 10, 1
        )
        machine.shell(f"cp -p /root/settings {SETTINGS}; systemctl reload video-intake video-intake-worker")
        machine.wait_until(
            "no limit", lambda: (site.try_upload(videos["chunks"])["reply"] or {}).get("code") == 1, 10, 1
        )
        must(site.show("video-intake", "MainPID") == pid, "it has been started anew")

    with check("reload with a mistake in the file: said in the log, and the settings stay"):
        machine.shell(f"echo VIDEO_INTAKE_SIZE_LIMIT=much >>{SETTINGS}; systemctl reload video-intake")
        machine.wait_until(
            "a line", lambda: "VIDEO_INTAKE_SIZE_LIMIT" in machine.journal("-u", "video-intake", "-n", "5"), 10
        )
        must(site.upload(videos["small"])["video_id"] > 0, "")
        machine.shell(f"cp -p /root/settings {SETTINGS}; systemctl reload video-intake")
        must(site.show("video-intake", "MainPID") == pid, "it has been started anew")

    with check("a killed service and a killed worker are back by themselves"):
        for unit in ("video-intake", "video-intake-worker"):
            pid = site.show(unit, "MainPID")
            machine.run("kill", "-KILL", pid)
            machine.wait_until(
                f"another {unit}",
                lambda: site.show(unit, "ActiveState") == "active" and site.show(unit, "MainPID") != pid,
                30,
            )
        site.upload(videos["small"])

    with check("a service that hangs is ended by the watchdog and comes back"):
        # The unit's own time is too long for a test.
        drop_in = "/run/systemd/system/video-intake.service.d/test.conf"
        machine.write(drop_in, "[Service]\nWatchdogSec=4\n")
        machine.shell("systemctl daemon-reload; systemctl restart video-intake")
        pid = site.show("video-intake", "MainPID")
        machine.run("kill", "-STOP", pid)
        machine.wait_until(
            "another process",
            lambda: site.show("video-intake", "ActiveState") == "active"
            and site.show("video-intake", "MainPID") not in ("0", pid),
            60,
        )
        machine.shell(f"rm {drop_in}; systemctl daemon-reload; systemctl restart video-intake")
        site.upload(videos["small"])

    with check(f"{ROUNDS} restarts and {ROUNDS} upgrades during an upload of 500 MiB: no request fails") as notes:
        version = site.package.name.split("_")[1]
        packages = [with_version(site.package, site.work, f"{version}+{number}") for number in range(1, ROUNDS + 1)]
        for package in packages:
            site.copy_package(package)
        steps = site.work / "steps"
        steps.write_text("0")
        client = machine.start_in_network(*site.upload_command(videos["large"], "--steps", steps))
        try:
            for number, package in enumerate(packages):
                machine.run("systemctl", "restart", "video-intake.service")
                steps.write_text(str((2 * number + 1) / (2 * ROUNDS)))
                machine.shell(f"cd /root; apt-get install --yes --no-install-recommends ./{package.name}")
                steps.write_text(str((2 * number + 2) / (2 * ROUNDS)))
            output, errors = client.communicate(timeout=300)
        finally:
            client.kill()
        must(client.returncode == 0, errors)
        result = json.loads(output)
        notes.append(f"{result['requests']} requests in {result['seconds']:.0f} s, {result['failed']} failed")
        must(result["failed"] == 0 and result["reply"]["code"] == 1, result)
        must(machine.shell("dpkg-query -W -f '${Version}' video-intake").endswith(f"+{ROUNDS}"), "not the last version")
        site.is_stored(result["reply"]["data"], videos["large"])
        site.are_active()
