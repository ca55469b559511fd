"""A Prometheus scrapes a video-intake behind nginx: alerts fire from their causes, the dashboard's queries answer."""

import hashlib
import http.server
import json
import re
import subprocess
import threading
import time
import unittest

import videos
from monitoring import ALERT_LIMIT, FILES, METRICS, Prometheus, promtool
from server import START_LIMIT, Server, end, free_port, wait_until

CHUNK = videos.CHUNK_SIZE
# An atom of MP4 that means nothing: the same video, other bytes.
FREE = b"\0\0\0\x08free"


class Receiver:
    """A webhook's receiver, which can be down."""

    def __init__(self):
        self.port = free_port()
        self.server = None

    def start(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


class Running(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.small, cls.middle = videos.small().read_bytes(), videos.middle().read_bytes()
        cls.receiver = Receiver()
        cls.addClassCleanup(cls.receiver.stop)
        cls.receiver.start()
        cls.server = Server({
            "VIDEO_INTAKE_WEBHOOK_URL": f"http://127.0.0.1:{cls.receiver.port}/hook",
            "VIDEO_INTAKE_WEBHOOK_PRIVATE": "yes", "VIDEO_INTAKE_WEBHOOK_SECRET": "0123456789abcdef"}, transcodes=True)
        cls.addClassCleanup(cls.server.close)
        cls.prometheus = Prometheus(cls.server.port)
        cls.addClassCleanup(cls.prometheus.close)

    # -- What is done --

    def command(self, *arguments):
        return subprocess.run(
            [self.server.responder_command.arguments[0], *arguments, "--data-directory", self.server.directory],
            capture_output=True, text=True, timeout=START_LIMIT,
            env=self.server.environment | {"VIDEO_INTAKE_CONFIG": "/dev/null", "PATH": "/usr/bin:/bin"})

    def send(self, content, guid, chunk=None, digest=None):
        """A chunk of a video, or all of it: (status, reply)."""
        digest = digest or hashlib.md5(content).hexdigest()
        fields = {"guid": guid, "file_name": guid, "md5": digest, "size": len(content)}
        if chunk is not None:
            fields |= {"chunks": -(-len(content) // CHUNK), "chunk": chunk}
            content = content[chunk * CHUNK:(chunk + 1) * CHUNK]
        return self.server.send(content, **fields)

    def metrics(self):
        status, headers, text = self.server.request("GET", "/metrics")
        self.assertEqual(status, 200, text)
        self.assertEqual(headers["Content-Type"].partition(";")[0], "text/plain")
        return text.decode()

    def value(self, series):
        """The value of a series in what is scraped."""
        [line] = [line for line in self.metrics().splitlines() if line.startswith(series + " ")]
        return float(line.split()[-1])

    def settle(self):
        """Until Prometheus has seen and judged what there is now, several times."""
        time.sleep(4)

    def test_alerts_fire_from_their_causes_and_the_dashboard_shows_it(self):
        # In one test: a step needs what those before have left, and Prometheus has to see all of it for the dashboard.
        for step in (self.when_nobody_has_checked, self.when_all_is_well, self.when_the_page_is_wrong,
                     self.when_the_receiver_is_down, self.when_no_worker_runs, self.when_the_disk_is_at_its_reserve,
                     self.when_a_file_is_lost, self.when_the_responder_is_down, self.what_is_measured, self.what_the_dashboard_shows):
            with self.subTest(step.__name__):
                step()

    def when_nobody_has_checked(self):
        self.prometheus.wait_for("VideoIntakeCheckOverdue")
        self.assertEqual(self.command("check").returncode, 0)
        self.prometheus.wait_for_end("VideoIntakeCheckOverdue")

    def when_all_is_well(self):
        self.server.start_worker()
        for chunk in range(3):
            self.assertEqual(self.send(self.middle, "17321600000001", chunk)[1]["code"], 2)
        number = self.server.upload(videos.small())
        self.server.ask("determine_video_exist", md5=videos.md5(videos.small()), type=1)
        self.server.wait_for_state(number, "ready")
        wait_until(lambda: self.value("video_intake_events_pending") == 0, ALERT_LIMIT, "events are delivered")
        self.settle()
        # How fast the machine of this test is, and how much room it has, is its own affair.
        machine = {"VideoIntakeDiskFilling", "VideoIntakeChunksSlow", "VideoIntakeCompletionsSlow"}
        self.assertEqual(self.prometheus.firing().keys() - machine, set())

    def when_the_page_is_wrong(self):
        for number in range(4):
            _, reply = self.send(self.small, f"1732160000010{number}", digest=32 * str(number))
            self.assertEqual(reply["code"], -3, reply)
        self.prometheus.wait_for("VideoIntakeWrongDigests")
        self.prometheus.wait_for_end("VideoIntakeWrongDigests")

    def when_the_receiver_is_down(self):
        self.receiver.stop()
        self.send(self.small, "17321600000002")
        alert = self.prometheus.wait_for("VideoIntakeEventsWaiting")
        self.assertRegex(
            alert["annotations"]["summary"], r"^An event of 127\.0\.0\.1:\d+ has waited \S+s for the webhook")
        self.receiver.start()
        # The pause before the next attempt is not what is tested.
        self.server.change("UPDATE event SET not_before = 0")
        self.prometheus.wait_for_end("VideoIntakeEventsWaiting")
        # One that nobody has taken for 30 days.
        self.receiver.stop()
        self.send(self.small, "17321600000003")
        self.server.stop_worker()
        self.server.change("UPDATE event SET create_time = create_time - 31 * 86400 WHERE delivered_time IS NULL")
        self.assertEqual(self.command("gc").returncode, 0)
        self.prometheus.wait_for("VideoIntakeEventsGivenUp")
        self.receiver.start()

    def when_no_worker_runs(self):
        end(self.server.worker, 9)
        self.assertEqual(self.send(self.small + FREE, "17321600000004")[1]["code"], 1)
        self.prometheus.wait_for("VideoIntakeNoWorker")
        self.prometheus.wait_for("VideoIntakeJobsWaiting")
        self.server.start_worker()
        self.prometheus.wait_for_end("VideoIntakeNoWorker")

    def when_the_disk_is_at_its_reserve(self):
        self.server.kill_responder()
        self.server.environment["VIDEO_INTAKE_RESERVE"] = "1024G"
        self.server.restore()
        self.prometheus.wait_for("VideoIntakeDiskFull", file_system="data")
        self.assertEqual(self.send(self.middle + FREE, "17321600000005", 0)[1]["code"], -3)
        self.prometheus.wait_for("VideoIntakeUploadsRefused", reason="disk-full")
        status, _, reply = self.server.request("GET", "/healthz?ready")
        self.assertEqual((status, json.loads(reply)["data"]), (503, {"ready": False, "reason": "disk-full"}))
        self.assertEqual(self.server.request("GET", "/healthz")[0], 200)
        status = self.command("status", "--socket", self.server.directory / "video-intake.sock")
        self.assertEqual(status.returncode, 1, status.stdout + status.stderr)
        self.assertRegex(status.stdout, r"room +-.* above the reserve")
        self.server.kill_responder()
        del self.server.environment["VIDEO_INTAKE_RESERVE"]
        self.server.restore()
        self.prometheus.wait_for_end("VideoIntakeDiskFull")

    def when_a_file_is_lost(self):
        video = self.server.video_with(videos.md5(videos.small()))
        file = self.server.stored_file(video)
        kept = file.rename(file.with_suffix(".kept"))
        digest = videos.md5(videos.small())
        wait_until(lambda: self.server.video_with(digest) is None, ALERT_LIMIT, "the loss is noticed")
        self.prometheus.wait_for("VideoIntakeFilesLost")
        self.assertEqual(self.command("check").returncode, 1)
        self.prometheus.wait_for("VideoIntakeCheckFindings")
        kept.rename(file)
        self.command("check")
        self.prometheus.wait_for_end("VideoIntakeCheckFindings")

    def when_the_responder_is_down(self):
        self.server.kill_responder()
        self.prometheus.wait_for("VideoIntakeDown")
        self.server.restore()
        self.prometheus.wait_for_end("VideoIntakeDown")

    def what_is_measured(self):
        self.send(self.middle + FREE, "17321600000006", 0)
        self.server.upload(videos.small())
        check = promtool("check", "metrics", input=self.metrics())
        self.assertEqual((check.returncode, check.stdout + check.stderr), (0, ""))
        self.assertEqual(set(re.findall(r"^(\w+)", self.metrics(), re.MULTILINE)), METRICS)
        took = min(self.time_of_a_scrape() for _ in range(5))
        self.assertLess(took, 0.05)

    def time_of_a_scrape(self):
        start = time.monotonic()
        self.metrics()
        return time.monotonic() - start

    def what_the_dashboard_shows(self):
        """Every query of it has had an answer with a value: as Grafana asks, over the time that this test has taken."""
        self.settle()
        board = json.loads((FILES / "dashboard.json").read_text())
        queries = [(panel["title"], target["expr"]) for panel in board["panels"] for target in panel.get("targets", [])]
        queries += [(annotation["name"], annotation["expr"]) for annotation in board["annotations"]["list"]]
        self.assertGreaterEqual(len(queries), 40)
        for title, query in queries:
            query = query.replace("$__rate_interval", "10s").replace("$instance", ".*").replace("[1h]", "[20s]")
            with self.subTest(title, query=query):
                self.assertNotIn("$", query)
                # NaN is what a quantile of nothing is.
                values = [value for value in self.prometheus.values(query) if value == value]
                self.assertTrue(values, "no value")
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                series, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
                self.assertTrue(self.prometheus.ask("series", **{"match[]": series})[0][label])


if __name__ == "__main__":
    unittest.main()
