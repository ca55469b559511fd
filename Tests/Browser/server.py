"""A server of its own for tests: responder, nginx and worker, as nginx/run starts them, on a free port and in a throw-away directory."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

import configuration
from videos import CHUNK_SIZE, md5

# Seconds. Bounds, not expectations: all of it takes a fraction of a second on an idle machine.
START_LIMIT = 60
STOP_LIMIT = 20
NGINX_TITLE = "nginx: master process "


def wait_until(condition, limit, what):
    """Returns the condition's first true value; fails after `limit` seconds."""
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit} s: {what}")
        time.sleep(0.05)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Command:
    """What a process was started with, to start it again."""

    def __init__(self, pid):
        process = Path(f"/proc/{pid}")
        self.arguments = [os.fsdecode(word) for word in process.joinpath("cmdline").read_bytes().split(b"\0") if word]
        if self.arguments[0].startswith(NGINX_TITLE):
            # nginx writes over its arguments: all of them in one, the last of which has a space in it.
            words, option, last = self.arguments[0].removeprefix(NGINX_TITLE).partition(" -g ")
            self.arguments = [*words.split(" "), *([option.strip(), last] if option else [])]
        self.directory = os.readlink(process / "cwd")

    @classmethod
    def named(cls, pid):
        """(`nginx`, or which command of video-intake it is, the command)"""
        command = cls(pid)
        program = Path(os.readlink(f"/proc/{pid}/exe")).name
        return command.arguments[1] if program == "video-intake" else program, command

    def start(self, log, environment):
        # Debian keeps nginx where an ordinary user does not look.
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        return subprocess.Popen(
            self.arguments, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=os.environ | {"PATH": path} | environment)


class Server:
    """
    `environment`: settings, like {"VIDEO_INTAKE_RESERVE": "1T"}; `{port}` in a value is the server's. `transcodes`: whether
    videos are queued, which a worker transcodes once it is started. `secure`: whether it is also there by TLS. `nginx`: see
    configuration.adapt.
    """

    def __init__(self, environment=None, transcodes=False, secure=False, **nginx):
        self.port = free_port()
        self.secure_port = free_port() if secure else None
        # Not the settings of a service that is installed on this machine.
        self.environment = {"VIDEO_INTAKE_TRANSCODE": "yes" if transcodes else "no", "VIDEO_INTAKE_CONFIG": "/dev/null"}
        self.environment |= {name: value.replace("{port}", str(self.port)) for name, value in (environment or {}).items()}
        self.address = f"http://127.0.0.1:{self.port}"
        # Of the requests of the tests themselves.
        self.headers = {"Cookie": configuration.SESSION} if nginx.get("login") else {}
        self.directory = Path(tempfile.mkdtemp(prefix="server."))
        self.log = (self.directory / "site.log").open("ab")
        self.responder = self.nginx = self.worker = None
        try:
            self._learn_commands()
            configuration.adapt(self.directory, secure_port=self.secure_port, **nginx)
            self.start_responder()
            self.start_nginx()
            wait_until(self.is_healthy, START_LIMIT, "/healthz answers")
        except BaseException:
            self.close()
            raise

    def _learn_commands(self):
        """Starts nginx/run, for its configuration files and what it starts. And ends it: it ends when the responder is killed."""
        run = subprocess.Popen(
            [configuration.REPOSITORY / "nginx/run", "--port", str(self.port), "--data", self.directory],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, env=os.environ | self.environment)
        try:
            line = run.stdout.readline()
            if not line.startswith(b"ready: "):
                raise AssertionError(f"nginx/run did not start: {self.log_text()}")
            names = {"serve", "nginx"} | ({"worker"} if self.environment["VIDEO_INTAKE_TRANSCODE"] == "yes" else set())

            def learn():
                children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
                commands = dict(map(Command.named, children))
                return commands if names <= commands.keys() else None

            # The worker is still another program's process at first.
            commands = wait_until(learn, START_LIMIT, f"nginx/run has started {names}")
            self.responder_command, self.nginx_command = commands["serve"], commands["nginx"]
            self.worker_command = commands.get("worker")
        finally:
            end(run, signal.SIGTERM)
            run.stdout.close()

    # -- Processes --

    def start_responder(self):
        self.responder = self.responder_command.start(self.log, self.environment)

    def start_nginx(self):
        self.nginx = self.nginx_command.start(self.log, {})

    def start_worker(self):
        self.worker = self.worker_command.start(self.log, self.environment)

    def stop_worker(self):
        """What it was at goes back to the queue."""
        end(self.worker, signal.SIGTERM)

    def kill_responder(self):
        """As a crash would: at once."""
        self.responder.kill()
        self.responder.wait(STOP_LIMIT)

    def restore(self):
        """Starts what does not run."""
        if self.responder.poll() is not None:
            self.start_responder()
        if self.nginx.poll() is not None:
            self.start_nginx()
        wait_until(self.is_healthy, START_LIMIT, "/healthz answers")

    def is_healthy(self):
        try:
            return self.request("GET", "/healthz")[0] == 200
        except OSError:
            return False

    def close(self):
        self.stop_worker()
        end(self.nginx, signal.SIGTERM)
        end(self.responder, signal.SIGTERM)
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log_text(self):
        return (self.directory / "site.log").read_text(errors="replace")

    def address_at(self, host):
        """The server's address by another name of this machine: any below .test, see case.py."""
        return f"https://{host}:{self.secure_port}" if self.secure_port else f"http://{host}:{self.port}"

    # -- Requests of the tests themselves --

    def request(self, method, path, body=None, headers=None, client="127.0.0.1"):
        """(status, headers, body). `client`: the address that it comes from, of this machine."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30, source_address=(client, 0))
        try:
            connection.request(method, path, body, self.headers | (headers or {}))
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def ask(self, action, **parameters):
        """The reply of /service/upload/<action>."""
        body = urllib.parse.urlencode(parameters)
        status, _, reply = self.request("POST", f"/service/upload/{action}", body, {"Content-Type": "application/x-www-form-urlencoded"})
        assert status == 200, f"{action}: HTTP {status} {reply!r}"
        return json.loads(reply)

    def send(self, content, suffix=".mp4", **fields):
        """Sends a chunk, or a whole file, with these fields: (HTTP status, reply)."""
        status, _, reply = self.post(fields, content, suffix)
        return status, json.loads(reply)

    def post(self, fields, content, suffix=".mp4", client="127.0.0.1"):
        """The same: (HTTP status, headers, body). Values may be bytes."""
        boundary = b"0123456789abcdef"
        parts = [f'name="{name}"\r\n\r\n'.encode() + (value if isinstance(value, bytes) else str(value).encode())
                 for name, value in fields.items()]
        parts.append(f'name="file"; filename="video{suffix}"\r\n\r\n'.encode() + content)
        body = b"".join(b"--" + boundary + b"\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts)
        return self.request(
            "POST", "/service/upload/upload_file", body + b"--" + boundary + b"--\r\n",
            {"Content-Type": "multipart/form-data; boundary=" + boundary.decode()}, client)

    def upload(self, path):
        """Uploads a file, in chunks if it is larger than one, and returns its video's number."""
        guid = "1" + "".join(filter(str.isdigit, f"{time.time():.9f}"))
        content = path.read_bytes()
        chunks = max(1, -(-len(content) // CHUNK_SIZE))
        for chunk in range(chunks):
            fields = {"chunks": chunks, "chunk": chunk, "size": len(content)} if chunks > 1 else {}
            status, reply = self.send(
                content[chunk * CHUNK_SIZE:(chunk + 1) * CHUNK_SIZE], path.suffix, guid=guid, file_name=path.name, md5=md5(path), **fields)
        assert (status, reply["code"]) == (200, 1), f"HTTP {status} {reply}"
        return reply["data"]["video_id"]

    def video(self, number):
        """What the server says of the video."""
        return self.ask("video_info", video_id=number)["data"]

    def wait_for_state(self, number, *states):
        """Waits until transcoding has come so far, and returns what the server says of the video."""
        return wait_until(
            lambda: (video := self.video(number))["state"] in states and video, START_LIMIT, f"video {number} is {' or '.join(states)}")

    def change(self, statement, *values):
        """Changes the catalogue, as others do while the responder runs."""
        with contextlib.closing(sqlite3.connect(self.directory / "video-intake.db", timeout=START_LIMIT)) as database, database:
            database.execute(statement, values)

    def select(self, statement, *values):
        """Rows of the catalogue."""
        with contextlib.closing(sqlite3.connect(self.directory / "video-intake.db", timeout=START_LIMIT)) as database:
            return database.execute(statement, values).fetchall()

    def video_with(self, md5):
        """The record of the video with this md5, None if there is none."""
        reply = self.ask("determine_video_exist", md5=md5, type=1)
        return reply["data"] if reply["code"] == 1 else None

    def add_class(self, name, game):
        """Adds a category."""
        self.command("class", "add", name, "--game", game)

    def command(self, *words):
        """What an administrator would do by this command of video-intake."""
        subprocess.run(
            [self.responder_command.arguments[0], *words, "--data-directory", self.directory],
            check=True, stdout=subprocess.DEVNULL, stderr=self.log, timeout=START_LIMIT, env=os.environ | self.environment)

    def expire_uploads(self, md5=None):
        """Removes unfinished uploads, all or those of this content, as if no chunk had come for longer than they live."""
        self.change("UPDATE upload SET update_time = 1 WHERE state <> 'sealed' AND md5 = ifnull(?, md5)", md5)
        self.command("gc")

    def stored_file(self, video, name="video_url"):
        """The file that an address in a video's record names."""
        return self.directory / urllib.parse.unquote(urllib.parse.urlsplit(video[name]).path).lstrip("/")

    # -- What came in --

    def mark(self):
        """A point in nginx's access log."""
        return self._settled_log().stat().st_size

    def requests(self, action, since=0, method="POST", version=r"[\d.]+"):
        """[(status, bytes received)] of the requests for the action that have ended, those that were broken off included."""
        request = rf'"{method} /service/upload/{action}[ ?][^"]*HTTP/{version}"'
        pattern = re.compile(rf"{request} (\d+) .* received=(\d+)".encode())
        with self._settled_log().open("rb") as log:
            log.seek(since)
            matches = (pattern.search(line) for line in log)
            return [(int(match[1]), int(match[2])) for match in matches if match]

    def refused_origins(self):
        """The lines of nginx's log about pages on other hosts."""
        return (self.directory / "log/video-intake.log").read_text().splitlines()

    def sent_files(self, since=0):
        """[(path, status)] of the stored files that were asked for."""
        pattern = re.compile(rb'"GET (/upload/[^ ]+) [^"]*" (\d+) ')
        with self._settled_log().open("rb") as log:
            log.seek(since)
            matches = (pattern.search(line) for line in log)
            return [(match[1].decode(), int(match[2])) for match in matches if match]

    def uploaded_bytes(self, since=0):
        return sum(received for _, received in self.requests("upload_file", since))

    def _settled_log(self):
        """nginx writes the line a moment after the reply."""
        log = self.directory / "log/access.log"
        before = -1
        while before != log.stat().st_size:
            before = log.stat().st_size
            time.sleep(0.1)
        return log


def end(process, signal_number):
    """Sends the signal and waits; kills what does not end."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(signal_number)
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_LIMIT)
