"""The upload page and a file whose content is not what it was when the page read it last: same name, size and date."""

import os
import unittest

import videos
from case import BrowserCase
from upload_page import UploadPage


class ChangedFileTests(BrowserCase):
    def setUp(self):
        super().setUp()
        self.path = self.directory / "video.mp4"

    def write(self, seed, chunks=6):
        """Another content under the same name, with the same size and date."""
        length = videos.CHUNK_SIZE * chunks - 1000
        videos.variant(videos.small(), self.path, length, seed=f"{self.id()} {seed}")
        os.utime(self.path, (1_700_000_000, 1_700_000_000))
        return videos.md5(self.path)

    def assert_stored(self, page, state):
        """The row's link leads to the very bytes of the file as it is now."""
        page.wait_for_state(self.path, "done", "exists", "failed")
        self.assertEqual(page.state(self.path), state, page.status(self.path))
        video = self.server.video_with(videos.md5(self.path))
        self.assertIsNotNone(video, "the server has this content")
        self.assertEqual(page.video_id(self.path), video["video_id"])
        self.assertEqual(videos.sha256(self.server.stored_file(video)), videos.sha256(self.path))

    def test_it_is_read_again_before_the_page_says_that_it_exists(self):
        old = self.write("old")
        page = UploadPage(self)
        page.choose([self.path])
        page.start()
        self.assert_stored(page, "done")
        page.page.reload()
        self.assertNotEqual(self.write("new"), old)
        page.choose([self.path])
        page.start()
        self.assert_stored(page, "done")
        self.assertFalse(page.page.is_visible("dialog#exists"))
        # And once more, unchanged: it is there now.
        page.page.reload()
        page.choose([self.path])
        mark = self.server.mark()
        page.start()
        self.assert_stored(page, "exists")
        self.assertEqual(self.server.requests("upload_file", mark), [])

    def test_an_unfinished_upload_is_not_completed_as_the_old_content(self):
        """The server has the chunk that was changed: its md5 is the remembered one, and not the file's."""
        self.write("old")
        page = UploadPage(self)
        page.choose([self.path])
        self.slow_down(page.page, 4 << 20)
        page.start()
        page.wait_for_progress(self.path, 50)
        page.page.reload()
        self.slow_down(page.page, -1)
        # A byte of the first chunk, which the server has. (In the box that fills the file up, so it stays a video.)
        content = bytearray(self.path.read_bytes())
        content[videos.CHUNK_SIZE - 10] ^= 1
        self.path.write_bytes(content)
        os.utime(self.path, (1_700_000_000, 1_700_000_000))
        page.choose([self.path])
        page.start()
        self.assert_stored(page, "done")

    def test_another_content_after_one_that_was_refused(self):
        """What goes out by a digest that was remembered is refused by the server, and begun again by the right one."""
        self.write("old")
        page = UploadPage(self)
        page.choose([self.path])
        page.page.reload()
        self.write("new")
        page.choose([self.path])
        page.start()
        self.assert_stored(page, "done")


if __name__ == "__main__":
    unittest.main()
