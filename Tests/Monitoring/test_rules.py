"""alerts.yml and prometheus.yml by themselves, with promtool."""

import re
import shutil
import tempfile
import unittest
from pathlib import Path

import yaml

from monitoring import FILES, METRICS, alerts, promtool


class Rules(unittest.TestCase):
    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(prefix="rules."))
        self.addCleanup(shutil.rmtree, self.directory)

    def test_prometheus_takes_the_files(self):
        for arguments in (["rules"], "alerts.yml"), (["config", "--syntax-only"], "prometheus.yml"):
            check = promtool("check", *arguments[0], FILES / arguments[1])
            self.assertEqual(check.returncode, 0, check.stdout + check.stderr)

    def test_every_alert_says_what_it_is_and_what_to_do(self):
        for alert in alerts():
            with self.subTest(alert["alert"]):
                self.assertIn(alert["labels"]["severity"], ("critical", "warning"))
                self.assertEqual(alert["annotations"].keys(), {"summary", "action"})

    def test_every_alert_fires_from_its_cause_only(self):
        tests = Path(__file__).parent / "alerts_test.yml"
        rules = yaml.safe_load((FILES / "alerts.yml").read_text())
        for group in rules["groups"]:
            for rule in group["rules"]:
                rule.get("annotations", {}).pop("action", None)
        (self.directory / "alerts.yml").write_text(yaml.safe_dump(rules))
        shutil.copy(tests, self.directory)
        check = promtool("test", "rules", self.directory / tests.name)
        self.assertEqual(check.returncode, 0, check.stdout + check.stderr)

        all_tests = yaml.safe_load(tests.read_text())["tests"]
        cases = [case for test in all_tests for case in test.get("alert_rule_test", [])]
        for fires in True, False:
            tested = {case["alertname"] for case in cases if bool(case["exp_alerts"]) == fires}
            untested = {alert["alert"] for alert in alerts()} - tested
            self.assertEqual(untested, set(), f"without a case in which it fires is {fires}")

    def test_metrics_are_those_that_there_are(self):
        """A name that is misspelt would never fire."""
        used = {name for file in (FILES / "alerts.yml", FILES / "dashboard.json")
                for name in re.findall(r"\bvideo_intake_[a-z_]+", file.read_text())}
        # And nothing is measured that nobody looks at.
        self.assertEqual(used, METRICS)


if __name__ == "__main__":
    unittest.main()
