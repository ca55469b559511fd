"""The topics, in their order, on machines of their own. Started by Tests/server."""

import argparse
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from checks import Checks
from documented import Documented
from machine import Failure, Machine, make_base
from shop import Site, make_videos
from topics import backup, by_hand, disk, install, login, removal, reserve, restart, sites, units, uploads, webhook

DISK_SIZE = 3 << 30


class Disk:
    """A disk for a machine: an image that the kernel shows as a block device."""

    def __init__(self, image: Path):
        self.image = image
        self.device = ""

    def attach(self) -> dict[str, str]:
        with open(self.image, "wb") as file:
            file.truncate(DISK_SIZE)
        done = subprocess.run(["losetup", "--find", "--show", self.image], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"no disk for the machine: {done.stderr.strip()}")
        self.device = done.stdout.strip()
        # By its own name too, under which the machine finds it when it looks for a label.
        return {"/dev/sdb1": self.device, self.device: self.device}

    def detach(self):
        if self.device:
            subprocess.run(["losetup", "--detach", self.device], check=False)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--package", type=Path, required=True)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--document", type=Path, action="append", required=True)
    parser.add_argument("--filter", default="")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    selected = re.compile(options.filter)
    started = time.monotonic()

    check = Checks()
    machines = []
    disk_image = Disk(options.work / "disk.img")
    try:
        base = make_base(options.work)
        videos = make_videos(options.work / "videos")
        documented = Documented(options.document)

        def make(name: str, devices=None) -> Site:
            machine = Machine(name, options.work / "machines", base)
            machines.append(machine)
            machine.boot(devices=devices)
            return Site(machine, documented, options.package, machine.directory)

        def topic(name: str, body, *arguments, needed=False):
            """`needed`: those after it would not work without."""
            if not needed and not selected.search(name):
                return
            check.topic = name
            try:
                body(*arguments)
            except (Failure, OSError, subprocess.SubprocessError, LookupError, ValueError, TypeError) as error:
                with check("goes to its end"):
                    raise Failure(f"{type(error).__name__}: {error}")

        if selected.search("by hand"):
            site = make("hand")
            topic("by hand", by_hand.run, site, check, videos, options.program)
            if not options.keep:
                site.machine.remove()
                machines.remove(site.machine)

        devices = disk_image.attach()
        site = make("shop", devices)
        topic("install", install.run, site, check, videos, needed=True)
        topic("front", install.front, site, check, videos)
        topic("take over", install.take_over, site, check, videos)
        topic("uploads", uploads.run, site, check, videos)
        topic("webhook", webhook.run, site, check, videos)
        topic("login", login.run, site, check, videos)
        topic("reserve", reserve.run, site, check, videos)
        topic("units", units.run, site, check, videos)
        topic("restart", restart.run, site, check, videos)
        topic("sites", sites.run, site, check, videos)
        # It compares with what the shop was told.
        topic("backup", backup.run, site, check, videos)
        topic("other path", disk.other_path, site, check, videos)
        topic("move", disk.move, site, check, videos)
        topic("late disk", disk.late, site, check, videos, devices)
        topic("removal", removal.run, site, check, videos)
        check.topic = "documents"
        if not options.filter:
            with check("each block that is marked was run"):
                if documented.unused:
                    raise Failure(f"nobody runs {sorted(documented.unused)}")
        return check.summary()
    except Failure as error:
        print(f"FAILED  {error}", file=sys.stderr)
        return 1
    finally:
        print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
        if options.keep:
            for machine in machines:
                print(f"{machine.name}: {' '.join(machine.enter())} bash\n    Enter ends it.", file=sys.stderr)
            if machines and sys.stdin.isatty():
                input()
        for machine in machines:
            machine.power_off() if options.keep else machine.remove()
        disk_image.detach()


sys.exit(main())
