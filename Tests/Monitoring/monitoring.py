"""What is tested, and a Prometheus: on a free port, in a throw-away directory, with our scrape example and alerts."""

import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

from configuration import REPOSITORY
from server import START_LIMIT, end, free_port, wait_until

FILES = REPOSITORY / "nginx/monitoring"
# Seconds within which an alert has to fire or to end once its cause is done: scrape, evaluation and `for`.
ALERT_LIMIT = 60

# The series that a video-intake has once it has answered a chunk and a whole file.
METRICS = {f"video_intake_{name}" for name in """
    build_info start_time_seconds requests_total refusal_timestamp_seconds received_body_bytes_total
    open_uploads upload_received_bytes upload_promised_bytes
    uploads_limit upload_clients largest_client_uploads largest_client_bytes refused_guids ended_uploads_total
    proxies_without_real_ip
    chunk_seconds_bucket chunk_seconds_sum chunk_seconds_count
    completion_seconds_bucket completion_seconds_sum completion_seconds_count
    free_bytes_above_reserve jobs oldest_queued_job_age_seconds worker_heartbeat_timestamp_seconds
    queued_job_clients jobs_over_budget_total worker_slots
    events_pending oldest_pending_event_age_seconds events_given_up_total sync_failures_total lost_files_total
    memory_limit_bytes open_files_limit probes sandbox_wall
    check_timestamp_seconds check_findings cache_hits_total cache_misses_total cache_loads_total
    """.split()}


def alerts():
    groups = yaml.safe_load((FILES / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def promtool(*arguments, **options):
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=START_LIMIT, **options)


# A copy of the alerts that need not wait: what is minutes becomes a second, ten minutes of counters ten seconds.
FAST = [
    (r"for: \d+[mh]$", "for: 1s"),
    (r"\[(10m|30m|1h|1d)\]", "[10s]"),
    (r"offset 10m", "offset 10s"),
    (r"(heartbeat_timestamp_seconds\)) < 120", r"\1 < 20"),
    (r"(event_age_seconds) > 900", r"\1 > 3"),
    (r"(job_age_seconds) > 3600", r"\1 > 3"),
]


class Prometheus:
    def __init__(self, port):
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="prometheus."))
        rules = (FILES / "alerts.yml").read_text()
        for pattern, replacement in FAST:
            rules, count = re.subn(pattern, replacement, rules, flags=re.MULTILINE)
            assert count > 0, f"alerts.yml has no {pattern}"
        (self.directory / "alerts.yml").write_text(rules)
        text = (FILES / "prometheus.yml").read_text()
        for old, new in [("15s", "1s"), ("/usr/share/video-intake/monitoring/alerts.yml", "alerts.yml"),
                         ("- shop.example.com:80", f"- 127.0.0.1:{port}")]:
            assert old in text, f"prometheus.yml has no {old}"
            text = text.replace(old, new)
        (self.directory / "prometheus.yml").write_text(text)
        self.log = (self.directory / "log").open("ab")
        self.started = time.time()
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={self.directory}/prometheus.yml",
             f"--storage.tsdb.path={self.directory}/data", f"--web.listen-address=127.0.0.1:{self.port}"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            wait_until(self._is_ready, START_LIMIT, "Prometheus is ready")
        except BaseException:
            self.close()
            raise

    def _is_ready(self):
        assert self.process.poll() is None, (self.directory / "log").read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=30):
                return True
        except OSError:
            return False

    def ask(self, path, **parameters):
        """The data that its API answers with."""
        address = f"http://127.0.0.1:{self.port}/api/v1/{path}?" + urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(address, timeout=30) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as problem:
            raise AssertionError(f"{path} {parameters}: {problem.read().decode()}") from None

    def values(self, query):
        """What an expression has been since this Prometheus was started: all values of all its series."""
        result = self.ask("query_range", query=query, start=self.started, end=time.time(), step=1)["result"]
        return [float(value) for series in result for _, value in series["values"]]

    def firing(self):
        """The alerts that fire: {name: [alert]}."""
        found = {}
        for alert in self.ask("alerts")["alerts"]:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert)
        return found

    def wait_for(self, name, **labels):
        """Waits until the alert fires with these labels, and returns it."""
        def found():
            alerts = self.firing().get(name, [])
            return next((alert for alert in alerts if labels.items() <= alert["labels"].items()), None)
        return wait_until(found, ALERT_LIMIT, f"{name} {labels} fires")

    def wait_for_end(self, name):
        wait_until(lambda: name not in self.firing(), ALERT_LIMIT, f"{name} fires no more")

    def close(self):
        end(self.process, 15)
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)
