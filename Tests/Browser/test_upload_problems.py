"""The upload page when the server says no: the row says why, and the other files go on."""

import unittest

import videos
from case import BrowserCase
from server import Server
from upload_page import UploadPage

PAYLOAD_TOO_LARGE = r"status of 413"


class UploadProblemTests(BrowserCase):
    def assert_failure(self, server, bad, good, words):
        """Of both languages: `words` is {"zh": …, "en": …}, one of which the row of the bad file says. The good ones are done."""
        for lang, word in words.items():
            with self.subTest(lang):
                page = UploadPage(self, server, lang)
                names = [f"{lang}-{index}.mp4" for index in range(good)]
                files = [bad, *(videos.variant(videos.small(), self.directory / name, seed=self.id()) for name in names)]
                page.choose(files)
                page.start()
                page.wait_for_end(files)
                self.assertEqual(page.states(files), ["failed"] + ["done"] * good)
                self.assertIn(word, page.status(bad))
                self.assertTrue(page.row(bad).locator("button[data-retry]").is_visible())
                self.assertIsNone(page.video_id(bad))
                self.assertEqual(page.page.get_attribute("#start", "data-state"), "idle")
                page.page.close()

    def test_content_that_is_not_a_video(self):
        self.assert_failure(self.server, videos.junk(self.directory / "notes.mp4"), 2,
                            {"zh": "不是服务器能识别的视频", "en": "not a video that the server can recognise"})

    def test_a_request_over_the_limit_of_nginx(self):
        server = Server(body_limit="1m")
        self.addCleanup(server.close)
        self.expect_errors(PAYLOAD_TOO_LARGE)
        bad = videos.variant(videos.middle(), self.directory / "big.mp4", seed=self.id())
        self.assert_failure(server, bad, 1, {"zh": "服务器不接受这么大的请求", "en": "does not accept requests this large"})

    def test_a_full_disk(self):
        server = Server(environment={"VIDEO_INTAKE_RESERVE": "1024G"})
        self.addCleanup(server.close)
        bad = videos.variant(videos.middle(), self.directory / "big.mp4", seed=self.id())
        self.assert_failure(server, bad, 0, {"zh": "磁盘空间不足", "en": "disk is full"})

    def test_tried_again_after_a_failure(self):
        server = Server(environment={"VIDEO_INTAKE_RESERVE": "1024G"})
        self.addCleanup(server.close)
        path = videos.variant(videos.middle(), self.directory / "video.mp4", seed=self.id())
        page = UploadPage(self, server)
        page.choose([path])
        page.start()
        page.wait_for_state(path, "failed")
        self.expect_errors(r"status of (409|502)")
        server.kill_responder()
        server.environment.clear()
        server.start_responder()
        page.retry(path)
        page.wait_for_state(path, "done")
        self.assertEqual(server.video_with(videos.md5(path))["video_id"], page.video_id(path))


if __name__ == "__main__":
    unittest.main()
