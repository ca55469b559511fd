"""The code blocks of the documents, and a shop to try them on: Debian's nginx with the files we ship, and php-fpm."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from configuration import REPOSITORY
from server import START_LIMIT, Server, end, free_port, wait_until

# README and the articles, or a draft.
DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "Sources/video-intake/video-intake.docc").glob("*.md"))]
if "VIDEO_INTAKE_TEST_DOCUMENT" in os.environ:
    DOCUMENTS = [Path(os.environ["VIDEO_INTAKE_TEST_DOCUMENT"])]
TEXT = "\n".join(document.read_text() for document in DOCUMENTS)
WEBHOOK = REPOSITORY / "nginx/examples/webhook.php"
SECRET = "0123456789abcdef0123456789abcdef"
SITE = "snippets/video-intake/site.conf"


class Block:
    """A code block: its language, its text, the heading it stands under, its document and line."""

    def __init__(self, language, heading, document, line):
        self.language, self.heading, self.document, self.line = language, heading, document, line
        self.text = ""

    def __str__(self):
        return f"{self.document.name}:{self.line} ({self.language}, {self.heading})"


def blocks(language=None, heading=None):
    """The blocks of a language, or below a heading, in order."""
    found = []
    for document in DOCUMENTS:
        block, title = None, ""
        for number, line in enumerate(document.read_text().splitlines(keepends=True), 1):
            fence = re.match(r"```(\w*)", line)
            if block is None and fence:
                block = Block(fence[1], title, document, number)
            elif block is not None and fence:
                found.append(block)
                block = None
            elif block is not None:
                block.text += line
            elif line.startswith("#"):
                title = line.strip("# \n")
        assert block is None, f"{block}: without an end"
    return [block for block in found if language in (None, block.language) and heading in (None, block.heading)]


class Refused(Exception):
    """nginx -t does not accept the configuration."""


class Shop:
    """
    nginx as Debian configures it, with our files added, before php-fpm and a video-intake that nginx/run's commands
    started. Paths below /etc, /run and /var stand for those in `directory`.
    """

    def __init__(self, intake: Server, pool="", port=None):
        self.intake, self.port, self.tls_port = intake, port or free_port(), free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="shop."))
        self.root = self.directory / "www"
        self.root.mkdir()
        (self.root / "index.php").write_text("<?php echo 'shop ', $_SERVER['REQUEST_URI'];")
        self.log = (self.directory / "shop.log").open("ab")
        self.nginx = self.fpm = None
        self._pool = pool

    def moved(self, text):
        """A configuration, with the paths, ports and names of this shop."""
        for path, place in [
            ("/run/video-intake/video-intake.sock", self.intake.directory / "video-intake.sock"),
            ("/var/lib/video-intake", self.intake.directory),
            ("/usr/share/video-intake/html", REPOSITORY / "nginx/html"),
            ("/run/php/php8.2-fpm.sock", self.directory / "fpm.sock"), ("/run/nginx.pid", self.directory / "nginx.pid"),
            ("/var/log/nginx", self.directory), ("/var/www/html", self.root), ("/var/www/shop", self.root),
            ("/etc/nginx", self.directory / "nginx"), ("user www-data;", "user root;" if os.geteuid() == 0 else ""),
        ]:
            text = text.replace(path, str(place))
        text = re.sub(r"\blisten \[::\]:(80|443)\b.*;", "", text)
        text = re.sub(r"\blisten (80|443)\b.*;", lambda match: self._listen(match[0]), text)
        certificate = str(self.directory / "certificate.pem")
        return re.sub(r"(ssl_certificate(?:_key)?)\s+[^;]+;", rf"\1 {certificate};", text)

    def _listen(self, line):
        for known, port in ("80", self.port), ("443", self.tls_port):
            line = line.replace(f"listen {known}", f"listen 127.0.0.1:{port}")
        if "ssl" in line and not (self.directory / "certificate.pem").exists():
            pem = self.directory / "certificate.pem"
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=shop.example.com",
                 "-days", "2", "-keyout", pem, "-out", self.directory / "only.pem"], check=True, stderr=self.log,
                timeout=START_LIMIT)
            with pem.open("a") as file:
                file.write((self.directory / "only.pem").read_text())
        return line

    def configure(self, http="", server="", files=None):
        """
        Writes nginx's configuration: `http` at http level; or a server with our two lines and `server`. `files`: what
        is appended to files of ours. Raises Refused if nginx does not accept it.
        """
        target = self.directory / "nginx"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree("/etc/nginx", target, ignore=shutil.ignore_patterns("sites-*", "video-intake*"))
        for name in "conf.d", "snippets":
            shutil.copytree(REPOSITORY / "nginx" / name, target / name, dirs_exist_ok=True)
        for name, text in (files or {}).items():
            with (target / name).open("a") as file:
                file.write("\n" + text)
        if not http:
            http = ("server {\n listen 80;\n server_name shop.example.com;\n root /var/www/shop;\n"
                    f" include {SITE};\n include snippets/video-intake/upload.conf;\n{server}\n}}\n")
        main = target / "nginx.conf"
        sites = re.compile(r"include /etc/nginx/sites-enabled/\*;")
        main.write_text(sites.sub(lambda _: http, main.read_text()))
        for path in [main, *target.glob("conf.d/*.conf"), *target.glob("snippets/**/*.conf")]:
            path.write_text(self.moved(path.read_text()))
        check = subprocess.run(
            [*self._command(), "-t"], capture_output=True, text=True, timeout=START_LIMIT, env=self._environment())
        if check.returncode != 0 or "[warn]" in check.stderr:
            raise Refused(check.stderr)

    def _command(self):
        return ["nginx", "-p", self.directory, "-c", "nginx/nginx.conf", "-e", "stderr"]

    @staticmethod
    def _environment():
        return os.environ | {"PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}

    def start(self):
        self.stop()
        if self.fpm is None:
            # As Debian's www.conf: the environment is cleared.
            user = "user = root\ngroup = root\n" if os.geteuid() == 0 else ""
            (self.directory / "pool.conf").write_text(
                f"[global]\nerror_log = {self.directory}/fpm.log\ndaemonize = no\n"
                f"[www]\n{user}listen = {self.directory}/fpm.sock\npm = static\npm.max_children = 4\n{self._pool}\n")
            self.fpm = subprocess.Popen(
                ["php-fpm8.2", "-n", *extensions(), "-y", self.directory / "pool.conf",
                 *(["-R"] if os.geteuid() == 0 else [])],
                stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=self._environment())
            wait_until((self.directory / "fpm.sock").exists, START_LIMIT, "php-fpm listens")
        self.nginx = subprocess.Popen(
            [*self._command(), "-g", "daemon off;"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env=self._environment())
        wait_until(lambda: listens(self.port), START_LIMIT, "nginx listens")

    def log_text(self):
        logs = [self.directory / name for name in ("shop.log", "fpm.log", "error.log")]
        return "".join(path.read_text(errors="replace") for path in logs if path.exists())

    def stop(self):
        end(self.nginx, 15)
        self.nginx = None

    def close(self):
        self.stop()
        end(self.fpm, 15)
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def extensions():
    """The extensions of PHP that the samples use, without whatever else this machine's php.ini loads."""
    return [word for name in ("pdo", "mysqlnd", "pdo_mysql", "pdo_sqlite") for word in ("-d", f"extension={name}")]
