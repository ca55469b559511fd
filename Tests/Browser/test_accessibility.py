"""Whether the pages can be used by everybody: see accessibility.py."""

import unittest

import accessibility
import gallery
import videos
from case import BrowserCase
from upload_page import UploadPage


class AccessibilityTests(BrowserCase):
    def test_upload_page_without_files(self):
        for lang in "zh", "en":
            accessibility.check(self, UploadPage(self, lang=lang).page, lang)

    def test_upload_page_with_files_in_all_states(self):
        for lang in "zh", "en":
            page = gallery.show_states(self, lang).page
            accessibility.check(self, page, lang)
            page.context.close()

    def test_upload_page_with_messages(self):
        page = UploadPage(self).page
        text = self.directory / "a-name-without-any-place-where-it-could-be-broken-into-two-lines-of-text.txt"
        text.write_text("not a video")
        page.set_input_files("#files", [text])
        page.wait_for_selector("#messages:has-text('.txt')")
        accessibility.check(self, page, "messages")

    def test_dialog(self):
        path = videos.variant(videos.small(), self.directory / ("名字" + "很长" * 15 + ".mp4"), seed=self.id())
        for _ in range(2):
            page = UploadPage(self)
            page.choose([path])
            page.start()
            page.wait_for_end([path])
        accessibility.check(self, page.page, "dialog")
        page.page.keyboard.press("Escape")
        self.assertFalse(page.page.is_visible("dialog#exists"))

    def test_play_page(self):
        path = videos.variant(videos.small(), self.directory / "视频.mp4", seed=self.id())
        upload = UploadPage(self)
        upload.choose([path])
        upload.start()
        upload.wait_for_end([path])
        for lang in "zh", "en":
            page = self.open_window(f"/play/?video_id={upload.video_id(path)}&lang={lang}")
            page.wait_for_selector("video#video")
            accessibility.check(self, page, f"play {lang}")

    def test_page_of_a_video_that_is_not_there(self):
        self.expect_errors(r"status of 404 .*/play/")
        page = self.open_window("/play/?video_id=999999")
        accessibility.check(self, page, "missing")


if __name__ == "__main__":
    unittest.main()
