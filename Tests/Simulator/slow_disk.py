"""A disk of its own that the kernel slows down: what is read from it and what is written back to it, by whom ever."""

import os
import subprocess
from pathlib import Path

# The root group of the block input and output controller, version 1: what it limits, writing back included, is limited for all.
# https://www.kernel.org/doc/html/v6.1/admin-guide/cgroup-v1/blkio-controller.html
CONTROLLER = Path("/sys/fs/cgroup/blkio")
LIMITS = ("blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device")


class SlowDisk:
    """A loop device with a file system on a file of `size` bytes. Needs root, a free loop device and the controller."""

    def __init__(self, file, size):
        self.file = file
        with file.open("wb") as image:
            image.truncate(size)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,nodiscard", file], check=True)
        made = subprocess.run(["losetup", "--find", "--show", file], check=True, capture_output=True, text=True)
        self.device = Path(made.stdout.strip())
        self.number = Path("/sys/block", self.device.name, "dev").read_text().strip()

    @staticmethod
    def missing():
        """What is not there that it needs; None if all is."""
        if os.geteuid() != 0:
            return "a loop device needs root"
        for name in LIMITS:
            if not os.access(CONTROLLER / name, os.W_OK):
                return f"there is no {CONTROLLER / name}"
        made = subprocess.run(["losetup", "--find"], capture_output=True, text=True)
        return f"no loop device: {made.stderr.strip()}" if made.returncode != 0 else None

    def mount(self, directory):
        subprocess.run(["mount", self.device, directory], check=True)

    def limit(self, rate):
        """Bytes a second of reading, and as many of writing; 0: as fast as it is."""
        for name in LIMITS:
            (CONTROLLER / name).write_text(f"{self.number} {rate}")

    def close(self):
        """When it is not mounted any more."""
        self.limit(0)
        subprocess.run(["losetup", "--detach", self.device], check=True)
        self.file.unlink()
