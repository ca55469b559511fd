"""The upload page when something comes in between: a reload, a crash of the server, a lost connection."""

import signal
import unittest

import server as servers
import videos
from case import BrowserCase
from upload_page import UploadPage

MIB = 1 << 20
CRASHED = r"Failed to load resource.*(status of (409|502|504)|ERR_)"


class InterruptedUploadTests(BrowserCase):
    def video(self):
        return videos.variant(videos.middle(), self.directory / "video.mp4", seed=self.id())

    def assert_stored(self, page, path, states=("done",)):
        self.assertIn(page.state(path), states, page.status(path))
        video = self.server.video_with(videos.md5(path))
        self.assertEqual(page.video_id(path), video["video_id"])
        self.assertEqual(videos.sha256(self.server.stored_file(video)), videos.sha256(path))

    def test_after_a_reload_only_missing_chunks_are_sent(self):
        path = self.video()
        size = path.stat().st_size
        page = UploadPage(self)
        page.choose([path])
        self.slow_down(page.page, 10 * MIB)
        page.start()
        page.wait_for_progress(path, 50)
        page.page.reload()
        self.assertEqual(page.page.locator("[data-row]").count(), 0)
        self.slow_down(page.page, -1)
        mark = self.server.mark()
        page.choose([path])
        page.start()
        page.wait_for_end([path])
        self.assert_stored(page, path)
        self.assertLessEqual(self.server.uploaded_bytes(mark), size * 0.5 + 3 * videos.CHUNK_SIZE + 64_000)

    def test_a_crash_of_the_responder_needs_no_click(self):
        self.expect_errors(CRASHED)
        for lang, words in ("zh", "连接中断"), ("en", "Connection lost"):
            with self.subTest(lang):
                path = videos.variant(videos.middle(), self.directory / f"{lang}.mp4", seed=self.id())
                page = UploadPage(self, lang=lang)
                page.choose([path])
                self.slow_down(page.page, 10 * MIB)
                page.start()
                page.wait_for_progress(path, 40)
                self.addCleanup(self.server.restore)
                self.server.kill_responder()
                page.page.wait_for_timeout(2000)
                page.wait_for_status(path, words)
                self.server.start_responder()
                page.wait_for_end([path])
                # "exists" if the crash took the last reply with it.
                self.assert_stored(page, path, ("done", "exists"))
                page.page.close()

    def test_a_server_that_is_down_when_the_upload_is_started(self):
        self.expect_errors(CRASHED)
        path = self.video()
        page = UploadPage(self)
        page.choose([path])
        self.addCleanup(self.server.restore)
        servers.end(self.server.nginx, signal.SIGTERM)
        page.start()
        page.wait_for_status(path, "连接中断")
        self.assertEqual(page.page.get_attribute("#start", "data-state"), "uploading")
        self.server.start_nginx()
        page.wait_for_end([path])
        self.assert_stored(page, path)


if __name__ == "__main__":
    unittest.main()
