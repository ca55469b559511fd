"""A stream that hangs: the file takes over, and nothing but the address changes. On a slow line the stream stays."""

import contextlib
import time
import unittest

from playwright.sync_api import Error

import videos
from play_page import PlayPage, TranscodingCase

# Milliseconds of the page's clock at which something was loaded: [[address, time], ...].
LOADS = """
    window.loads = [];
    addEventListener('loadstart', ({ target }) => loads.push([target.src, performance.now()]), true);
"""

# Seconds. It is to be 3; the machine may be busy.
TAKEN_OVER = 6


class StuckTests(TranscodingCase):
    held = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.number = cls.server.upload(videos.colors())
        cls.server.wait_for_state(cls.number, "ready", "failed")

    def open(self, *hanging, **options):
        """The page; `hanging`: what of the video is not answered before `release`, as a glob pattern."""
        self.let_go()
        self.is_released = False

        def answer(route):
            if self.is_released:
                route.continue_()
            else:
                self.held.append(route)

        routes = {f"**/{pattern}": answer for pattern in hanging}
        play = PlayPage(self, self.number, init=LOADS, routes=routes, **options)
        # Before the window is closed.
        self.addCleanup(self.let_go)
        return play

    def let_go(self):
        """Ends what is held, if the browser waits for it still."""
        self.expect_errors("ERR_FAILED")
        for route in self.held:
            with contextlib.suppress(Error):
                route.abort()
        self.held = []

    def release(self, end):
        """Answers, from now on, and what is held and has an address that ends so."""
        self.is_released = True
        for route in self.held:
            if route.request.url.endswith(end):
                route.continue_()
        self.held = [route for route in self.held if not route.request.url.endswith(end)]

    def seconds_to_the_file(self, play):
        """From the beginning of the stream's load to that of the file's."""
        play.wait_for_source("video.mp4")
        loads = play.page.evaluate("() => loads")
        (stream, first), (file, second) = loads[0], loads[-1]
        self.assertTrue(stream.endswith("master.m3u8") and file.endswith("video.mp4"), loads)
        return (second - first) / 1000

    def look(self, play):
        return play.page.evaluate("""() => {
            const video = document.querySelector('#video');
            const { x, width, height } = video.getBoundingClientRect();
            const { volume, muted, playbackRate } = video;
            return { x, width, height, volume, muted, playbackRate };
        }""")

    def test_before_anybody_plays(self):
        for what in "hls/*/*.m4s", "hls/*/index.m3u8", "hls/master.m3u8", "hls/*/init.mp4":
            with self.subTest(what):
                play = self.open(what)
                self.assertLess(self.seconds_to_the_file(play), TAKEN_OVER)
                self.assertTrue(play.video("paused"))
                self.assertIsNone(play.notice())
                play.play()
                play.wait_until_past(0.2)

    def test_nothing_else_changes(self):
        """It is to play, quietly and fast, and stands still."""
        play = self.open("hls/*/00001.m4s")
        play.wait_for(lambda: play.video("readyState") > 0, "the video is loaded")
        play.page.evaluate("() => Object.assign(document.querySelector('#video'), { volume: 0.3, muted: true, playbackRate: 2 })")
        before = self.look(play)
        self.assertEqual((before["volume"], before["muted"], before["playbackRate"]), (0.3, True, 2))
        self.assertEqual(play.source(), "master.m3u8")
        start = time.monotonic()
        play.page.evaluate("""() => {
            const video = document.querySelector('#video');
            window.positions = [];
            video.addEventListener('timeupdate', () => positions.push(video.currentTime));
            video.play().catch(() => {});
        }""")
        play.wait_for_source("video.mp4")
        self.assertLess(time.monotonic() - start, TAKEN_OVER)
        play.wait_until_past(7)
        self.assertEqual(self.look(play), before)
        self.assertFalse(play.video("paused"))
        positions = [position for position in play.page.evaluate("() => positions") if position > 0]
        jumps = [(a, b) for a, b in zip(positions, positions[1:]) if b < a - 0.5 or b > a + 2]
        self.assertEqual(jumps, [], "it jumps")

    def test_where_the_user_wants_to_be(self):
        play = self.open("hls/*/00001.m4s", viewport={"width": 420, "height": 900})
        play.wait_for(lambda: play.video("readyState") > 0, "the video is loaded")
        before = self.look(play)
        start = time.monotonic()
        play.seek(9)
        play.wait_for_source("video.mp4")
        self.assertLess(time.monotonic() - start, TAKEN_OVER)
        play.wait_for(lambda: play.video("readyState") >= 2, "there is a picture")
        self.assertAlmostEqual(play.video("currentTime"), 9, delta=0.1)
        self.assertTrue(play.video("paused"))
        self.assertEqual(self.look(play), before)

    def test_on_a_slow_line_the_stream_stays(self):
        """What hangs is the line: the file does not come either, and the stream goes on when it does."""
        play = self.open("hls/*/*.m4s", "video.mp4")
        play.page.wait_for_timeout(8000)
        self.assertEqual(play.source(), "master.m3u8")
        self.assertTrue(any(route.request.url.endswith("video.mp4") for route in self.held), "the file was not tried")
        self.release(".m4s")
        play.play()
        play.wait_until_past(0.5)
        self.assertEqual(play.source(), "master.m3u8")


class StuckElsewhereTests(StuckTests):
    """Videos are on another host than the pages: its files may be tried there, too."""

    environment = {"VIDEO_INTAKE_VIDEO_DOMAIN": "http://localhost:{port}"}
    test_nothing_else_changes = test_where_the_user_wants_to_be = test_on_a_slow_line_the_stream_stays = None

    def test_before_anybody_plays(self):
        play = self.open("hls/*/*.m4s")
        self.assertLess(self.seconds_to_the_file(play), TAKEN_OVER)
        self.assertTrue(play.video("src").startswith("http://localhost:"))


class OriginalTests(TranscodingCase):
    """Originals of every kind that can be allowed, none of them transcoded."""

    worker = False
    environment = {"VIDEO_INTAKE_EXTENSIONS": "mp4,mov,m4v,3gp,mkv,webm,mpg,ts,avi,flv"}

    def test_what_browsers_play_is_played(self):
        h264 = ["-i", str(videos.small()), "-c", "copy"]
        files = {
            "mov": h264, "m4v": [*h264, "-f", "mp4"], "mkv": h264, "3gp": [*h264, "-f", "mp4"],
            "webm": ["-i", str(videos.small()), "-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"],
        }
        for extension, arguments in files.items():
            with self.subTest(extension):
                play = PlayPage(self, self.server.upload(videos.made(f"small.{extension}", *arguments)))
                play.wait_for(play.source, "there is something to play")
                play.play()
                play.wait_until_past(0.2)

    def test_of_what_they_do_not_play_the_page_says_so(self):
        mpeg = ["-i", str(videos.small()), "-c:v", "mpeg1video", "-c:a", "mp2"]
        for extension, path in {
            "mpg": videos.made("small.mpg", *mpeg), "ts": videos.made("small.ts", "-i", str(videos.small()), "-c", "copy"),
            "avi": videos.small_avi(), "flv": videos.small_flv(),
        }.items():
            with self.subTest(extension):
                play = PlayPage(self, self.server.upload(path), "en")
                play.page.wait_for_selector("#download")
                self.assertIn(f"({extension})", play.notice())
                self.assertFalse(play.page.is_visible("#video"))


if __name__ == "__main__":
    unittest.main()
