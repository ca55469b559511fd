"""The upload page: what becomes of videos, and of what is done to them meanwhile."""

import shutil
import unittest

import videos
from case import BrowserCase
from upload_page import UploadPage

MIB = 1 << 20


class UploadPageTests(BrowserCase):
    def assert_stored(self, page, path):
        """The row is done, and its link leads to a record of the file's bytes."""
        self.assertEqual(page.state(path), "done", page.status(path))
        self.assertEqual(page.progress(path), 100)
        video = self.server.video_with(videos.md5(path))
        self.assertIsNotNone(video, path.name)
        self.assertEqual(page.video_id(path), video["video_id"])
        self.assertEqual(videos.sha256(self.server.stored_file(video)), videos.sha256(path))

    def assert_plays(self, page, path):
        """The page behind the row's link plays the video."""
        with page.page.context.expect_page() as opened:
            page.row(path).locator("a[data-view]").click()
        play = opened.value
        self.watch(play)
        play.wait_for_selector("video#video")
        play.evaluate("() => { const video = document.querySelector('#video'); video.muted = true; return video.play(); }")
        self.wait_for(play, lambda: play.evaluate("() => document.querySelector('#video').currentTime > 0"), f"{path.name} plays")
        play.close()

    def test_three_videos_and_the_same_ones_again(self):
        files = [
            videos.variant(videos.big(), self.directory / "big.mp4", seed=self.id()),
            videos.variant(videos.small(), self.directory / "small.mp4", seed=self.id()),
            videos.variant(videos.middle(), self.directory / "斗罗大陆 第1集“攻略”.mp4", seed=self.id()),
        ]
        self.assertGreaterEqual(files[0].stat().st_size, 60 * MIB)
        self.assertLess(files[1].stat().st_size, videos.CHUNK_SIZE)
        page = UploadPage(self)
        page.choose(files)
        self.assertEqual(page.page.inner_text("#count"), "3")
        page.start()
        page.wait_for_end(files)
        for path in files:
            self.assert_stored(page, path)
            self.assert_plays(page, path)
        self.assertFalse(page.page.is_visible("dialog#exists"))

        mark = self.server.mark()
        again = UploadPage(self)
        again.choose(files)
        again.start()
        again.wait_for_end(files)
        self.assertEqual(again.states(files), ["exists"] * 3)
        self.assertEqual(self.server.requests("upload_file", mark), [])
        shown = again.page.locator("dialog#exists[open] li").evaluate_all("items => items.map(item => Number(item.dataset.videoId))")
        self.assertEqual(sorted(shown), sorted(page.video_id(path) for path in files))
        self.assertEqual([again.video_id(path) for path in files], [page.video_id(path) for path in files])
        again.close_dialog()
        self.assertFalse(again.page.is_visible("dialog#exists"))

    def test_avi_and_flv_are_stored(self):
        files = [self.directory / "video.avi", self.directory / "video.flv"]
        shutil.copyfile(videos.small_avi(), files[0])
        shutil.copyfile(videos.small_flv(), files[1])
        page = UploadPage(self)
        page.choose(files)
        page.start()
        page.wait_for_end(files)
        for path in files:
            self.assert_stored(page, path)

    def test_pause_and_continue(self):
        path = videos.variant(videos.middle(), self.directory / "video.mp4", seed=self.id())
        page = UploadPage(self)
        page.choose([path])
        self.slow_down(page.page, 8 * MIB)
        mark = self.server.mark()
        page.start()
        page.wait_for_progress(path, 30)
        page.pause()
        # Requests under way are broken off, and none is begun.
        page.page.wait_for_timeout(300)
        paused = len(self.server.requests("upload_file", mark))
        page.page.wait_for_timeout(1000)
        self.assertEqual(len(self.server.requests("upload_file", mark)), paused)
        self.assertNotEqual(page.state(path), "done")
        page.go_on()
        page.wait_for_end([path])
        self.assert_stored(page, path)
        self.assertLessEqual(self.server.uploaded_bytes(mark), path.stat().st_size + 3 * videos.CHUNK_SIZE + 64_000)

    def test_deleted_while_it_is_uploaded(self):
        files = [videos.variant(videos.middle(), self.directory / name, seed=self.id()) for name in ("one.mp4", "two.mp4", "three.mp4")]
        page = UploadPage(self)
        page.choose(files)
        self.slow_down(page.page, 16 * MIB)
        page.start()
        page.wait_for_progress(files[0], 20)
        page.delete(files[0])
        # And one by the button for several, before its turn.
        page.row(files[2]).locator("input[data-select]").check()
        page.page.click("#delete-selected")
        self.slow_down(page.page, -1)
        page.wait_for_end([files[1]])
        self.assert_stored(page, files[1])
        self.assertEqual(page.page.locator("[data-row]").count(), 1)
        self.assertEqual(page.page.inner_text("#count"), "1")
        for path in files[0], files[2]:
            self.assertIsNone(self.server.video_with(videos.md5(path)))

    def test_name_and_category_arrive(self):
        first, second = [videos.variant(videos.small(), self.directory / name, seed=self.id()) for name in ("one.mp4", "two.mp4")]
        self.server.add_class("攻略", game="斗罗大陆")
        page = UploadPage(self)
        page.choose([first, second])
        name, category = "新的名字 <b>&amp;\"'", "select[data-field=class]"
        page.row(first).locator("input[data-field=name]").fill(name)
        label = next(text for text in page.row(first).locator(f"{category} option").all_inner_texts() if "攻略" in text)
        page.row(first).locator(category).select_option(label=label)
        page.start()
        page.wait_for_end([first, second])
        video = self.server.ask("video_info", video_id=page.video_id(first))["data"]
        self.assertEqual((video["video_name"], video["class_name"], video["game_name"]), (name, "攻略", "斗罗大陆"))
        other = self.server.ask("video_info", video_id=page.video_id(second))["data"]
        self.assertEqual((other["video_name"], other["class_id"]), ("two", None))

    def test_a_name_is_needed(self):
        path = videos.variant(videos.small(), self.directory / "video.mp4", seed=self.id())
        page = UploadPage(self)
        page.choose([path])
        field = page.row(path).locator("input[data-field=name]")
        field.fill(" ")
        page.start()
        page.page.wait_for_selector("[data-row] input[aria-invalid=true]:focus")
        self.assertEqual(page.state(path), "waiting")
        field.fill("有名字")
        page.start()
        page.wait_for_end([path])
        self.assert_stored(page, path)

    def test_files_that_cannot_be_videos_are_refused_at_once(self):
        text = self.directory / "notes.txt"
        text.write_text("not a video")
        empty = self.directory / "empty.mp4"
        empty.touch()
        path = videos.variant(videos.small(), self.directory / "video.mp4", seed=self.id())
        page = UploadPage(self)
        self.assertFalse(page.page.is_visible("#messages"), "there is nothing to say")
        page.page.set_input_files("#files", [text, empty, path])
        page.wait_for_state(path, "waiting")
        self.assertEqual(page.page.locator("[data-row]").count(), 1)
        said = page.page.inner_text("#messages")
        self.assertIn("notes.txt", said)
        self.assertIn("empty.mp4", said)
        page.page.click("#close-messages")
        self.assertFalse(page.page.is_visible("#messages"), "all is said")


if __name__ == "__main__":
    unittest.main()
