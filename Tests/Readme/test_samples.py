"""What the documents show is run: nginx, PHP, JSON, shell."""

import contextlib
import http.client
import json
import re
import shutil
import sqlite3
import subprocess
import tempfile
import unittest
from pathlib import Path

import videos
from configuration import REPOSITORY
from samples import DOCUMENTS, TEXT, Refused, Shop, blocks
from server import START_LIMIT, Server

SERVER_NAME = re.compile(r"^\s*server_name\s+([^;\s]+)", re.MULTILINE)


class Nginx(unittest.TestCase):
    """Each example, at the place of the configuration where nginx takes it, with php-fpm and a video-intake."""

    @classmethod
    def setUpClass(cls):
        cls.intake = Server()
        cls.addClassCleanup(cls.intake.close)

    def setUp(self):
        self.shop = Shop(self.intake)
        self.addCleanup(self.shop.close)

    def places(self, text):
        """(where, arguments of Shop.configure) that an example may be for."""
        if re.search(r"^server\s*\{", text, re.MULTILINE):
            yield "http", {"http": text}
            return
        yield "server", {"server": text}
        for path in sorted((self.shop.intake.directory / "nginx/snippets/video-intake").glob("*.conf")):
            yield path.name, {"files": {f"snippets/video-intake/{path.name}": text}}
        yield "conf.d", {"files": {"conf.d/shop.conf": text}}

    def accept(self, block):
        """Configures the shop with the example."""
        problems = []
        for place, arguments in self.places(block.text):
            try:
                self.shop.configure(**arguments)
                return
            except Refused as problem:
                problems.append(f"{place}: {problem}")
        self.fail(f"{block} is accepted nowhere:\n" + "\n".join(problems))

    def get(self, host, path, method="GET", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.shop.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, headers={"Host": host} | (headers or {}))
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")

    def test_every_nginx_example_is_accepted_and_serves(self):
        examples = blocks("nginx")
        self.assertGreaterEqual(len(examples), 3)
        for block in examples:
            with self.subTest(str(block)):
                self.accept(block)
                self.shop.start()
                host = (SERVER_NAME.search(block.text) or ["", "shop.example.com"])[1]
                takes_uploads = "server {" not in block.text or "snippets/video-intake/upload.conf" in block.text
                status, reply = self.get(host, "/healthz")
                if takes_uploads:
                    self.assertEqual((status, json.loads(reply)["code"]), (200, 1))
                    status, reply = self.get(host, "/service/upload/determine_video_exist?md5=" + 32 * "0", "POST")
                    # A login may stand before it.
                    self.assertIn((status, json.loads(reply)["code"]), [(200, 2), (401, -4)])
                if "fastcgi-php.conf" in block.text and "server {" in block.text:
                    status, reply = self.get(host, "/article?id=1")
                    self.assertEqual((status, reply), (200, "shop /article?id=1"))
                if "page.conf" in block.text:
                    status, reply = self.get(host, "/")
                    self.assertEqual(status, 200)
                    self.assertIn("<html", reply)
                self.shop.stop()

    def test_an_example_with_a_mistake_is_refused(self):
        with self.assertRaises(Refused):
            self.shop.configure(server="location / { no_such_directive on; }")


class Catalogue(unittest.TestCase):
    """The examples that read or change the catalogue, on one that has a video."""

    @classmethod
    def setUpClass(cls):
        cls.intake = Server()
        cls.addClassCleanup(cls.intake.close)

    def adapted(self, text):
        """Paths of production are those of the test; all is the same user's."""
        return (text.replace("runuser -u www-data -- ", "").replace("/var/lib/video-intake", str(self.intake.directory))
                .replace("/etc/default/video-intake", str(self.intake.directory / "settings")))

    def test_every_statement_of_sql_is_valid(self):
        statements = re.findall(r'sqlite3 [^"]*video-intake\.db \\?\s*"([^"]+)"', TEXT)
        statements = [statement for statement in statements if not statement.startswith(".")]
        self.assertGreaterEqual(len(statements), 3)
        connection = sqlite3.connect(self.intake.directory / "video-intake.db", timeout=START_LIMIT)
        with contextlib.closing(connection) as database:
            for statement in statements:
                with self.subTest(statement):
                    database.execute(statement)
            database.rollback()

    def test_the_php_that_reads_a_record_prints_what_the_readme_says(self):
        [block] = [block for block in blocks("php") if "sqlite:/var/lib/video-intake" in block.text]
        number = self.intake.upload(videos.small())
        self.intake.change("INSERT INTO video_class (class_id, class_name, game_name) VALUES (7, '攻略', '斗罗大陆')")
        self.intake.change("UPDATE video_info SET video_name = 'Small', class_id = 7 WHERE video_id = ?", number)
        self.assertEqual(block.text.count("[100001]"), 1)
        program = self.adapted(block.text).replace("[100001]", f"[{number}]")
        output = run("php", "-d", "display_errors=stderr", input=program)
        self.assertEqual(output.stderr, "")
        path = self.intake.video(number)["video_url"].split("/upload/")[1]
        self.assertEqual(output.stdout, f"Small 斗罗大陆 https://video.example.com/upload/{path}\n")
        # As the README prints it, but for the path.
        shown = TEXT.split(block.text)[1].split("```text\n")[1].split("```")[0]
        self.assertEqual(shown.rpartition("/upload/")[0], output.stdout.rpartition("/upload/")[0])


class Texts(unittest.TestCase):
    def test_every_php_block_is_valid(self):
        for block in blocks("php"):
            with self.subTest(str(block)):
                check = run("php", "-l", input=block.text)
                self.assertEqual(check.returncode, 0, check.stdout)

    def test_every_json_block_is_valid(self):
        self.assertGreaterEqual(len(blocks("json")), 1)
        for block in blocks("json"):
            with self.subTest(str(block)):
                json.loads(block.text)

    def test_every_shell_block_is_valid(self):
        for block in blocks("sh") + blocks("console"):
            with self.subTest(str(block)):
                # A block uses variables of another one; who types sees that `cd` failed.
                check = run(
                    "shellcheck", "--shell=bash", "--severity=warning", "--exclude=SC2154,SC2034,SC2164", "-",
                    input=commands(block))
                self.assertEqual(check.returncode, 0, check.stdout)

    def test_the_profile_is_the_default(self):
        """It is accepted; and with one value that is not, refused by its name."""
        [block] = [block for block in blocks("json") if '"renditions"' in block.text]
        with tempfile.TemporaryDirectory() as directory:
            profile = Path(directory) / "profile.json"
            for text, status in (block.text, 0), (block.text.replace('"crf": 22', '"crf": "22"'), 64):
                profile.write_text(text)
                check = run(
                    REPOSITORY / ".build/release/video-intake", "config", "check", "--profile", profile,
                    "--config", "/dev/null", "--nginx-directory", REPOSITORY / "nginx")
                self.assertEqual(check.returncode, status, check.stdout + check.stderr)
            self.assertIn("crf", check.stderr)

    def test_the_scripts_of_html_examples_are_there(self):
        for block in blocks("html"):
            for name in re.findall(r'src="/([\w.-]+)"', block.text):
                # WebUploader itself is the page's.
                if name != "webuploader.min.js":
                    self.assertTrue((REPOSITORY / "nginx/html" / name).exists(), name)

    def test_the_options_of_the_script_are_there(self):
        script = (REPOSITORY / "nginx/html/webuploader-resume.js").read_text()
        [block] = [block for block in blocks("js") if "WebUploaderResume.configure" in block.text]
        shown = set(re.findall(r"^    (\w+):", block.text, re.MULTILINE))
        known = set(re.findall(r"(\w+): ", re.search(r"settings = \{(.*?)\}", script)[1]))
        self.assertGreaterEqual(len(shown), 2)
        self.assertEqual(shown - known, set())


class FirstSteps(unittest.TestCase):
    """What somebody does first: each command as printed prints what the README says, but for numbers and times."""

    def test_the_steps_without_a_browser(self):
        steps = blocks(heading="Try it without a browser")
        self.assertGreaterEqual(len(steps), 5)
        server = Server()
        self.addCleanup(server.close)
        directory = tempfile.mkdtemp(prefix="steps.")
        self.addCleanup(shutil.rmtree, directory)
        program, expected = ["set -e"], []
        for block in steps:
            program.append(commands(block))
            if block.language == "console":
                expected.append(re.sub(r"^\$ .*(\\\n.*)*\n", "", block.text, flags=re.MULTILINE))
            elif block.language == "text":
                expected.append(block.text)
        program = "\n".join(program).replace("http://127.0.0.1:8080", server.address)
        # By standard input, as a terminal gets what is pasted.
        output = run("bash", input=program, cwd=directory)
        self.assertEqual((output.returncode, output.stderr), (0, ""))
        self.maxDiff = None
        self.assertEqual(comparable(output.stdout), comparable("".join(expected)))


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=START_LIMIT, **options)


def commands(block):
    """What is typed in a block: all of it, or what follows a `$ `."""
    if block.language == "sh":
        return block.text
    lines, command, end = [], "", None
    for line in block.text.splitlines() if block.language == "console" else []:
        is_open = command.endswith("\\") or command.count('"') % 2 == 1
        if end is not None or is_open:
            lines.append(line)
        elif line.startswith("$ "):
            command = ""
            lines.append(line.removeprefix("$ "))
        else:
            continue
        # A command goes on behind a `\\`, within quotes, and to the end of its here-document.
        if end is None:
            command += lines[-1]
            here = re.search(r"<<\s*'?(\w+)'?", lines[-1])
            end = here and here[1]
        elif line == end:
            end = None
    return "\n".join(lines) + "\n"


def comparable(output):
    """Without line ends, with one number in place of all, and one digest."""
    output = re.sub(r"\s*\n", "", output)
    output = re.sub(r"[0-9a-f]{32}", "DIGEST", output)
    return re.sub(r"\d+(\.\d+)?", "0", output)


if __name__ == "__main__":
    unittest.main()
