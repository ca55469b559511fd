"""The play page while a video is being transcoded, and when that fails."""

import unittest

import accessibility
import videos
from play_page import PlayPage, TranscodingCase

LANGUAGES = "zh", "en"


class ProcessingTests(TranscodingCase):
    worker = False

    def uploaded(self, base, name):
        return self.server.upload(videos.variant(base, self.directory / name, seed=self.id()))

    def set_progress(self, number, progress):
        """As a worker does."""
        path = self.server.stored_file(self.server.video(number)).relative_to(self.server.directory)
        self.server.change(
            "UPDATE job SET state = 'running', worker = 'test', lease_until = unixepoch() + 1, progress = ? WHERE path = ?",
            progress, str(path))

    def transcode(self):
        self.server.start_worker()
        self.addCleanup(self.server.stop_worker)

    def progress(self, play):
        return play.page.locator("#processing progress").evaluate("(element) => element.value")

    def pass_time(self, play, seconds, until=lambda: False):
        """
        Lets the page believe that so much time goes by; no more than until something is so: a stream that loads is not stuck.
        What the page has asked for is waited for, so that it does nothing between the last look and the next step.
        """
        for _ in range(0, seconds, 5):
            # It may have asked by itself meanwhile.
            if self.has_replies(play) and until():
                return
            play.page.clock.fast_forward(5000)
            for _ in range(6):
                play.page.wait_for_timeout(50)
                if self.has_replies(play) and until():
                    return

    def has_replies(self, play):
        """Waits until the page has them, and returns `True`."""
        return play.wait_for(lambda: not play.outstanding, "the page has its replies")

    def test_a_format_that_browsers_do_not_play(self):
        """It plays as soon as it is ready, without anything being done by the user."""
        path = self.directory / "video.avi"
        path.write_bytes(videos.colors_avi().read_bytes())
        number = self.server.upload(path)
        pages = {lang: PlayPage(self, number, lang, clock=True) for lang in LANGUAGES}
        for lang, words, queued in (
            ("zh", "处理完成后即可在此播放", "等待处理"), ("en", "once it has been processed", "Waiting to be processed"),
        ):
            play = pages[lang]
            play.page.wait_for_selector("#processing")
            self.assertIn("avi", play.notice())
            self.assertIn(words, play.notice())
            self.assertFalse(play.page.is_visible("#video"))
            self.assertEqual(play.told("state"), queued)
            self.assertEqual(self.progress(play), 0)
            accessibility.check(self, play.page, f"queued {lang}")
        self.set_progress(number, 0.37)
        for lang, running in ("zh", "正在处理 37%"), ("en", "Being processed 37%"):
            self.pass_time(pages[lang], 20)
            pages[lang].wait_for(lambda: self.progress(pages[lang]) == 37, "there is progress")
            self.assertEqual(pages[lang].page.inner_text("#processing").strip(), running)
        self.transcode()
        self.server.wait_for_state(number, "ready")
        for play in pages.values():
            self.pass_time(play, 20, until=lambda: play.source() == "master.m3u8")
            play.wait_for_source("master.m3u8")
            play.wait_for(lambda: play.video("readyState") > 0, "the video is loaded")
            self.assertFalse(play.page.is_visible("#processing"))
            self.assertIsNone(play.notice())
            self.assertEqual(play.told("resolution"), "640 × 360")
            play.bar.wait_for()
            play.play()
            play.wait_until_past(0.2)

    def test_who_watches_is_not_interrupted(self):
        number = self.uploaded(videos.colors(), "video.mp4")
        idle, watching = (PlayPage(self, number, clock=True) for _ in range(2))
        for play in idle, watching:
            play.page.wait_for_selector("#processing")
            play.wait_for(lambda: play.video("readyState") > 0, "the original is loaded")
            self.assertEqual(play.told("resolution"), "640 × 360", "as the browser says")
        original = watching.source()
        watching.play()
        watching.wait_until_past(1)
        watching.pause()
        self.transcode()
        self.server.wait_for_state(number, "ready")
        self.pass_time(idle, 20, until=lambda: idle.source() == "master.m3u8")
        self.pass_time(watching, 20, until=lambda: watching.page.is_visible("#switch"))
        idle.wait_for_source("master.m3u8")
        watching.page.wait_for_selector("#switch")
        self.assertEqual(watching.source(), original)
        place = watching.video("currentTime")
        watching.page.click("#switch")
        watching.wait_for_source("master.m3u8")
        watching.wait_until_past(place + 0.2)
        self.assertLess(watching.video("currentTime"), place + 5)
        self.assertFalse(watching.page.is_visible("#switch"))

    def test_nobody_asks_for_a_page_that_is_not_seen(self):
        number = self.uploaded(videos.small(), "video.mp4")
        hidden = "window.isHidden = false; Object.defineProperty(document, 'hidden', { get: () => isHidden });"
        play = PlayPage(self, number, init=hidden, clock=True)
        play.page.wait_for_selector("#processing")
        play.page.evaluate("() => { isHidden = true; }")
        mark = self.server.mark()
        self.pass_time(play, 60)
        self.assertEqual(self.server.requests("video_info", mark), [])
        play.page.evaluate("() => { isHidden = false; document.dispatchEvent(new Event('visibilitychange')); }")
        play.wait_for(lambda: len(self.server.requests("video_info", mark)) == 1, "it asks again")
        mark = self.server.mark()
        self.pass_time(play, 60)
        self.assertGreaterEqual(len(self.server.requests("video_info", mark)), 3)
        # Ready: nothing more is to come.
        self.transcode()
        self.server.wait_for_state(number, "ready")
        self.pass_time(play, 20, until=lambda: play.source() == "master.m3u8")
        play.wait_for_source("master.m3u8")
        play.wait_for(lambda: play.video("readyState") > 0, "the video is loaded")
        mark = self.server.mark()
        self.pass_time(play, 60)
        self.assertEqual(self.server.requests("video_info", mark), [])


class FailureTests(TranscodingCase):
    def test_a_video_that_is_cut_off(self):
        """What there is of it plays, and the page says that the rest is missing."""
        path = self.directory / "video.mp4"
        whole = videos.colors().read_bytes()
        path.write_bytes(whole[:len(whole) * 2 // 3])
        number = self.server.upload(path)
        video = self.server.wait_for_state(number, "ready", "failed")
        self.assertEqual((video["state"], video["flaws"], video["failure"]), ("ready", ["truncated"], None))
        self.assertTrue(0 < video["duration"] < 11, video["duration"])
        for lang, words in ("zh", "文件在视频中途结束"), ("en", "The file ends in the middle of the video"):
            with self.subTest(lang):
                play = PlayPage(self, number, lang)
                play.wait_for(lambda: play.video("readyState") > 0, "the video is loaded")
                self.assertIn(words, play.notice())
                self.assertAlmostEqual(play.video("duration"), video["duration"], delta=0.2)
                play.play()
                play.wait_until_past(0.5)
                self.assertIn(words, play.notice())
                accessibility.check(self, play.page, f"truncated {lang}")

    def failed(self, path):
        number = self.server.upload(path)
        self.assertEqual(self.server.wait_for_state(number, "failed", "ready")["state"], "failed")
        return number

    def test_a_format_that_browsers_do_not_play(self):
        path = self.directory / "video.avi"
        path.write_bytes(videos.small_avi().read_bytes()[:2000] + b"no video " * 10_000)
        number = self.failed(path)
        for lang, words in ("zh", "浏览器也不能播放这种格式"), ("en", "Browsers cannot play this format (avi) either"):
            with self.subTest(lang):
                play = PlayPage(self, number, lang)
                play.page.wait_for_selector("#download")
                self.assertIn(words, play.notice())
                self.assertIn("avi", play.notice())
                self.assertFalse(play.page.is_visible("#video"))
                accessibility.check(self, play.page, f"failed {lang}")

    def test_an_original_that_does_not_play(self):
        number = self.failed(videos.junk_mp4(self.directory / "video.mp4"))
        for lang, words, failed in (
            ("zh", "浏览器也无法播放原视频", "处理失败"), ("en", "The browser cannot play the original either", "Processing failed"),
        ):
            with self.subTest(lang):
                play = PlayPage(self, number, lang)
                play.page.wait_for_selector("#retry")
                self.assertIn(words, play.notice())
                self.assertIn(failed, play.notice())
                self.assertEqual(play.told("state"), failed)
                # And it still says so while, and after, it is tried again.
                play.page.click("#retry")
                play.page.wait_for_selector("#retry")
                self.assertIn(failed, play.notice())


if __name__ == "__main__":
    unittest.main()
