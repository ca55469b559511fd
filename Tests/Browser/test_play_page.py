"""The play page, and what comes with every page and every stored file."""

import unittest

import videos
from case import BrowserCase
from server import wait_until
from upload_page import UploadPage

NOT_FOUND = r"status of 404 .*/play/"


class PlayPageTests(BrowserCase):
    def uploaded(self, path, name=None):
        """The number of the video that the file has become, by the upload page."""
        page = UploadPage(self)
        page.choose([path])
        if name:
            page.row(path).locator("input[data-field=name]").fill(name)
        page.start()
        page.wait_for_end([path])
        self.assertEqual(page.state(path), "done")
        return page.video_id(path)

    def test_it_tells_what_is_known(self):
        path = videos.variant(videos.small(), self.directory / "video.mp4", seed=self.id())
        # Without a slash: a path is cut off.
        name = "<i>名字<br> & Co."
        number = self.uploaded(path, name)
        # The server looks for the duration after it has answered.
        wait_until(lambda: self.server.video_with(videos.md5(path))["duration"], 30, "the duration is known")
        page = self.open_window(f"/play/?video_id={number}")
        page.wait_for_selector("video#video")
        fields = "name", "size", "duration", "category", "time", "md5", "state"
        told = {field: page.inner_text(f"[data-info={field}]") for field in fields}
        self.assertEqual(told["name"], name)
        self.assertIn(videos.md5(path), told["md5"])
        self.assertIn("0:03", told["duration"])
        for field, value in told.items():
            self.assertNotEqual(value.strip(), "", field)
        # Seeking, which needs ranges.
        page.evaluate("""() => {
            const video = document.querySelector('#video');
            video.muted = true;
            video.currentTime = 1.5;
            return video.play();
        }""")
        self.wait_for(page, lambda: page.evaluate("() => document.querySelector('#video').currentTime") > 1.5, "it plays from the middle")

    def test_a_format_that_browsers_do_not_play(self):
        path = self.directory / "video.avi"
        path.write_bytes(videos.small_avi().read_bytes())
        page = self.open_window(f"/play/?video_id={self.uploaded(path)}")
        page.wait_for_selector("text=/AVI|avi/ >> visible=true")
        with page.expect_download() as download:
            page.click("a[download], a:has-text('下载')")
        self.assertEqual(videos.sha256(download.value.path()), videos.sha256(path))

    def stored_path(self, path):
        """Of the address at which the file's video is."""
        stored = self.server.stored_file(self.server.video_with(videos.md5(path)))
        return f"/{stored.relative_to(self.server.directory)}"

    def moved_to(self, media):
        """What answers video_info so that the video is at another address."""
        def answer(route):
            reply = route.fetch().json()
            reply["data"]["video_url"] = reply["data"]["video_url"].replace(self.server.address, media)
            route.fulfill(json=reply)

        return answer

    def test_a_download_is_called_by_the_videos_name(self):
        names = {"我的视频 (第1集) 100% it's": "我的视频 (第1集) 100% it's.mp4", "holiday.MP4": "holiday.MP4"}
        for name, file_name in names.items():
            path = videos.variant(videos.small(), self.directory / "video.mp4", seed=f"{self.id()} {name}")
            number = self.uploaded(path, name)
            # Where videos have the page's own host, and another one.
            for media in self.server.address, self.server.address_at("media.test"):
                with self.subTest(name, media=media):
                    self.expect_errors("Content Security Policy")
                    page = self.open_window(f"/play/?video_id={number}", routes={"**/video_info": self.moved_to(media)})
                    page.wait_for_selector("#download")
                    with page.expect_download() as download:
                        page.click("#download")
                    self.assertEqual(download.value.suggested_filename, file_name)
                    self.assertEqual(videos.sha256(download.value.path()), videos.sha256(path))

    def test_a_link_names_a_download_only_as_what_it_is(self):
        path = videos.variant(videos.small(), self.directory / "video.mp4", seed=self.id())
        self.uploaded(path)
        file = self.stored_path(path)
        for name, header in {
            "a.mp4": "attachment; filename*=UTF-8''a.mp4", "a.MP4": "attachment; filename*=UTF-8''a.MP4",
            "%E5%90%8D%20%22.mp4": "attachment; filename*=UTF-8''%E5%90%8D%20%22.mp4",
            "a.exe": None, "a.mp4.exe": None, "mp4": None, ".mp4": None, 'a".mp4': None, "a;b=c.mp4": None,
            "a%0.mp4": None, "": None, "a.mp4|b.mp4": None, "a.exe|b.mp4": None, "a.exe|evil.exe": None,
            'x;filename="evil.exe";y=.exe|z.exe': None,
        }.items():
            with self.subTest(name):
                status, headers, _ = self.server.request("GET", f"{file}?name={name}")
                self.assertEqual((status, headers["Content-Disposition"]), (200, header))

    def test_a_video_that_is_not_there(self):
        self.expect_errors(NOT_FOUND)
        for number in "999999", "0", "-1", "x", "":
            with self.subTest(number):
                status, headers, body = self.server.request("GET", f"/play/?video_id={number}")
                self.assertEqual(status, 404)
                self.assertIn("text/html", headers["Content-Type"])
                self.assert_safe(headers)
                self.assertIn("</html>", body.decode())
        page = self.open_window("/play/?video_id=999999")
        self.assertIn("没有这个视频", page.inner_text("body"))
        self.assertIn("No such video", self.open_window("/play/?video_id=999999", locale="en-US").inner_text("body"))

    def test_headers(self):
        path = videos.variant(videos.small(), self.directory / "video.mp4", seed=self.id())
        number = self.uploaded(path)
        file = self.stored_path(path)
        for address in "/", f"/play/?video_id={number}", "/js/upload-page.js", "/webuploader-resume.js", "/favicon.svg", file:
            with self.subTest(address):
                status, headers, _ = self.server.request("GET", address)
                self.assertEqual(status, 200)
                self.assert_safe(headers)
        for address in "/js/", "/js", "/css/", "/nothing", "/.git/config", "/js/../../nginx.conf", "/play/nothing":
            with self.subTest(address):
                self.assertIn(self.server.request("GET", address)[0], (301, 400, 403, 404))

    def assert_safe(self, headers):
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        self.assertIn("default-src", headers["Content-Security-Policy"] or "")
        self.assertNotIn("unsafe-eval", headers["Content-Security-Policy"])


if __name__ == "__main__":
    unittest.main()
