"""Pictures of the pages: Tests/browser --screenshots DIR."""

import os
import subprocess
import unittest
from pathlib import Path

import gallery
import videos
from play_page import PlayPage, TranscodingCase

DIRECTORY = os.environ.get("VIDEO_INTAKE_TEST_SCREENSHOTS")
SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 360, "height": 740}}
# Bytes.
LIMIT = 100_000


@unittest.skipUnless(DIRECTORY, "without --screenshots")
class Screenshots(TranscodingCase):
    def show_all(self, page, size):
        """Makes the window as high as the page: nothing is behind its lower edge, where the bar with the button stays."""
        page.set_viewport_size(size)
        height = page.evaluate("() => { scrollTo(0, 0); return document.documentElement.scrollHeight; }")
        page.set_viewport_size(size | {"height": height})

    def take(self, page, name):
        path, full = Path(DIRECTORY) / f"{name}.png", self.directory / "full.png"
        page.screenshot(path=full)
        # 128 colours make it a third.
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", full, "-filter_complex",
                        "split[a][b];[a]palettegen=max_colors=128[p];[b][p]paletteuse=dither=none", "-update", "1", path], check=True)
        self.assertLess(path.stat().st_size, LIMIT)

    def test_pages(self):
        self.server.add_class("攻略", game="斗罗大陆")
        for lang in "zh", "en":
            page = gallery.show_states(self, lang)
            for name, size in SIZES.items():
                self.show_all(page.page, size)
                self.take(page.page, f"page-{lang}-{name}")
            number = self.server.video_with(videos.md5(self.directory / lang / "new video.mp4"))["video_id"]
            page.page.context.close()
            self.server.wait_for_state(number, "ready")
            play = PlayPage(self, number, lang)
            play.bar.wait_for()
            play.page.evaluate("""() => new Promise((resolve) => {
                const video = document.querySelector('#video');
                video.onseeked = resolve;
                video.currentTime = 1;
            })""")
            # Until the browser has taken away what tells that it loads.
            play.page.wait_for_timeout(500)
            for name, size in SIZES.items():
                self.show_all(play.page, size)
                play.point(0.7)
                play.preview.wait_for()
                self.take(play.page, f"play-{lang}-{name}")


if __name__ == "__main__":
    unittest.main()
