"""The base of all tests here: one Chromium a module, one server a class, one window a test."""

import json
import os
import re
import tempfile
import unittest
import urllib.parse
from pathlib import Path

from playwright.sync_api import sync_playwright

from server import Server

CHROMIUM = "/usr/bin/chromium"
# Milliseconds. Bounds of what a test waits for; the machine may be busy with something else.
WAIT = 25_000


class Browser:
    """Chromium, started when a module's tests first need it, and ended after them."""

    _playwright = _chromium = None

    @classmethod
    def chromium(cls):
        if cls._chromium is None:
            unittest.addModuleCleanup(cls._end)
            cls._playwright = sync_playwright().start()
            cls._chromium = cls._playwright.chromium.launch(**cls._how())
        return cls._chromium

    @classmethod
    def with_profile(cls, directory, **options):
        """A Chromium of its own with a profile on disk, which lets cookies of other sites through: Debian's does not."""
        cls.chromium()
        preferences = directory / "Default/Preferences"
        preferences.parent.mkdir(parents=True)
        preferences.write_text(json.dumps({"profile": {"cookie_controls_mode": 0, "block_third_party_cookies": False}}))
        return cls._playwright.chromium.launch_persistent_context(directory, **cls._how(), **options)

    @staticmethod
    def _how():
        # Hosts with other names than that of the server, which is on this machine.
        arguments = ["--host-resolver-rules=MAP *.test 127.0.0.1"]
        # Chromium's sandbox does not work for root.
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")
        return {"executable_path": CHROMIUM, "args": arguments}

    @classmethod
    def _end(cls):
        cls._chromium.close()
        cls._playwright.stop()
        cls._chromium = cls._playwright = None


class BrowserCase(unittest.TestCase):
    """`server`: started with the class's `server_options`. Fails a test in whose windows an error was logged that it did not announce."""

    server_options = {}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(**cls.server_options)
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="files.")
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name)
        self.expected_errors = []
        self.errors = []
        # The last one to run, after the windows are closed.
        self.addCleanup(self._check_errors)

    def _check_errors(self):
        self.assertEqual(self._unexpected_errors(), [], "errors in the console")

    def _unexpected_errors(self):
        return [text for text in self.errors if not any(re.search(pattern, text) for pattern in self.expected_errors)]

    def expect_errors(self, pattern):
        """The test provokes console errors that match this."""
        self.expected_errors.append(pattern)

    def open_window(self, path, server=None, init=None, clock=False, routes=None, profile=False, **options):
        """
        A page of a profile of its own, at this path of the server, or at this address. `init`: a script that runs before
        the page's own. `clock`: whether the test may put the page's clock forward. `routes`: {address: handler} for
        Playwright's `route`, from the first request on. `profile`: whether it has one on disk, and gets cookies of other
        sites, see `with_profile`.
        """
        options = {"locale": "zh-CN", "viewport": {"width": 1280, "height": 900}} | options
        if profile:
            context = Browser.with_profile(self.directory / "profile", **options)
        else:
            context = Browser.chromium().new_context(**options)
        self.addCleanup(context.close)
        page = context.new_page()
        self.watch(page)
        # A page that leaves asks whether it may, while it uploads.
        page.on("dialog", lambda dialog: dialog.accept())
        if clock:
            page.clock.install()
        if init:
            page.add_init_script(init)
        for address, handler in (routes or {}).items():
            page.route(address, handler)
        page.goto(urllib.parse.urljoin((server or self.server).address, path))
        return page

    def watch(self, page):
        """For a page that opened itself: its errors count."""
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: self.errors.append(f"pageerror: {error}"))
        page.on("console", self._on_console)

    def wait_for(self, page, condition, what):
        """Waits until the condition, which is looked at from outside the page, has a true value, and returns that."""
        for _ in range(WAIT // 50):
            value = condition()
            if value:
                return value
            if self._unexpected_errors():
                return self.fail(f"errors in the console instead of: {what}")
            page.wait_for_timeout(50)
        return self.fail(f"not within {WAIT / 1000} s: {what}")

    def _on_console(self, message):
        if message.type == "error":
            self.errors.append(f"console: {message.text} {message.location.get('url', '')}")

    def slow_down(self, page, upload):
        """Limits what the window sends, in bytes a second; -1: no limit."""
        session = page.context.new_cdp_session(page)
        session.send("Network.emulateNetworkConditions",
                     {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": upload})
