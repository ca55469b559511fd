"""
The upload page, and WebUploader 0.1.2 and 0.1.5, each with and without webuploader-resume.js. Whatever happens to a file on its way, it ends
stored and right, or failed with a reason. It never ends as one that exists, for that is a link to a video that is not there.
"""

import json
import re
import unittest

import configuration
import videos
from case import BrowserCase
from upload_page import UploadPage
from webuploader_page import WebUploaderPage

MIB = 1 << 20
UPLOAD = "**/service/upload/upload_file"
# Unfinished uploads of all clients together.
LIMIT = 4
OTHER_CLIENT = "127.0.0.2"


class Proxy:
    """
    What stands between a page and the server. `change(fields, content)` is what it passes on in their place, of a chunk of `path`;
    `replies` has what came back, (chunk, HTTP status, code, reason).
    """

    def __init__(self, case, page, path, change=lambda fields, content: (fields, content), chunk_size=videos.CHUNK_SIZE):
        self.server, self.page, self.path, self.change, self.chunk_size = case.server, page.page, path, change, chunk_size
        self.replies = []
        self.passes = lambda chunk: True
        self.held = []
        self.page.route(UPLOAD, self._handle)

    def hold(self, passes):
        """From now on only chunks for which `passes(chunk)` is true get through; the others wait for `release`."""
        self.passes = passes

    def release(self):
        self.passes = lambda chunk: True
        held, self.held = self.held, []
        for route in held:
            self._handle(route)

    def _handle(self, route):
        fields = dict(re.findall(rb'name="(\w+)"\r\n\r\n(.*?)\r\n--', route.request.post_data_buffer, re.DOTALL))
        chunk = int(fields[b"chunk"])
        if not self.passes(chunk):
            self.held.append(route)
            return
        with self.path.open("rb") as file:
            file.seek(chunk * self.chunk_size)
            content = file.read(self.chunk_size)
        fields, content = self.change({name.decode(): value for name, value in fields.items()}, content)
        status, headers, body = self.server.post(fields, content, self.path.suffix)
        self.replies.append((chunk, status, json.loads(body)["code"], headers["X-Intake-Reason"]))
        try:
            route.fulfill(status=status, headers=dict(headers), body=body)
        except Exception as error:  # The page has given the request up meanwhile.
            if "closed" in str(error):
                raise

    @property
    def reasons(self):
        return {reason for *_, reason in self.replies if reason}


class Endings:
    """The tests, for the options of a page."""

    server_options = {
        "body_limit": "6m", "environment": {"VIDEO_INTAKE_BODY_LIMIT": "6M", "VIDEO_INTAKE_UPLOADS_LIMIT": str(LIMIT)}
    }
    version = "0.1.2"
    resumes = False

    def setUp(self):
        super().setUp()
        self.expect_errors("status of 409")
        # The next test has the limit to itself.
        self.addCleanup(self.server.expire_uploads)

    def video(self, length):
        return videos.variant(videos.small(), self.directory / "video.mp4", length, seed=self.id())

    def open_page(self, **options):
        options = {"version": self.version, "chunk": 2} | options
        text = "&".join(f"{name}={value}" for name, value in options.items())
        return WebUploaderPage(self, text + ("&resume" if self.resumes else ""))

    def send_chunk(self, path, chunk, chunks, length, start, client="127.0.0.1", guid="1234567890123"):
        """A chunk of the file, as another page has it."""
        content = path.read_bytes()[start:start + length]
        fields = {"guid": guid, "file_name": path.name, "id": "WU_FILE_0", "size": path.stat().st_size, "md5": videos.md5(path),
                  "chunks": chunks, "chunk": chunk}
        status, headers, body = self.server.post(fields, content, client=client)
        return status, json.loads(body)["code"], headers["X-Intake-Reason"]

    def begin_upload(self, number, chunks=1, client="127.0.0.1"):
        """Another upload, of which so many chunks are there."""
        path = videos.variant(videos.small(), self.directory / f"other-{number}.mp4", 3 * videos.CHUNK_SIZE, seed=self.id())
        for chunk in range(chunks):
            start = chunk * videos.CHUNK_SIZE
            reply = self.send_chunk(path, chunk, 3, videos.CHUNK_SIZE, start, client, guid=f"99999999999{number}")
            self.assertEqual(reply[:2], (200, 2), reply)

    def assert_stored(self, page, path):
        """It ended well, and the link leads to a video with the file's bytes."""
        told = page.state(path), page.attribute(path, "data-reason"), page.attribute(path, "data-reply")
        self.assertEqual(told, ("success", None, "1"))
        video = self.server.video(page.linked_video(path))
        self.assertEqual(videos.sha256(self.server.stored_file(video)), videos.sha256(path))

    def assert_failed(self, page, path, reason, is_final=True):
        """It failed for this reason of the server. `is_final`: told with HTTP 200, so that every page has the words."""
        self.assertEqual(page.state(path), "failed", page.attribute(path, "data-reason"))
        self.assertIsNone(page.linked_video(path))
        self.assertIsNone(self.server.video_with(videos.md5(path)))
        if self.resumes:
            self.assertEqual(page.attribute(path, "data-why"), reason)
        if self.resumes or is_final:
            self.assertNotIn(page.attribute(path, "data-reason"), (None, "", "http", "server"))
        else:
            self.assertEqual(page.attribute(path, "data-reason"), "http")

    # -- Lengths --

    def test_another_page_has_sent_a_longer_chunk(self):
        path = self.video(3 * MIB + MIB // 2)
        self.assertEqual(self.send_chunk(path, 0, 2, 3 * MIB, 0)[:2], (200, 2))
        page = self.open_page()
        page.upload([path])
        self.assert_stored(page, path)

    def test_a_first_chunk_came_short_from_another_page(self):
        path = self.video(9 * MIB)
        self.send_chunk(path, 0, 5, videos.CHUNK_SIZE - 10, 0)
        page = self.open_page()
        page.upload([path])
        self.assert_stored(page, path)

    def test_a_chunk_in_the_middle_is_cut_once(self):
        for left in 0, videos.CHUNK_SIZE - 10:
            with self.subTest(bytes=left):
                path = videos.variant(videos.small(), self.directory / f"cut-{left}.mp4", 9 * MIB, seed=self.id())
                cut = []

                def change(fields, content):
                    if fields["chunk"] == b"2" and not cut:
                        cut.append(True)
                        content = content[:left]
                    return fields, content

                page = self.open_page()
                proxy = Proxy(self, page, path, change)
                page.upload([path])
                self.assertIn("length", proxy.reasons)
                self.assert_stored(page, path)

    def test_a_chunk_in_the_middle_is_always_cut(self):
        for left in 0, videos.CHUNK_SIZE - 10:
            with self.subTest(bytes=left):
                path = videos.variant(videos.small(), self.directory / f"cut-{left}.mp4", 9 * MIB, seed=self.id())
                page = self.open_page()
                proxy = Proxy(
                    self, page, path, lambda fields, content: (fields, content[:left] if fields["chunk"] == b"2" else content))
                page.upload([path])
                self.assertEqual(proxy.reasons, {"length"})
                self.assert_failed(page, path, "length", is_final=False)

    def test_two_pages_with_chunks_of_2_and_of_5_mib_at_once(self):
        path = self.video(24 * MIB - 1000)
        pages = [self.open_page(chunk=chunk) for chunk in (2, 5)]
        for page in pages:
            self.slow_down(page.page, 8 * MIB)
            page.choose([path])
        for page in pages:
            page.start()
        for page in pages:
            page.wait_for_end()
        for page in pages:
            self.assert_stored(page, path)

    # -- Names --

    def test_a_name_that_is_not_utf_8(self):
        path = self.video(5 * MIB)
        page = self.open_page()
        proxy = Proxy(self, page, path, lambda fields, content: (fields | {"file_name": "斗罗大陆".encode("gbk")}, content))
        page.upload([path])
        self.assertEqual(proxy.reasons, {"malformed"})
        self.assert_failed(page, path, "malformed")
        self.assertIn("file_name", page.attribute(path, "data-reason"))
        self.assertEqual(self.server.select("SELECT count(*) FROM upload WHERE md5 = ?", videos.md5(path)), [(0,)])

    # -- Limits --

    def test_a_quota_that_is_used_up_for_the_first_chunk_only(self):
        path = self.video(9 * MIB)
        for number in range(LIMIT):
            self.begin_upload(number)
        page = self.open_page()
        proxy = Proxy(self, page, path)
        proxy.hold(lambda chunk: chunk == 0)
        page.choose([path])
        page.start()
        self.wait_for(page.page, lambda: proxy.replies, "the first chunk is refused")
        self.server.expire_uploads()
        proxy.release()
        page.wait_for_end()
        self.assertEqual(proxy.reasons, {"quota"})
        self.assert_failed(page, path, "quota")

    def test_the_upload_makes_way_for_another_clients(self):
        path = self.video(9 * MIB)
        # Of those that hold as many, the one with the least bytes goes: the page's.
        for number in range(LIMIT - 1):
            self.begin_upload(number, chunks=2)
        self.lose_in_the_middle(path, lambda: self.begin_upload(LIMIT, client=OTHER_CLIENT))

    def test_the_upload_expires(self):
        path = self.video(9 * MIB)
        self.lose_in_the_middle(path, lambda: self.server.expire_uploads(videos.md5(path)))

    def lose_in_the_middle(self, path, lose):
        """The page goes on after its upload, of which the first chunk is there, was removed. Then there is room for it."""
        page = self.open_page()
        proxy = Proxy(self, page, path)
        proxy.hold(lambda chunk: chunk == 0)
        page.choose([path])
        page.start()
        self.wait_for(page.page, lambda: proxy.replies and len(proxy.held) > 0, "the first chunk is there")
        self.assertEqual(proxy.replies, [(0, 200, 2, None)])
        lose()
        rows = self.server.select("SELECT count(*) FROM upload WHERE md5 = ? AND state = 'open'", videos.md5(path))
        self.assertEqual(rows, [(0,)], "the upload is still there")
        self.server.expire_uploads()
        proxy.release()
        page.wait_for_end()
        self.assertEqual(proxy.reasons, {"expired"})
        if self.resumes:
            self.assert_stored(page, path)
        else:
            self.assert_failed(page, path, "expired")


class UploadPageEndings(Endings, BrowserCase):
    """The upload page takes an upload up again as webuploader-resume.js does, and has words of its own for each reason."""

    resumes = True
    words = {"length": "长度有误", "malformed": "不接受此请求", "quota": "未完成的上传过多"}

    class Page(UploadPage):
        """Driven as the page with WebUploader is."""

        def choose(self, files):
            self.files = files
            super().choose(files)

        def upload(self, files):
            self.choose(files)
            self.start()
            self.wait_for_end()

        def wait_for_end(self):
            super().wait_for_end(self.files)

        def attribute(self, path, name):
            assert name == "data-reason"
            return self.status(path)

    def open_page(self, chunk=2):
        limits = {"body": (chunk + 1) * MIB, "chunk": chunk * MIB}
        answer = {"code": 1, "msg": "", "data": {"classes": [], "limits": limits}}
        page = self.Page(self, routes={"**/list_class": lambda route: route.fulfill(json=answer)})
        page.page.wait_for_load_state("networkidle")
        return page

    def assert_stored(self, page, path):
        self.assertEqual(page.state(path), "done", page.status(path))
        video = self.server.video(page.video_id(path))
        self.assertEqual(videos.sha256(self.server.stored_file(video)), videos.sha256(path))

    def assert_failed(self, page, path, reason, is_final=True):
        self.assertEqual(page.state(path), "failed", page.status(path))
        self.assertIn(self.words[reason], page.status(path))
        self.assertIsNone(page.video_id(path))
        self.assertIsNone(self.server.video_with(videos.md5(path)))


class WebUploader012Endings(Endings, BrowserCase):
    pass


class WebUploader012WithResumeEndings(Endings, BrowserCase):
    resumes = True


@unittest.skipUnless(configuration.WEBUPLOADER_0_1_5, "WebUploader 0.1.5 is not here: Tests/browser --webuploader-0.1.5 FILE")
class WebUploader015Endings(Endings, BrowserCase):
    version = "0.1.5"


@unittest.skipUnless(configuration.WEBUPLOADER_0_1_5, "WebUploader 0.1.5 is not here: Tests/browser --webuploader-0.1.5 FILE")
class WebUploader015WithResumeEndings(Endings, BrowserCase):
    version = "0.1.5"
    resumes = True


if __name__ == "__main__":
    unittest.main()
