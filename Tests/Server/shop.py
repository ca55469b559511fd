"""The shop that the server is for, and what is done with it: files, requests, uploads."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

from checks import must
from documented import Documented
from machine import Failure, Machine

CLIENT = Path(__file__).with_name("client.py")
SERVICES = ["video-intake.socket", "video-intake.service", "video-intake-worker.service"]

FRONT_PAGE = """<?php
echo "the shop's front page\\n";
"""
# A login as shops have it: a form that begins a session.
LOGIN_PAGE = """<?php
session_start();
if (($_POST['password'] ?? '') === 'secret') { $_SESSION['user_id'] = $_POST['user']; }
echo isset($_SESSION['user_id']) ? "logged in\\n" : "the shop's login page\\n";
if (isset($_GET['logout'])) { session_destroy(); }
"""
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __str__(self):
        return f"HTTP {self.status} {self.headers} {self.body[:300]}"


class Site:
    """A machine with a shop, and the documents that say what to do with it."""

    def __init__(self, machine: Machine, documented: Documented, package: Path, work: Path):
        self.machine, self.documented, self.package, self.work = machine, documented, package, work
        self.guid = 17321600000000

    # -- The shop --

    def set_up_shop(self):
        """nginx, PHP and the shop, as they were before."""
        machine = self.machine
        machine.shell(
            "echo '127.0.0.1 shop.example.com b.example.com' >>/etc/hosts; rm /etc/nginx/sites-enabled/default"
        )
        machine.write("/var/www/shop/index.php", FRONT_PAGE)
        machine.write("/var/www/shop/login.php", LOGIN_PAGE)
        old = machine.path("/var/www/shop/upload/2019/05")
        old.mkdir(parents=True)
        (old / "old.png").write_bytes(PICTURE)
        (old / "list.pdf").write_bytes(b"%PDF-1.4\n")
        machine.write("/etc/nginx/sites-available/shop", self.documented.text("shop-before"))
        machine.shell("ln -s ../sites-available/shop /etc/nginx/sites-enabled/")
        self.reload_nginx()
        must(self.get("/").body == "the shop's front page\n", lambda: f"the shop does not work: {self.get('/')}")

    def reload_nginx(self):
        """Until no process with the old configuration takes requests."""

        def workers():
            return set(self.machine.run("pgrep", "-fx", "nginx: worker process", check=False).stdout.split())

        before = workers()
        self.machine.shell("nginx -t; systemctl reload nginx")
        self.machine.wait_until("nginx's new processes", lambda: (now := workers()) and not now & before, 20, 0.05)

    def put_server(self, block="shop-after", **replacements):
        text = self.documented.text(block)
        for old, new in replacements.items():
            text = text.replace(old, new)
        self.machine.write("/etc/nginx/sites-available/shop", text)

    def run_documented(self, name: str, check=True) -> str:
        """The commands of a block, as printed, in one shell, in /root, where the package is."""
        # Without a network the lists of packages stay as they were fetched.
        architecture = self.package.stem.split("_")[-1]
        commands = [
            re.sub("^apt-get ", "apt-get --yes ", command).replace("_amd64.deb", f"_{architecture}.deb")
            for command in self.documented.commands(name)
            if command != "apt-get update"
        ]
        return self.machine.run("bash", "-ec", "\n".join(["cd /root", *commands]), check=check).stdout

    def copy_package(self, package=None):
        target = self.machine.path("/root") / (package or self.package).name
        target.write_bytes((package or self.package).read_bytes())

    # -- Requests --

    def get(self, path: str, *arguments, host="shop.example.com", seconds=30) -> Reply:
        command = [
            "curl",
            "-s",
            "-S",
            "-i",
            "-m",
            seconds,
            "-H",
            f"Host: {host}",
            *arguments,
            f"http://127.0.0.1{path}",
        ]
        done = self.machine.run(*command, check=False)
        if done.returncode != 0:
            raise Failure(f"{path}: {done.stdout.strip()}")
        head, _, body = done.stdout.replace("\r\n", "\n").partition("\n\n")
        while head.startswith("HTTP/1.1 100"):
            head, _, body = body.partition("\n\n")
        lines = head.splitlines()
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        return Reply(int(lines[0].split()[1]), headers, body)

    def ask(self, action: str, **fields) -> Reply:
        data = [part for name, value in fields.items() for part in ("--data-urlencode", f"{name}={value}")]
        return self.get(f"/service/upload/{action}", *(data or ["-d", ""]))

    def next_guid(self) -> str:
        self.guid += 1
        return str(self.guid)

    def upload_command(self, file: Path, *arguments) -> list:
        return [sys.executable, CLIENT, file, "--guid", self.next_guid(), *arguments]

    def try_upload(self, file: Path, *arguments) -> dict:
        """What the client says: reply, requests, failed."""
        done = self.machine.in_network(*self.upload_command(file, *arguments))
        must(done.returncode == 0, lambda: f"the client failed: {done.stderr}")
        return json.loads(done.stdout)

    def upload(self, file: Path, *arguments) -> dict:
        """The data of the video that the upload has become."""
        result = self.try_upload(file, *arguments)
        reply = result["reply"]
        must(reply and reply["code"] == 1 and result["failed"] == 0, lambda: f"the upload failed: {result}")
        return reply["data"]

    def refused(self, file: Path, status=409, reason=None) -> dict:
        """An upload that must not be taken: what came instead."""
        result = self.try_upload(file, "--retries", "0", "--connections", "1")
        must(
            result["failed"] == 1 and f"HTTP {status}" in result["failures"][0], lambda: f"not HTTP {status}: {result}"
        )
        must(reason is None or f" {reason} " in result["failures"][0], lambda: f"not because of {reason}: {result}")
        return result

    # -- The service --

    def are_active(self, *units):
        names = units or SERVICES
        states = self.machine.run("systemctl", "is-active", *names, check=False).stdout.split()
        must(
            states == ["active"] * len(names),
            lambda: f"{dict(zip(names, states))}\n"
            + self.machine.run(
                "journalctl", "--no-pager", "-n", "30", *[f"-u{name}" for name in names], check=False
            ).stdout,
        )

    def show(self, unit: str, name: str) -> str:
        return self.machine.run("systemctl", "show", "--value", "-p", name, unit).stdout.strip()

    def sql(self, query: str) -> str:
        return self.machine.run(
            "runuser", "-u", "www-data", "--", "sqlite3", "/var/lib/video-intake/video-intake.db", query
        ).stdout.strip()

    def is_stored(self, data: dict, file: Path):
        """The bytes of the video are those of the file, by way of nginx, whole and in part."""
        path = "/" + data["path"]
        md5 = self.machine.run(
            "bash", "-c", f"curl -s -H 'Host: shop.example.com' http://127.0.0.1{path} | md5sum"
        ).stdout.split()[0]
        expected = subprocess.run(["md5sum", file], capture_output=True, text=True, check=True).stdout.split()[0]
        must(md5 == expected, f"{path} has other bytes")
        part = self.get(path, "-r", "4-7")
        must(part.status == 206 and part.body == "ftyp", lambda: f"no range of {path}: {part}")
        must(part.headers["content-type"] == "video/mp4", lambda: f"another type: {part}")


def make_videos(directory: Path) -> dict[str, Path]:
    """A small one, one of a few chunks, and one of 500 MiB, which is mostly a box that players skip."""
    directory.mkdir(parents=True, exist_ok=True)
    videos = {name: directory / f"{name}.mp4" for name in ("small", "chunks", "other", "large")}
    for name, size, seconds, rate in (
        ("small", "320x240", 2, "400k"),
        ("chunks", "640x360", 6, "12M"),
        ("other", "640x360", 7, "12M"),
    ):
        if not videos[name].exists():
            part = directory / "part.mp4"
            subprocess.run(
                [
                    "ffmpeg",
                    "-v",
                    "error",
                    "-y",
                    "-f",
                    "lavfi",
                    "-i",
                    f"testsrc2=size={size}:rate=25",
                    "-t",
                    str(seconds),
                    "-b:v",
                    rate,
                    "-minrate",
                    rate,
                    "-maxrate",
                    rate,
                    "-bufsize",
                    rate,
                    "-preset",
                    "ultrafast",
                    "-x264-params",
                    "nal-hrd=cbr",
                    "-pix_fmt",
                    "yuv420p",
                    part,
                ],
                check=True,
            )
            part.rename(videos[name])
    if not videos["large"].exists():
        content = videos["small"].read_bytes()
        rest = 500 * 1024 * 1024 - len(content)
        part = directory / "part.mp4"
        with open(part, "wb") as file:
            file.write(content + rest.to_bytes(4, "big") + b"free")
            file.truncate(500 * 1024 * 1024)
        part.rename(videos["large"])
    return videos
