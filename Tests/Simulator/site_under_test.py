"""The real responder, worker and nginx with the shipped files, on a small disk, and their operator's commands."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BINARY = os.environ["VIDEO_INTAKE_TEST_BINARY"]
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
KIB, MIB = 1 << 10, 1 << 20

PROFILE = '{"outputs": ["mp4", "poster"], "preset": "ultrafast"}'


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def occupied(path):
    """Bytes of the disk below a path; what goes meanwhile does not count."""
    total = 0
    for directory, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(directory, name)).st_blocks * 512
            except OSError:
                pass
    return total


class Site:
    """
    `size`: bytes of the disk. `reserve`: free bytes that uploads leave. `settings`: more of them, by their names. `descriptors`: limit
    of the responder. `disk`: see slow_disk.py, in place of one in memory. The responder inherits its listening socket, as from systemd:
    connections wait while it is started again.
    """

    def __init__(self, directory, size, reserve, settings=None, descriptors=1024, transcodes=False, disk=None):
        self.directory = directory
        self.data = directory / "data"
        self.size = size
        self.reserve = reserve
        self.descriptors = descriptors
        self.transcodes = transcodes
        self.disk = disk
        self.port = free_port()
        self.processes = {}
        self.starts = 0
        for path in (self.data, directory / "log", directory / "nginx/temporary"):
            path.mkdir(parents=True)
        if disk is not None:
            disk.mount(self.data)
        else:
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755,nr_inodes=200k", "simulator", self.data], check=True)
        (self.data / "body").mkdir()
        self.write_configuration()
        (directory / "profile.json").write_text(PROFILE)
        self.environment = {
            "PATH": PATH, "HOME": "/nonexistent", "LANG": "C.UTF-8", "VIDEO_INTAKE_CONFIG": "/dev/null",
            "VIDEO_INTAKE_DATA_DIRECTORY": str(self.data), "VIDEO_INTAKE_SOCKET": "video-intake.sock",
            "VIDEO_INTAKE_VIDEO_DOMAIN": f"http://127.0.0.1:{self.port}", "VIDEO_INTAKE_TIME_ZONE": "UTC",
            "VIDEO_INTAKE_RESERVE": str(reserve), "VIDEO_INTAKE_LANGUAGE": "en",
            "VIDEO_INTAKE_TRANSCODE": "yes" if transcodes else "no", "VIDEO_INTAKE_PROFILE": str(directory / "profile.json"),
            "VIDEO_INTAKE_JOBS": "1", "VIDEO_INTAKE_LEASE_TIME": "5",
        } | {f"VIDEO_INTAKE_{name}": str(value) for name, value in (settings or {}).items()}
        subprocess.run([BINARY, "init"], env=self.environment, cwd=directory, check=True, stdout=subprocess.DEVNULL)
        self.socket = socket.socket(socket.AF_UNIX)
        # By a short name: that of a socket has at most 107 bytes.
        os.chdir(directory)
        self.socket.bind("video-intake.sock")
        # As video-intake.socket does.
        self.socket.listen(4096)

    def write_configuration(self):
        nginx = self.directory / "nginx"
        for name in ("conf.d", "snippets"):
            shutil.copytree(REPOSITORY / "nginx" / name, nginx / name)
        upload = nginx / "snippets/video-intake/upload.conf"
        upload.write_text(upload.read_text().replace("/var/log/nginx/", "log/"))
        (nginx / "snippets/video-intake/site.conf").write_text(
            "set $video_intake_socket unix:video-intake.sock;\nset $video_intake_data data;\n"
            f"set $video_intake_html {REPOSITORY}/nginx/html;\nset $video_intake_media http://127.0.0.1:{self.port};\n"
            "client_body_temp_path data/body;\n")
        template = (REPOSITORY / "nginx/development.conf.template").read_text()
        (nginx / "nginx.conf").write_text(template.replace("@PORT@", str(self.port)))

    # -- Processes --

    def start(self, name):
        arguments = {
            "responder": ["prlimit", f"--nofile={self.descriptors}:{self.descriptors}", BINARY, "serve"],
            "worker": [BINARY, "worker"],
            "nginx": ["nginx", "-p", str(self.directory), "-c", "nginx/nginx.conf", "-e", "stderr"]
            + (["-g", "user root;"] if os.geteuid() == 0 else []),
        }[name]
        if name == "nginx":
            self.remove_bodies()
        self.starts += 1
        with (self.directory / "log" / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                arguments, cwd=self.directory, env=self.environment, stdout=log, stderr=log, start_new_session=True,
                stdin=self.socket if name == "responder" else subprocess.DEVNULL)

    def remove_bodies(self):
        """Those that an nginx which was killed left behind, as nginx/run does it."""
        for path in (self.data / "body").glob("[0-9]*"):
            path.unlink(missing_ok=True)

    async def start_all(self):
        for name in ("responder", "nginx", *(["worker"] if self.transcodes else [])):
            if not self.is_running(name):
                self.start(name)
        await self.ready()

    def is_running(self, name):
        process = self.processes.get(name)
        return process is not None and process.poll() is None

    async def ready(self, limit=60):
        deadline = time.monotonic() + limit
        while not await self.is_healthy():
            if time.monotonic() > deadline:
                raise AssertionError(f"the site does not answer within {limit} s, see {self.directory}/log")
            await asyncio.sleep(0.05)

    async def is_healthy(self):
        try:
            async with asyncio.timeout(10):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
                line = await reader.readline()
                writer.close()
                return b" 200" in line
        except (OSError, TimeoutError):
            return False

    def kill(self, name):
        """At once, with what is left in its session: the workers of nginx."""
        process = self.processes.pop(name, None)
        if process is not None:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()

    async def stop(self, name):
        process = self.processes.pop(name, None)
        if process is None:
            return
        process.terminate()
        for _ in range(400):
            if process.poll() is not None:
                break
            await asyncio.sleep(0.05)
        else:
            process.kill()
            process.wait()

    async def close(self):
        for name in list(self.processes):
            self.kill(name)
        self.socket.close()
        os.chdir("/")
        for _ in range(50):
            if not os.path.ismount(self.data) or subprocess.run(["umount", self.data], capture_output=True).returncode == 0:
                break
            await asyncio.sleep(0.1)
        if self.disk is not None:
            self.disk.close()

    # -- Commands --

    async def command(self, *arguments, kill_after=None, limit=180):
        """(exit code, output and errors); the code of one that was killed is negative."""
        process = await asyncio.create_subprocess_exec(
            BINARY, *arguments, cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        reading = asyncio.create_task(process.communicate())
        try:
            output, _ = await asyncio.wait_for(asyncio.shield(reading), kill_after or limit)
        except TimeoutError:
            # Not `process.kill`: that takes away the exit status of one that has just ended.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            output, _ = await reading
            if kill_after is None:
                output += f"\n(did not end within {limit} s)".encode()
        return process.returncode, output.decode(errors="replace")

    def forget_files(self):
        """Writes all stored files back, and takes them out of memory."""
        for path in (self.data / "upload").rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    # -- What can be seen from outside --

    @property
    def free(self):
        status = os.statvfs(self.data)
        return status.f_bavail * status.f_frsize

    @property
    def bytes_without_name(self):
        """Bytes that the small disk has in use, but for those of files that can be seen."""
        status = os.statvfs(self.data)
        return (status.f_blocks - status.f_bfree) * status.f_frsize - occupied(self.data)

    @property
    def bodies(self):
        return occupied(self.data / "body")

    def bytes_of_uploads(self, client):
        """Bytes of the disk that unfinished uploads of this client take; what has no record counts too."""
        sizes = {}
        for path in (self.data / "incoming").iterdir():
            with contextlib.suppress(OSError):
                sizes[path.stem] = path.lstat().st_blocks * 512
        for number, in self.select("SELECT upload_id FROM upload WHERE client <> ?", client):
            sizes.pop(str(number), None)
        return sum(sizes.values())

    def bytes_asked(self, clients):
        """Bytes that unfinished uploads of these clients have announced; those that have a video's name already do not count."""
        asked = 0
        for number, client, size in self.select("SELECT upload_id, client, size FROM upload WHERE state = 'open'"):
            with contextlib.suppress(OSError):
                if client in clients and (self.data / f"incoming/{number}.part").stat().st_nlink == 1:
                    asked += size
        return asked

    def select(self, statement, *values):
        """Rows of the catalogue."""
        with contextlib.closing(sqlite3.connect(f"file:{self.data}/video-intake.db?mode=ro", uri=True, timeout=60)) as catalogue:
            return catalogue.execute(statement, values).fetchall()

    def change(self, statement, *values):
        """Changes the catalogue, as another process beside the responder."""
        with contextlib.closing(sqlite3.connect(self.data / "video-intake.db", timeout=60)) as catalogue, catalogue:
            catalogue.execute(statement, values)

    def room_of_uploads(self):
        """Bytes that unfinished uploads may have, all together: what neither the reserve nor anything else takes."""
        others = sum(occupied(path) if path.is_dir() else path.lstat().st_blocks * 512
                     for path in self.data.iterdir() if path.name != "incoming")
        return self.size - self.reserve - others
