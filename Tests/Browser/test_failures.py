"""What the pages say of a video that could not be processed, and of what is wrong with one that plays."""

import re
import unittest

import accessibility
import configuration
import videos
from play_page import PlayPage, TranscodingCase
from server import wait_until
from upload_page import UploadPage

LANGUAGES = "zh", "en"


def documented(header):
    """{name: {"en": text, "zh": text}} of the table of the contract with this header."""
    contract = configuration.REPOSITORY / "Sources/video-intake/video-intake.docc/Contract.md"
    table = contract.read_text().split(f"| {header} | in English | in Chinese |\n|---|---|---|\n")[1].split("\n\n")[0]
    rows = (re.fullmatch(r"\| `([a-z-]+)` \| (.+) \| (.+) \|", line).groups() for line in table.splitlines())
    return {name: {"en": english, "zh": chinese} for name, english, chinese in rows}


FAILURES = documented("`failure`")
FLAWS = documented("in `flaws`")


class WordsTests(TranscodingCase):
    """The server transcodes nothing: a test says what has become of a video."""

    worker = False

    def uploaded(self):
        return self.server.upload(videos.variant(videos.small(), self.directory / "video.mp4", seed=self.id()))

    def end(self, number, failure=None, flaws=None):
        """As a worker does: with a failure, or with flaws and nothing else."""
        path = self.server.select("SELECT path FROM video_info WHERE video_id = ?", number)[0][0]
        self.server.change(
            "UPDATE job SET state = ?, failure = ?, error = 'x', worker = NULL, lease_until = NULL WHERE path = ?",
            "failed" if failure else "done", failure, path)
        if flaws is not None:
            self.server.change("INSERT OR REPLACE INTO media (path, flaws) VALUES (?, ?)", path, flaws)

    def test_every_reason_is_said_in_words(self):
        self.assertEqual(len(FAILURES), 13)
        number = self.uploaded()
        pages = {lang: PlayPage(self, number, lang) for lang in LANGUAGES}
        for failure, texts in FAILURES.items():
            self.end(number, failure)
            for lang, rest in ("zh", "可以播放或下载原视频。"), ("en", "You can play or download the original."):
                with self.subTest(failure, lang=lang):
                    play = pages[lang]
                    play.page.reload()
                    play.wait_for(play.notice, "there is a notice")
                    self.assertIn(texts[lang], play.notice())
                    self.assertIn(rest, play.notice())
                    self.assertEqual(play.told("state"), {"zh": "处理失败", "en": "Processing failed"}[lang])
        for lang, play in pages.items():
            accessibility.check(self, play.page, f"failed {lang}")
        # What this page does not know, because the server is newer.
        self.end(number, "later")
        for lang, play in pages.items():
            play.page.reload()
            play.wait_for(play.notice, "there is a notice")
            self.assertIn(FAILURES["internal"][lang], play.notice())

    def test_the_original_of_what_failed_plays(self):
        number = self.uploaded()
        self.end(number, "cancelled")
        play = PlayPage(self, number)
        play.page.wait_for_selector("#download")
        self.assertFalse(play.page.is_visible("#processing"))
        play.play()
        play.wait_until_past(0.5)
        self.assertIn(FAILURES["cancelled"]["zh"], play.notice())

    def test_every_flaw_is_said_in_words(self):
        self.assertEqual(len(FLAWS), 2)
        number = self.uploaded()
        for flaws in ["truncated"], ["damaged"], ["truncated", "damaged"], ["later", "damaged"], []:
            self.end(number, flaws="[" + ",".join(f'"{flaw}"' for flaw in flaws) + "]")
            for lang in LANGUAGES:
                with self.subTest(flaws, lang=lang):
                    play = PlayPage(self, number, lang)
                    play.wait_for(lambda: play.video("readyState") > 0, "the video is loaded")
                    known = [FLAWS[flaw][lang] for flaw in flaws if flaw in FLAWS]
                    self.assertEqual(play.notice(), {"zh": "", "en": " "}[lang].join(known) or None)
                    self.assertEqual(play.told("state"), {"zh": "可以播放", "en": "Ready to play"}[lang])
                    play.page.context.close()

    def processing(self, page, path):
        return page.row(path).locator("[data-processing]").inner_text()

    def test_the_upload_page_tells_what_becomes_of_a_video(self):
        path = videos.variant(videos.small(), self.directory / "video.mp4", seed=self.id())
        page = UploadPage(self)
        page.choose([path])
        page.start()
        page.wait_for_end([path])
        self.wait_for(page.page, lambda: self.processing(page, path) == "等待处理", "it waits")
        number = page.video_id(path)
        self.server.change(
            "UPDATE job SET state = 'running', worker = 'test', lease_until = unixepoch() + 1, progress = 0.37 WHERE path ="
            " (SELECT path FROM video_info WHERE video_id = ?)", number)
        self.wait_for(page.page, lambda: self.processing(page, path) == "正在处理 37%", "there is progress")
        self.end(number, "encrypted")
        self.wait_for(page.page, lambda: FAILURES["encrypted"]["zh"] in self.processing(page, path), "it says why")
        accessibility.check(self, page.page, "processing failed zh")
        # Nothing more is to come.
        mark = self.server.mark()
        page.page.wait_for_timeout(7000)
        self.assertEqual(self.server.requests("video_info", mark), [])

    def test_the_upload_page_says_every_reason_and_flaw(self):
        """Of videos that the server has had before."""
        path = videos.variant(videos.small(), self.directory / "video.mp4", seed=self.id())
        number = self.server.upload(path)
        ends = [(failure, None, f"{{prefix}}{texts['en']}", texts["zh"]) for failure, texts in FAILURES.items()]
        ends += [(None, f'["{flaw}"]', texts["en"], texts["zh"]) for flaw, texts in FLAWS.items()]
        pages = {lang: UploadPage(self, lang=lang) for lang in LANGUAGES}
        for failure, flaws, english, chinese in ends:
            self.end(number, failure, flaws)
            for lang, expected in ("en", english.format(prefix="Processing failed: ")), ("zh", chinese):
                with self.subTest(failure or flaws, lang=lang):
                    page = pages[lang]
                    page.page.reload()
                    page.choose([path])
                    page.start()
                    page.wait_for_end([path])
                    self.wait_for(page.page, lambda: expected in self.processing(page, path), expected)


class FilesTests(TranscodingCase):
    """What a worker says of real files."""

    def files(self):
        """{reason: a file of which nothing can be made for it}."""
        unknown = self.directory / "unknown.mp4"
        no_index = self.directory / "no-index.mp4"
        whole = videos.silent().read_bytes()
        index = whole.index(b"moov") - 4
        no_index.write_bytes(whole[:index] + whole[index + int.from_bytes(whole[index:index + 4], "big"):])
        unknown.write_bytes(videos.silent().read_bytes().replace(b"avc1", b"zzzz").replace(b"avcC", b"free"))
        return {
            "nothing-plays": videos.junk_mp4(self.directory / "nothing.mp4"), "no-index": no_index, "no-picture": videos.sound_only(), "unknown-codec": unknown,
            "encrypted": videos.encrypted(), "too-much": videos.too_large(),
        }

    def test_the_page_says_why_nothing_is_made_of_a_file(self):
        numbers = {failure: self.server.upload(path) for failure, path in self.files().items()}
        for failure, number in numbers.items():
            with self.subTest(failure):
                video = self.server.wait_for_state(number, "ready", "failed")
                self.assertEqual((video["state"], video["failure"]), ("failed", failure))
                for lang in LANGUAGES:
                    play = PlayPage(self, number, lang)
                    play.wait_for(play.notice, "there is a notice")
                    self.assertIn(FAILURES[failure][lang], play.notice())
                    play.page.context.close()

    def test_what_was_made_plays_though_making_it_again_has_failed(self):
        number = self.server.upload(videos.variant(videos.small(), self.directory / "video.mp4", seed=self.id()))
        self.server.wait_for_state(number, "ready")
        self.server.change(
            "UPDATE job SET state = 'failed', failure = 'cancelled', error = 'x', worker = NULL, lease_until = NULL"
            " WHERE path = (SELECT path FROM video_info WHERE video_id = ?)", number)
        for lang, words in ("zh", "之前的处理结果可以播放。"), ("en", "What was made before plays."):
            with self.subTest(lang):
                play = PlayPage(self, number, lang)
                play.wait_for_source("master.m3u8")
                self.assertIn(words, play.notice())
                self.assertIn(FAILURES["cancelled"][lang], play.notice())
                play.play()
                play.wait_until_past(0.2)


if __name__ == "__main__":
    unittest.main()
