"""Pages on another host than the server's: those that are listed may upload, and read its replies; others may not."""

import unittest
import urllib.parse

import videos
from case import BrowserCase
from server import Server
from upload_page import UploadPage
from webuploader_page import WebUploaderPage

# The page's, the server's, and one that is not listed. All are this machine, see case.py.
SHOP, MEDIA, STRANGER = "www.shop.test", "upload.media.test", "www.stranger.test"
QUESTION = "determine_chunk_exist"


class OtherHostCase(BrowserCase):
    def page_at(self, host, options="resume", server=None, **window):
        """WebUploader's page on this host. It uploads to MEDIA."""
        server = server or self.server
        options += "&host=" + urllib.parse.quote(server.address_at(MEDIA), safe="")
        return WebUploaderPage(self, options, server.address_at(host), ignore_https_errors=True, **window)

    def video(self, chunks=4):
        length = videos.CHUNK_SIZE * chunks - 1000
        return videos.variant(videos.small(), self.directory / "video.mp4", length, seed=self.id())

    def assert_stored(self, page, path, video):
        told = page.state(path), page.attribute(path, "data-reason"), page.attribute(path, "data-reply")
        self.assertEqual(told, ("success", None, "1"))
        self.assertEqual(page.linked_video(path), video["video_id"])
        self.assertEqual(videos.sha256(self.server.stored_file(video)), videos.sha256(path))

    def assert_sent_once(self, requests, status):
        """No more than the chunks of the beginning, each refused so, and none of them sent again."""
        self.assertEqual({status for status, _ in requests}, {status})
        self.assertLessEqual(len(requests), 3)

    def failure(self, page, path):
        """(reason of uploadError, HTTP status, reason of the reply)"""
        self.assertEqual(page.state(path), "failed")
        return tuple(page.attribute(path, name) for name in ("data-reason", "data-status", "data-why"))


class ListedHostTests(OtherHostCase):
    server_options = {"origins": f"m.shop.test {SHOP}"}

    def test_webuploader_uploads(self):
        for options in "", "resume":
            with self.subTest(options):
                path = self.directory / f"{options}.mp4"
                videos.variant(videos.small(), path, videos.CHUNK_SIZE * 4 - 1, seed=self.id())
                page = self.page_at(SHOP, options)
                page.upload([path])
                self.assert_stored(page, path, self.server.video_with(videos.md5(path)))
                again = self.page_at(SHOP, options)
                again.upload([path])
                self.assertIn(again.state(path), ("exists", "success"))
                self.assertEqual(again.linked_video(path), page.linked_video(path))

    def test_it_resumes_with_the_script(self):
        path = self.video(chunks=12)
        page = self.page_at(SHOP)
        self.slow_down(page.page, 8 << 20)
        page.choose([path])
        page.start()
        page.wait_for("Number(document.querySelector('tr').getAttribute('data-progress')) >= 50")
        page.page.close()
        mark = self.server.mark()
        again = self.page_at(SHOP)
        again.upload([path])
        self.assert_stored(again, path, self.server.video_with(videos.md5(path)))
        # What was under way, three chunks, may be lost.
        missing = path.stat().st_size * 0.5 + 3 * videos.CHUNK_SIZE
        self.assertLessEqual(self.server.uploaded_bytes(mark), missing + 64_000)

    def test_it_reads_413(self):
        server = Server(body_limit="1m", **self.server_options)
        self.addCleanup(server.close)
        self.expect_errors(r"status of 413")
        path = self.video()
        page = self.page_at(SHOP, server=server)
        page.upload([path])
        reason, status, why = self.failure(page, path)
        self.assertIn("请求体不能超过", reason)
        self.assertEqual((status, why), ("413", "body-limit"))
        self.assert_sent_once(server.requests("upload_file"), 413)

    def test_it_reads_409(self):
        self.expect_errors(r"status of (409|502)")
        path = self.video()
        page = self.page_at(SHOP)
        page.choose([path])
        self.addCleanup(self.server.restore)
        self.server.kill_responder()
        mark = self.server.mark()
        page.start()
        page.wait_for_end()
        self.assertEqual(self.failure(page, path), ("分片上传失败", "409", "unavailable"))
        # A fault that passes: WebUploader sends a chunk three times.
        self.assertGreaterEqual(sum(1 for status, _ in self.server.requests("upload_file", mark) if status == 409), 3)
        self.server.restore()
        page.page.evaluate("uploader.retry()")
        page.wait_for("document.querySelector('tr[data-state=success]')")
        video = self.server.video_with(videos.md5(path))
        self.assertEqual(page.linked_video(path), video["video_id"])

    def test_a_page_on_a_host_that_is_not_listed_stores_nothing(self):
        self.expect_errors(r"CORS|status of 403|ERR_FAILED")
        path = self.video()
        before, refused = self.stored(), []
        for options in "", "resume":
            with self.subTest(options):
                page = self.page_at(STRANGER, options)
                mark = self.server.mark()
                page.upload([path])
                self.assertEqual(page.state(path), "failed")
                self.assertEqual(self.server.requests(r"\w+", mark, r"\w+"), [])
                before_that, refused = refused, self.server.refused_origins()
                self.assertGreater(len(refused), len(before_that))
                # The browser has asked whether it may, and sends nothing but what it sends without asking.
                self.assertEqual([line for line in refused if '"POST /service/upload/upload_file ' in line], [])
        # Nor by requests that a browser sends without asking first, and which go out with the body.
        small = videos.variant(videos.small(), self.directory / "small.mp4", seed=self.id())
        window = self.open_window(self.server.address_at(STRANGER) + "/test/webuploader/index.html")
        window.evaluate("""async ([address, base64, md5]) => {
            const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
            const form = new FormData();
            const fields = { guid: '1234567890123', file_name: 'video', size: bytes.length, md5 };
            for (const [name, value] of Object.entries(fields)) form.append(name, value);
            form.append('file', new Blob([bytes]), 'video.mp4');
            const how = { method: 'POST', mode: 'no-cors', credentials: 'include', body: form };
            await fetch(address + '/service/upload/upload_file', how);
        }""", [self.server.address_at(MEDIA), videos.base64(small), videos.md5(small)])
        self.assertEqual(self.server.requests(r"\w+", mark), [])
        self.assertIsNone(self.server.video_with(videos.md5(path)))
        self.assertIsNone(self.server.video_with(videos.md5(small)))
        self.assertEqual(self.server.ask(QUESTION, md5=videos.md5(path), size=path.stat().st_size, chunks=4)["code"], 2)
        self.assertEqual(self.stored(), before)
        # The log says what to do about it.
        [line] = [line for line in self.server.refused_origins() if '"POST /service/upload/upload_file ' in line]
        for word in STRANGER, MEDIA, f"set $video_intake_origins 'm.shop.test {SHOP} {STRANGER}';":
            self.assertIn(word, line)

    def test_the_same_host_by_any_name(self):
        path = self.video()
        page = WebUploaderPage(self, "resume", self.server.address_at(STRANGER))
        page.upload([path])
        self.assert_stored(page, path, self.server.video_with(videos.md5(path)))

    def stored(self):
        """Every file of the server's, but for its logs and what nginx and the catalogue have for themselves."""
        return sorted(
            str(path) for path in self.server.directory.rglob("*") if path.is_file()
            and path.relative_to(self.server.directory).parts[0] in ("upload", "incoming", "body"))


class LoginTests(OtherHostCase):
    """With TLS: only so does a browser send cookies to another host."""

    server_options = {"origins": SHOP, "login": True, "secure": True}

    def visit(self, page, path):
        """In another tab, at the server's host."""
        tab = page.page.context.new_page()
        tab.goto(self.server.address_at(MEDIA) + path)
        tab.close()

    def test_webuploader_reads_401_and_goes_on_after_the_login(self):
        self.expect_errors(r"status of 401")
        path = self.video(chunks=8)
        page = self.page_at(SHOP, "resume&login", profile=True)
        mark = self.server.mark()
        page.upload([path])
        self.assertEqual(self.failure(page, path), ("请先登录", "401", "login"))
        self.assert_sent_once(self.server.requests("upload_file", mark), 401)
        self.visit(page, "/test/login")
        self.slow_down(page.page, 8 << 20)
        page.page.evaluate("uploader.retry()")
        # And in the middle of it the session ends.
        page.wait_for("Number(document.querySelector('tr').getAttribute('data-progress')) >= 40")
        self.visit(page, "/test/logout")
        page.wait_for("document.querySelector('tr[data-state=failed]')")
        self.assertEqual(self.failure(page, path), ("请先登录", "401", "login"))
        self.visit(page, "/test/login")
        self.slow_down(page.page, -1)
        # What it had under way then is noted by now.
        page.page.wait_for_timeout(1000)
        mark = self.server.mark()
        page.page.evaluate("uploader.retry()")
        page.wait_for("document.querySelector('tr[data-state=success]')")
        video = self.server.video_with(videos.md5(path))
        self.assertEqual(page.linked_video(path), video["video_id"])
        self.assertEqual(videos.sha256(self.server.stored_file(video)), videos.sha256(path))
        self.assertLess(len(self.server.requests("upload_file", mark)), 8, "only what is missing")


class SecureTests(OtherHostCase):
    """TLS and HTTP/2, as browsers speak it there."""

    server_options = {"origins": SHOP, "secure": True}

    def test_our_page(self):
        path = videos.variant(videos.big(), self.directory / "video.mp4", seed=self.id())
        page = UploadPage(self, address=self.server.address_at(MEDIA), ignore_https_errors=True)
        mark = self.server.mark()
        page.choose([path])
        page.start()
        page.wait_for_state(path, "done")
        video = self.server.video_with(videos.md5(path))
        self.assertEqual(page.video_id(path), video["video_id"])
        self.assertEqual(videos.sha256(self.server.stored_file(video)), videos.sha256(path))
        chunks = -(-path.stat().st_size // videos.CHUNK_SIZE)
        self.assertEqual(len(self.server.requests("upload_file", mark, version="2.0")), chunks)
        self.assertEqual(self.server.requests("upload_file", mark, version="1.1"), [])

    def test_webuploader_from_another_host(self):
        path = self.video(chunks=6)
        page = self.page_at(SHOP)
        page.upload([path])
        self.assert_stored(page, path, self.server.video_with(videos.md5(path)))

    def test_a_page_on_a_host_that_is_not_listed(self):
        self.expect_errors(r"CORS|status of 403|ERR_FAILED")
        path = self.video()
        page = self.page_at(STRANGER)
        page.upload([path])
        self.assertEqual(page.state(path), "failed")
        self.assertIsNone(self.server.video_with(videos.md5(path)))


if __name__ == "__main__":
    unittest.main()
