"""What the play page makes of transcoded videos: the stream, what takes its place, pictures on the time line."""

import contextlib
import shutil
import unittest

import accessibility
import videos
from play_page import PlayPage, TranscodingCase

NOT_FOUND = r"status of 404 .*/upload/"
# The parts of videos.colors().
NAMES = ("red", "green", "blue")


def color(pixel):
    """Which of the three it is, None if it is none."""
    best = max(range(3), key=lambda index: pixel[index])
    return NAMES[best] if pixel[best] > 150 and sorted(pixel)[1] < 100 else None


class TranscodedTests(TranscodingCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        files = {"mp4": videos.colors(), "hevc": videos.colors_hevc(), "avi": videos.colors_avi(), "flv": videos.colors_flv()}
        cls.numbers = {kind: cls.server.upload(path) for kind, path in files.items()}

    def ready(self, kind):
        """What the server says of the video, once it is transcoded."""
        video = self.server.wait_for_state(self.numbers[kind], "ready", "failed")
        self.assertEqual(video["state"], "ready")
        return video

    def open(self, kind, **options):
        """Its page, when the browser knows how long the video is."""
        self.ready(kind)
        play = PlayPage(self, self.numbers[kind], **options)
        play.wait_for(lambda: play.video("readyState") > 0, "the video is loaded")
        return play

    @contextlib.contextmanager
    def damaged(self, kind, damage, *patterns):
        """Applies `damage` to files of what was made of the video; all is as before in the end."""
        directory = self.server.stored_file(self.ready(kind), "mp4_url").parent
        whole = self.directory / "whole"
        shutil.copytree(directory, whole)
        try:
            files = [file for pattern in patterns for file in directory.glob(pattern)]
            self.assertNotEqual(files, [])
            for file in files:
                damage(file)
            yield
        finally:
            shutil.copytree(whole, directory, dirs_exist_ok=True)
            shutil.rmtree(whole)

    @staticmethod
    def remove(file):
        file.unlink()

    @staticmethod
    def garble(file):
        file.write_bytes(b"This is no part of a video.\n" * 1000)

    # -- What plays --

    def test_the_stream_plays(self):
        for kind in self.numbers:
            with self.subTest(kind):
                mark = self.server.mark()
                play = self.open(kind)
                self.assertIsNone(play.notice())
                self.assertEqual(play.told("resolution"), "640 × 360")
                self.assertEqual(play.told("duration"), "0:12")
                self.assertEqual(play.told("state"), "可以播放")
                play.play()
                play.wait_until_past(1)
                play.seek(9)
                play.wait_until_past(9.5)
                self.assertEqual(play.source(), "master.m3u8")
                self.assertEqual(color(play.pixel("#video")), "blue")
                play.page.context.close()
                sent = self.server.sent_files(mark)
                for end in "master.m3u8", "index.m3u8", "init.mp4", ".m4s", "thumbnails.vtt", "thumbnails.jpg", "poster.jpg":
                    statuses = {status for path, status in sent if path.endswith(end)}
                    self.assertTrue(statuses and statuses <= {200, 206}, f"{end}: {sent}")
                # One stream, not the other versions as well.
                self.assertEqual([path for path, _ in sent if path.endswith(("/video.mp4", ".avi", ".flv"))], [])

    def test_without_hls_the_file_plays(self):
        self.ready("avi")
        play = PlayPage(self, self.numbers["avi"], init="HTMLMediaElement.prototype.canPlayType = () => '';")
        play.wait_for_source("video.mp4")
        play.play()
        play.wait_until_past(1)
        play.seek(9)
        play.wait_until_past(9.5)
        self.assertEqual(color(play.pixel("#video")), "blue")

    def test_the_file_takes_the_place_of_a_broken_stream(self):
        self.expect_errors(NOT_FOUND)
        for what, damage, pattern in (
            ("no first playlist", self.remove, "hls/master.m3u8"), ("no other playlist", self.remove, "hls/*/index.m3u8"),
            ("no pieces", self.remove, "hls/*/*.m4s"), ("a head that is none", self.garble, "hls/*/init.mp4"),
        ):
            with self.subTest(what), self.damaged("avi", damage, pattern):
                play = PlayPage(self, self.numbers["avi"])
                play.wait_for_source("video.mp4")
                self.assertIsNone(play.notice())
                # Nobody has started it.
                self.assertTrue(play.video("paused"))
                play.play()
                play.wait_until_past(0.2)
                play.page.context.close()

    def test_it_goes_on_where_the_stream_breaks(self):
        """At a piece in the middle that is no video; there is sound, so time goes on as for a user."""
        with self.damaged("avi", self.garble, "hls/*/00001.m4s"):
            play = self.open("avi")
            play.page.evaluate("""() => {
                window.times = [];
                const video = document.querySelector('#video');
                video.addEventListener('timeupdate', () => times.push(video.currentTime));
                video.playbackRate = 2;
            }""")
            play.play()
            play.wait_until_past(7)
            self.assertEqual(play.source(), "video.mp4")
            times = play.page.evaluate("() => times.filter((time) => time > 0)")
            self.assertLess(times[0], 1)
            self.assertEqual([b for a, b in zip(times, times[1:]) if b < a - 0.5 or b > a + 2], [], "it jumps")
            self.assertEqual(play.video("paused", "playbackRate"), [False, 2])
            self.assertIsNone(play.notice())

    def test_a_place_that_the_stream_does_not_have(self):
        """Chromium waits for it for ever, or has an error, by what it has loaded already."""
        self.expect_errors(NOT_FOUND)
        with self.damaged("avi", self.remove, "hls/*/00001.m4s"):
            play = PlayPage(self, self.numbers["avi"], clock=True)
            play.wait_for(play.source, "there is something to play")
            play.play()
            play.seek(8)
            for _ in range(10):
                play.page.wait_for_timeout(200)
                play.page.clock.fast_forward(5000)
            play.wait_until_past(8.2)
            self.assertEqual(play.source(), "video.mp4")

    def test_the_very_end(self):
        """Chromium's HLS player has an error there; the user goes where she wants all the same."""
        play = self.open("mp4")
        play.seek(play.video("duration"))
        play.wait_for_source("video.mp4")
        play.wait_for(lambda: play.video("currentTime") > 11.9, "it is at the end")
        play.seek(5)
        play.play()
        play.wait_until_past(5.2)
        self.assertIsNone(play.notice())

    def test_the_original_is_the_last_to_be_tried(self):
        self.expect_errors(NOT_FOUND)
        with self.damaged("mp4", self.remove, "hls/master.m3u8", "video.mp4"):
            original = self.ready("mp4")["video_url"]
            play = PlayPage(self, self.numbers["mp4"])
            play.wait_for_source(original.rpartition("/")[2])
            play.play()
            play.wait_until_past(0.2)

    def test_nothing_plays_until_one_tries_again(self):
        self.expect_errors(NOT_FOUND)
        for lang, words in ("zh", "无法播放"), ("en", "cannot play"):
            with self.damaged("avi", self.remove, "hls/master.m3u8", "video.mp4"):
                play = PlayPage(self, self.numbers["avi"], lang)
                play.page.wait_for_selector("#retry")
                self.assertIn(words, play.notice())
                self.assertTrue(play.page.is_visible("#download"))
            play.page.click("#retry")
            play.wait_until_past(0.2)
            self.assertEqual(play.source(), "master.m3u8")
            self.assertIsNone(play.notice())
            self.assertFalse(play.page.is_visible("#retry"))

    # -- Pictures --

    def test_poster(self):
        play = self.open("mp4")
        play.wait_for(lambda: color(play.pixel("#video")), "there is a picture before it plays")
        size = play.page.evaluate("""async () => {
            const image = new Image();
            image.src = document.querySelector('#video').poster;
            await image.decode();
            return [image.naturalWidth, image.naturalHeight];
        }""")
        self.assertEqual(size, [640, 360])

    def test_the_bar_shows_the_picture_of_each_time(self):
        for kind in self.numbers:
            play = self.open(kind)
            play.bar.wait_for()
            self.assertFalse(play.preview.is_visible())
            for part, time, name in (0.02, "0:00", "red"), (0.25, "0:03", "red"), (0.5, "0:06", "green"), (0.99, "0:11", "blue"):
                with self.subTest(f"{kind} {part}"):
                    play.point(part)
                    self.assertEqual(play.preview.inner_text().strip(), time)
                    self.assertEqual(color(play.pixel(".seek-picture")), name)
                    self.assert_inside(play)
            play.page.mouse.move(5, 5)
            self.assertFalse(play.preview.is_visible())
            # Pointing is not seeking; clicking is, and so is dragging.
            self.assertEqual(play.video("currentTime"), 0)
            play.point(0.5)
            play.page.mouse.down()
            play.page.mouse.up()
            play.wait_for(lambda: abs(play.video("currentTime") - 6) < 0.1, "a click seeks")
            play.page.mouse.down()
            play.point(0.75, steps=5)
            play.page.mouse.up()
            play.wait_for(lambda: abs(play.video("currentTime") - 9) < 0.1, "dragging seeks")
            play.page.context.close()

    def assert_inside(self, play):
        box, width = play.preview.bounding_box(), play.page.viewport_size["width"]
        self.assertTrue(box["x"] >= 0 and box["x"] + box["width"] <= width, box)

    def test_the_bar_with_the_keyboard(self):
        play = self.open("mp4", lang="en")
        play.bar.wait_for()
        play.page.focus("#video")
        while not play.page.evaluate("() => document.activeElement.matches('[role=slider]')"):
            play.page.keyboard.press("Tab")
        play.preview.wait_for()
        for key, seconds in (
            ("ArrowRight", 5), ("ArrowUp", 10), ("ArrowLeft", 5), ("ArrowDown", 0), ("ArrowDown", 0), ("PageUp", 1.2), ("PageDown", 0),
            ("End", 11.9), ("Home", 0), ("ArrowRight", 5),
        ):
            with self.subTest(key):
                play.page.keyboard.press(key)
                play.wait_for(lambda: abs(play.video("currentTime") - seconds) < 0.15, f"{seconds} s")
        self.assertEqual(play.bar.get_attribute("aria-valuenow"), "5")
        self.assertEqual(play.bar.get_attribute("aria-valuetext"), "0:05 of 0:12")
        self.assertEqual(play.preview.inner_text().strip(), "0:05")
        self.assertEqual(color(play.pixel(".seek-picture")), "green")
        play.page.keyboard.press("Escape")
        self.assertFalse(play.preview.is_visible())

    def test_the_bar_with_a_finger(self):
        play = self.open("mp4", viewport={"width": 320, "height": 640}, has_touch=True)
        play.bar.wait_for()
        box = play.bar.bounding_box()
        play.page.touchscreen.tap(box["x"] + box["width"] * 0.99, box["y"] + box["height"] / 2)
        play.wait_for(lambda: play.video("currentTime") > 11, "a tap seeks")
        self.assertFalse(play.preview.is_visible())

    def test_without_thumbnails(self):
        """A bad index is none, and nobody is told."""
        elsewhere = "WEBVTT\n\n00:00.000 --> 00:01.000\nhttp://elsewhere.example/a.jpg#xywh=0,0,1,1\n"
        for damage in self.garble, lambda file: file.write_text(elsewhere):
            with self.damaged("mp4", damage, "thumbnails.vtt"):
                play = self.open("mp4")
                play.play()
                play.wait_until_past(0.2)
                self.assertFalse(play.bar.is_visible())

    def test_index_of_thumbnails(self):
        """What the parser takes and what it refuses, in the page itself."""
        cue = "00:00:00.000 --> 00:00:01.000\na.jpg#xywh=0,0,160,90\n"
        good = {
            "plain": f"WEBVTT\n\n{cue}", "with a byte order mark": f"\ufeffWEBVTT\n\n{cue}", "other lines": f"WEBVTT - x\r\n\r\n{cue}",
            "notes": f"WEBVTT\n\nNOTE x\ny\n\n1\n{cue}\n\n", "short times": "WEBVTT\n\n00:00.000 --> 00:01.000\na.jpg#xywh=0,0,1,1",
            "own origin": "WEBVTT\n\n00:00.000 --> 00:01.000\nhttps://here/b/a.jpg#xywh=0,0,1,1",
        }
        bad = {
            "empty": "", "no cues": "WEBVTT\n", "not WebVTT": cue, "only its beginning": f"WEBVTTX\n\n{cue}",
            "other origin": "WEBVTT\n\n00:00.000 --> 00:01.000\nhttps://there/a.jpg#xywh=0,0,1,1",
            "script": "WEBVTT\n\n00:00.000 --> 00:01.000\njavascript:alert(1)#xywh=0,0,1,1",
            "data": "WEBVTT\n\n00:00.000 --> 00:01.000\ndata:image/png,x#xywh=0,0,1,1",
            "two pictures": f"WEBVTT\n\n{cue}\n{cue.replace('a.jpg', 'b.jpg')}",
            "no size": cue.join(("WEBVTT\n\n", "")).replace("160", "0"), "negative": f"WEBVTT\n\n{cue}".replace("0,0,", "-1,0,"),
            "a fraction": f"WEBVTT\n\n{cue}".replace("160", "1.5"), "huge": f"WEBVTT\n\n{cue}".replace("160", "1600000"),
            "per cent": f"WEBVTT\n\n{cue}".replace("xywh=", "xywh=percent:"), "backwards": f"WEBVTT\n\n{cue}".replace("01.000", "00.000"),
            "out of order": "WEBVTT\n\n00:05.000 --> 00:06.000\na#xywh=0,0,1,1\n\n00:04.000 --> 00:05.000\na#xywh=0,0,1,1",
            "minutes": f"WEBVTT\n\n{cue}".replace("00:00:01", "00:60:01"), "subtitles": "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n",
            "many": "WEBVTT\n" + f"\n{cue}" * 1001,
        }
        page = PlayPage(self, self.numbers["mp4"]).page
        read = page.evaluate("""async (texts) => {
            const { parseIndex } = await import('/play/thumbnails.js');
            return texts.map((text) => {
                try {
                    return parseIndex(text, new URL('https://here/b/thumbnails.vtt')).picture;
                } catch (error) {
                    return null;
                }
            });
        }""", [text.removeprefix("\ufeff") for text in [*good.values(), *bad.values()]])
        expected = ["https://here/b/a.jpg"] * len(good) + [None] * len(bad)
        self.assertEqual(dict(zip([*good, *bad], read)), dict(zip([*good, *bad], expected)))

    # -- For everybody --

    def test_accessibility(self):
        for lang in "zh", "en":
            play = self.open("mp4", lang=lang)
            play.bar.wait_for()
            play.point(0.5)
            accessibility.check(self, play.page, f"ready {lang}")

    def test_headers(self):
        video = self.ready("avi")
        path = "/" + str(self.server.stored_file(video, "mp4_url").parent.relative_to(self.server.directory))
        types = {
            "video.mp4": "video/mp4", "hls/master.m3u8": "application/vnd.apple.mpegurl",
            "hls/360/index.m3u8": "application/vnd.apple.mpegurl", "hls/360/init.mp4": "video/mp4",
            "hls/360/00000.m4s": "video/iso.segment", "poster.jpg": "image/jpeg", "thumbnails.jpg": "image/jpeg", "thumbnails.vtt": "text/vtt",
        }
        self.assertRegex(path, r"\.avi/\d+\.\d+$")
        for name, kind in types.items():
            with self.subTest(name):
                status, headers, body = self.server.request("GET", f"{path}/{name}", headers={"Range": "bytes=2-5"})
                self.assertEqual((status, len(body)), (206, 4))
                self.assertEqual(headers["Content-Type"], kind)
                self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
                self.assertEqual(headers["Access-Control-Allow-Origin"], "*")
                # What is made when it is transcoded again has another address.
                self.assertEqual(headers["Cache-Control"], "max-age=3600")
                self.assertEqual(self.server.request("GET", f"{path}/{name}", headers={"If-None-Match": headers["ETag"]})[0], 304)
        self.assertEqual(self.server.request("POST", f"{path}/video.mp4")[0], 405)
        self.assertIn(self.server.request("GET", f"{path}/")[0], (403, 404))
        original = "/" + str(self.server.stored_file(video).relative_to(self.server.directory))
        self.assertEqual(self.server.request("GET", original)[1]["Cache-Control"], "max-age=3600")


class MediaHostTests(TranscodingCase):
    """Videos are on another host than the pages."""

    environment = {"VIDEO_INTAKE_VIDEO_DOMAIN": "http://localhost:{port}"}

    def test_everything_comes_from_there(self):
        number = self.server.upload(videos.colors())
        video = self.server.wait_for_state(number, "ready")
        self.assertTrue(video["hls_url"].startswith("http://localhost:"))
        for init, source in ("", "master.m3u8"), ("HTMLMediaElement.prototype.canPlayType = () => '';", "video.mp4"):
            play = PlayPage(self, number, init=init)
            play.wait_for_source(source)
            play.play()
            play.wait_until_past(0.2)
            play.bar.wait_for()
            play.point(0.5)
            self.assertEqual(color(play.pixel(".seek-picture")), "green")


if __name__ == "__main__":
    unittest.main()
