"""The receiver that the README shows: on PHP's own server and on php-fpm behind nginx, with SQLite and with MariaDB."""

import hashlib
import hmac
import http.client
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

import videos
from samples import SECRET, WEBHOOK, Shop, blocks, extensions, listens
from server import START_LIMIT, Server, end, free_port, wait_until

EVENT = {
    "id": 1795293669000, "epoch": "8f14e45fceea167a", "kind": "upload.completed", "video_id": 7,
    "video_name": "斗罗大陆 🎬"}
PHP = "include snippets/fastcgi-php.conf; fastcgi_pass unix:/run/php/php8.2-fpm.sock;"
TABLE = re.sub(r"^//", "", re.search(r"//\s+CREATE TABLE.*?;", WEBHOOK.read_text(), re.DOTALL)[0], flags=re.MULTILINE)


def signature(body, secret=SECRET, when=None):
    when = int(time.time()) if when is None else when
    return f"t={when},v1={hmac.new(secret.encode(), f'{when}.'.encode() + body, hashlib.sha256).hexdigest()}"


class SQLite:
    def __init__(self, directory):
        self.file = directory / "events.db"
        self.settings = {"WEBHOOK_DATABASE": f"sqlite:{self.file}"}

    def run(self, statement):
        return subprocess.run(
            ["sqlite3", "-cmd", ".timeout 30000", self.file, statement], check=True, capture_output=True, text=True,
            timeout=START_LIMIT).stdout

    def close(self):
        pass


class MariaDB:
    def __init__(self, directory):
        data, self.socket = directory / "mariadb", directory / "mariadb.sock"
        user = ["--user=root"] if os.geteuid() == 0 else []
        self.log = (directory / "mariadb.log").open("ab")
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal",
             "--skip-test-db", *user],
            check=True, stdout=self.log, stderr=self.log, timeout=START_LIMIT)
        self.process = subprocess.Popen(
            ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={self.socket}", "--skip-networking",
             *user],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_until(self.socket.exists, START_LIMIT, "MariaDB listens")
        self.database = []
        self.run(
            "CREATE DATABASE shop; CREATE USER shop@localhost IDENTIFIED BY 'with spaces; and signs';"
            "GRANT ALL ON shop.* TO shop@localhost")
        self.database = ["shop"]
        self.settings = {
            "WEBHOOK_DATABASE": f"mysql:unix_socket={self.socket};dbname=shop;charset=utf8mb4",
            "WEBHOOK_USER": "shop",
            "WEBHOOK_PASSWORD": "with spaces; and signs"}

    def run(self, statement):
        return subprocess.run(
            ["mariadb", "--no-defaults", "--batch", "--skip-column-names", "--default-character-set=utf8mb4",
             f"--socket={self.socket}", "--user=root", *self.database, "-e", statement],
            check=True, capture_output=True, text=True, timeout=START_LIMIT).stdout

    def close(self):
        end(self.process, 15)
        self.log.close()


class Cases:
    """The same on each server of PHP, with each database."""

    @classmethod
    def setUpClass(cls):
        cls.directory = Path(tempfile.mkdtemp(prefix="webhook."))
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        cls.database = cls.database_type(cls.directory)
        cls.addClassCleanup(cls.database.close)
        cls.settings = {"WEBHOOK_SECRET": SECRET} | cls.database.settings

    def setUp(self):
        self.database.run("DROP TABLE IF EXISTS video_event")
        self.database.run(TABLE)

    def post(self, event, headers=None, **options):
        body = event if isinstance(event, bytes) else json.dumps(event, ensure_ascii=False).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            signed = {"X-Video-Intake-Signature": signature(body, **options)} if headers is None else headers
            connection.request("POST", "/hook.php", body, {"Content-Type": "application/json"} | signed)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def stored(self):
        return self.database.run("SELECT id FROM video_event ORDER BY epoch, id").split()

    def test_an_event_is_stored_once_however_often_it_comes(self):
        self.start(self.settings)
        self.assertEqual([self.post(EVENT) for _ in range(3)], [204, 204, 204])
        self.assertEqual(self.stored(), [str(EVENT["id"])])
        event = self.database.run("SELECT event FROM video_event").strip()
        self.assertEqual(json.loads(event), EVENT)

    def test_the_same_number_of_another_epoch_is_another_event(self):
        self.start(self.settings)
        self.assertEqual(self.post(EVENT), 204)
        self.assertEqual(self.post(EVENT | {"epoch": "after a restore"}), 204)
        self.assertEqual(self.stored(), [str(EVENT["id"])] * 2)

    def test_deliveries_at_once_store_it_once_and_all_succeed_in_the_end(self):
        self.start(self.settings)
        answers = []

        def deliver():
            for _ in range(5):
                answers.append(self.post(EVENT))

        threads = [threading.Thread(target=deliver) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertLessEqual(set(answers), {204, 503})
        self.assertEqual(self.post(EVENT), 204)
        self.assertEqual(self.stored(), [str(EVENT["id"])])

    def test_what_is_not_signed_with_the_secret_is_refused(self):
        self.start(self.settings)
        now = int(time.time())
        self.assertEqual(self.post(EVENT, headers={}), 403)
        self.assertEqual(self.post(EVENT, secret="another secret of 32 bytes......"), 403)
        self.assertEqual(self.post(EVENT, secret=""), 403)
        self.assertEqual(self.post(EVENT, when=now - 400), 403)
        body = json.dumps(EVENT).encode()
        self.assertEqual(self.post(body + b" ", headers={"X-Video-Intake-Signature": signature(body)}), 403)
        self.assertEqual(self.post(body, headers={"X-Video-Intake-Signature": signature(body) + "0"}), 403)
        self.assertEqual(self.post([1]), 400)
        self.assertEqual(self.post({"id": 1}), 400)
        self.assertEqual(self.stored(), [])

    def test_without_a_secret_it_refuses_everything_and_says_so(self):
        for secret in None, "short":
            with self.subTest(secret=secret):
                settings = self.settings | {"WEBHOOK_SECRET": secret}
                self.start({name: value for name, value in settings.items() if value is not None})
                self.assertEqual(self.post(EVENT, secret=secret or ""), 503)
                self.assertIn("WEBHOOK_SECRET is not set", self.log_text())
                self.assertEqual(self.stored(), [])
                self.stop()

    def test_without_its_database_it_asks_for_another_try(self):
        self.database.run("DROP TABLE video_event")
        self.start(self.settings)
        self.assertEqual(self.post(EVENT), 503)
        self.database.run(TABLE)
        self.assertEqual(self.post(EVENT), 204)
        self.assertEqual(self.stored(), [str(EVENT["id"])])
        self.assertIn("video-intake webhook: SQLSTATE", self.log_text())


class OnPHPsOwnServer(Cases):
    def start(self, settings):
        self.port = free_port()
        pages = self.directory / "pages"
        pages.mkdir(exist_ok=True)
        shutil.copy(WEBHOOK, pages / "hook.php")
        with (self.directory / "php.log").open("wb") as log:
            self.php = subprocess.Popen(
                ["php", "-n", *extensions(), "-S", f"127.0.0.1:{self.port}", "-t", pages],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"PATH": os.environ["PATH"]} | settings)
        self.addCleanup(self.stop)
        wait_until(lambda: listens(self.port), START_LIMIT, "PHP listens")

    def stop(self):
        end(self.php, 15)

    def log_text(self):
        return (self.directory / "php.log").read_text()


class OnPHPFPM(Cases):
    """The settings are in the pool; the environment has none, and would be cleared."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Where the shop of each test listens.
        cls.port = free_port()
        cls.intake = Server({
            "VIDEO_INTAKE_WEBHOOK_URL": f"http://127.0.0.1:{cls.port}/hook.php", "VIDEO_INTAKE_WEBHOOK_SECRET": SECRET,
            "VIDEO_INTAKE_WEBHOOK_PRIVATE": "yes"}, transcodes=True)
        cls.addClassCleanup(cls.intake.close)

    def test_what_video_intake_tells_arrives(self):
        """From the first event of an upload to the last of its transcoding; told once more, nothing happens."""
        self.start(self.settings)
        number = self.intake.upload(videos.small())
        self.intake.start_worker()
        self.addCleanup(self.intake.stop_worker)
        count = "SELECT count(*) FROM event WHERE delivered_time IS NULL"
        self.intake.wait_for_state(number, "ready")
        wait_until(lambda: self.intake.select(count) == [(0,)], START_LIMIT, "all events are delivered")
        told = self.database.run("SELECT kind FROM video_event ORDER BY id").split()
        self.assertEqual(told, ["upload.completed", "video.ready"])
        self.intake.change("UPDATE event SET delivered_time = NULL, not_before = 0")
        wait_until(lambda: self.intake.select(count) == [(0,)], START_LIMIT, "all events are delivered again")
        self.assertEqual(self.database.run("SELECT kind FROM video_event ORDER BY id").split(), told)
        self.intake.change("DELETE FROM event")

    def start(self, settings):
        pool = "".join(f'env[{name}] = "{value}"\n' for name, value in settings.items())
        self.shop = Shop(self.intake, pool, self.port)
        self.addCleanup(self.shop.close)
        shutil.copy(WEBHOOK, self.shop.root / "hook.php")
        self.shop.configure(server="location ~ \\.php$ {" + PHP + "}")
        self.shop.start()

    def stop(self):
        self.shop.close()

    def log_text(self):
        return self.shop.log_text()


class OwnServerSQLite(OnPHPsOwnServer, unittest.TestCase):
    database_type = SQLite


class OwnServerMariaDB(OnPHPsOwnServer, unittest.TestCase):
    database_type = MariaDB


class FPMSQLite(OnPHPFPM, unittest.TestCase):
    database_type = SQLite


class FPMMariaDB(OnPHPFPM, unittest.TestCase):
    database_type = MariaDB


class Text(unittest.TestCase):
    def test_readme_and_file_are_the_same(self):
        receivers = [block.text for block in blocks("php") if "HTTP_X_VIDEO_INTAKE_SIGNATURE" in block.text]
        self.assertEqual(receivers, [WEBHOOK.read_text()])

    def test_php_fpm_reads_the_lines_of_the_comment(self):
        """As they stand there, semicolons in quotes included."""
        lines = re.findall(r"^//\s+(env\[\w+\] = .*)$", WEBHOOK.read_text(), re.MULTILINE)
        self.assertEqual(len(lines), 4)
        names = re.findall(r"getenv\('(\w+)'\)", WEBHOOK.read_text())
        self.assertEqual({re.match(r"env\[(\w+)\]", line)[1] for line in lines}, set(names))
        intake = Server()
        self.addCleanup(intake.close)
        shop = Shop(intake, "\n".join(lines))
        self.addCleanup(shop.close)
        (shop.root / "index.php").write_text("<?php echo getenv('WEBHOOK_DATABASE');")
        shop.configure(server="location / {" + PHP + "}")
        shop.start()
        connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=30)
        self.addCleanup(connection.close)
        connection.request("GET", "/index.php")
        self.assertEqual(
            connection.getresponse().read().decode(),
            "mysql:unix_socket=/run/mysqld/mysqld.sock;dbname=shop;charset=utf8mb4")


if __name__ == "__main__":
    unittest.main()
