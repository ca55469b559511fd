"""The real WebUploader 0.1.2, with a page like those it is used in: nothing is changed for video-intake."""

import unittest

import videos
from case import BrowserCase
from webuploader_page import WebUploaderPage

NUMBER_OF_FILES = 30


class WebUploaderTests(BrowserCase):
    options = ""

    def make_videos(self, number):
        """Of two to four chunks, the last of which has from a few bytes to a whole chunk."""
        lengths = [videos.CHUNK_SIZE * (2 + index % 3) - index % 7 * 300_000 for index in range(number)]
        return [
            videos.variant(videos.small(), self.directory / f"video-{index:02}.mp4", length, seed=self.id())
            for index, length in enumerate(lengths)
        ]

    def assert_stored(self, page, path):
        """The row says success, and its link leads to the video that has the file's bytes."""
        self.assertEqual((page.state(path), page.attribute(path, "data-reason")), ("success", None), path.name)
        video = self.server.video_with(videos.md5(path))
        self.assertIsNotNone(video, path.name)
        self.assertEqual(page.linked_video(path), video["video_id"], path.name)
        self.assertEqual(videos.sha256(self.server.stored_file(video)), videos.sha256(path), path.name)

    def test_every_one_of_many_files_ends_as_success_with_its_own_link(self):
        # WebUploader hands the page the reply that comes last; were it one with code 2, the page would show that the video exists.
        files = self.make_videos(NUMBER_OF_FILES)
        page = WebUploaderPage(self, self.options)
        page.upload(files)
        states = {path.name: page.state(path) for path in files}
        self.assertEqual([name for name, state in states.items() if state != "success"], [])
        for path in files:
            self.assert_stored(page, path)

    def test_a_file_of_one_chunk_and_one_that_exists(self):
        [path] = [videos.variant(videos.small(), self.directory / "视频 一.mp4", seed=self.id())]
        page = WebUploaderPage(self, self.options)
        page.upload([path])
        self.assert_stored(page, path)
        again = WebUploaderPage(self, self.options)
        again.upload([path])
        self.assertEqual(again.state(path), "exists")
        self.assertEqual(again.linked_video(path), page.linked_video(path))


class WebUploaderWithResumeTests(WebUploaderTests):
    options = "resume"


if __name__ == "__main__":
    unittest.main()
