"""WebUploader 0.1.2 with webuploader-resume.js: what it adds."""

import json
import time
import unittest

import videos
from case import BrowserCase
from webuploader_page import WebUploaderPage

UPLOAD = "**/service/upload/upload_file"
QUESTION = "determine_chunk_exist"


class WebUploaderResumeTests(BrowserCase):
    def video(self, chunks):
        return videos.variant(videos.small(), self.directory / "video.mp4", videos.CHUNK_SIZE * chunks - 1000, seed=self.id())

    def chunk_number(self, request):
        """The `chunk` in the form of an upload_file request."""
        _, _, rest = request.post_data_buffer.partition(b'name="chunk"\r\n\r\n')
        return int(rest.split(b"\r\n", 1)[0])

    def answer_once(self, page, chunk, status, reply):
        """The first request with this chunk is answered so, and does not reach the server. Returns the list of chunks sent, to be."""
        return self.answer(page, chunk, 1, status, reply)

    def answer(self, page, chunk, times, status, reply, reason=""):
        """The first so many requests with this chunk, see `answer_once`."""
        sent, answered = [], []

        def handle(route):
            number = self.chunk_number(route.request)
            sent.append(number)
            if number == chunk and len(answered) < times:
                answered.append(number)
                headers = {"Content-Type": "application/json"} | ({"X-Intake-Reason": reason} if reason else {})
                route.fulfill(status=status, headers=headers, body=json.dumps(reply))
            else:
                route.continue_()

        page.page.route(UPLOAD, handle)
        return sent

    def put_chunks(self, path, chunks, guid="1234567890123"):
        """Uploads some chunks of the file, as another page load would."""
        length, md5 = path.stat().st_size, videos.md5(path)
        count = -(-length // videos.CHUNK_SIZE)
        for chunk in chunks:
            fields = {"guid": guid, "file_name": path.name, "id": "WU_FILE_0", "size": length, "md5": md5, "chunks": count, "chunk": chunk}
            with path.open("rb") as file:
                file.seek(chunk * videos.CHUNK_SIZE)
                body = file.read(videos.CHUNK_SIZE)
            boundary = b"----browser-tests"
            parts = [b"--%b\r\nContent-Disposition: form-data; name=\"%b\"\r\n\r\n%b\r\n" % (boundary, name.encode(), str(value).encode())
                     for name, value in fields.items()]
            parts.append(b"--%b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"video.mp4\"\r\n\r\n%b\r\n--%b--\r\n"
                         % (boundary, body, boundary))
            status, _, reply = self.server.request(
                "POST", "/service/upload/upload_file", b"".join(parts),
                {"Content-Type": "multipart/form-data; boundary=" + boundary.decode()})
            self.assertEqual((status, json.loads(reply)["code"]), (200, 2))

    def assert_success(self, page, path):
        told = page.state(path), page.attribute(path, "data-reason"), page.attribute(path, "data-reply")
        self.assertEqual(told, ("success", None, "1"))
        video = self.server.video_with(videos.md5(path))
        self.assertEqual(page.linked_video(path), video["video_id"])
        self.assertEqual(videos.sha256(self.server.stored_file(video)), videos.sha256(path))

    def test_after_a_reload_only_missing_chunks_are_sent(self):
        path = self.video(chunks=12)
        mark = self.server.mark()
        page = WebUploaderPage(self, "resume")
        self.slow_down(page.page, 8 << 20)
        page.choose([path])
        page.start()
        page.wait_for("Number(document.querySelector('tr').getAttribute('data-progress')) >= 50")
        page.page.close()
        self.assertLess(self.server.uploaded_bytes(mark), path.stat().st_size, "the whole file went out before the page could be closed")

        mark = self.server.mark()
        again = WebUploaderPage(self, "resume")
        again.upload([path])
        self.assert_success(again, path)
        # What was under way, three chunks, may be lost.
        missing = path.stat().st_size * 0.5 + 3 * videos.CHUNK_SIZE
        self.assertLessEqual(self.server.uploaded_bytes(mark), missing + 64_000)
        self.assertEqual(len(self.server.requests(QUESTION, mark)), 1, "questions")

    def test_an_untouched_file_needs_one_question(self):
        path = self.video(chunks=8)
        mark = self.server.mark()
        page = WebUploaderPage(self, "resume")
        page.upload([path])
        self.assert_success(page, path)
        self.assertEqual(len(self.server.requests(QUESTION, mark)), 1)
        self.assertEqual(len(self.server.requests("upload_file", mark)), 8)

    def test_a_lost_chunk_in_a_reply_with_http_200_is_sent_again(self):
        path = self.video(chunks=4)
        page = WebUploaderPage(self, "resume")
        sent = self.answer_once(page, 1, 200, {"code": -2, "msg": "分片上传失败", "data": None})
        page.upload([path])
        self.assert_success(page, path)
        self.assertEqual(sorted(sent), [0, 1, 1, 2, 3])

    def test_any_other_negative_code_fails_the_file_with_its_message(self):
        path = self.video(chunks=4)
        self.put_chunks(path, [0])
        page = WebUploaderPage(self, "resume")
        self.answer_once(page, 1, 200, {"code": -3, "msg": "上传文件出错!msg:没有空间", "data": None})
        page.upload([path])
        self.assertEqual((page.state(path), page.attribute(path, "data-reason")), ("failed", "上传文件出错!msg:没有空间"))
        # And it can be tried again: only what is missing goes out. The requests that it had under way then are noted by now.
        time.sleep(1)
        mark = self.server.mark()
        page.page.evaluate("uploader.retry()")
        page.wait_for("document.querySelector('tr[data-state=success]')")
        self.assertEqual(page.linked_video(path), self.server.video_with(videos.md5(path))["video_id"])
        self.assertEqual(len(self.server.requests(QUESTION, mark)), 1)
        self.assertLessEqual(len(self.server.requests("upload_file", mark)), 3)

    def test_the_question_tells_the_length_of_the_chunks(self):
        path = self.video(chunks=3)
        page = WebUploaderPage(self, "resume")
        page.choose([path])
        with page.page.expect_request("**/" + QUESTION) as asked:
            page.start()
        self.assertIn(b'name="chunk_size"\r\n\r\n%d\r\n' % videos.CHUNK_SIZE, asked.value.post_data_buffer)
        page.wait_for_end()
        self.assert_success(page, path)

    def test_a_full_disk_is_tried_again_more_often_and_with_pauses(self):
        # WebUploader by itself sends a chunk three times, at once.
        self.expect_errors("status of 409")
        path = self.video(chunks=4)
        page = WebUploaderPage(self, "resume")
        sent = self.answer(page, 1, 4, 409, {"code": -2, "msg": "磁盘空间不足", "data": None}, "disk-full")
        started = time.monotonic()
        page.upload([path])
        # Half of 1, 2, 4 and 8 s at least.
        self.assertGreater(time.monotonic() - started, 7.5)
        self.assert_success(page, path)
        self.assertEqual(sorted(sent), [0, 1, 1, 1, 1, 1, 2, 3])

    def test_a_disk_that_stays_full_fails_the_file_and_says_so(self):
        self.expect_errors("status of 409")
        path = self.video(chunks=4)
        page = WebUploaderPage(self, "resume", clock=True)
        sent = self.answer(page, 1, 1000, 409, {"code": -2, "msg": "磁盘空间不足", "data": None}, "disk-full")
        page.choose([path])
        page.start()
        for _ in range(300):
            if page.state(path) == "failed":
                break
            page.page.clock.run_for(2000)
            page.page.wait_for_timeout(10)
        told = [page.attribute(path, name) for name in ("data-state", "data-reason", "data-status", "data-why")]
        self.assertEqual(told, ["failed", "磁盘空间不足", "409", "disk-full"])
        # Eight pauses more than the page's own two.
        self.assertEqual(sent.count(1), 1 + 8 + 2)

    def test_an_upload_that_the_server_has_removed_is_begun_afresh_once(self):
        removed = {"code": -3, "msg": "上传已过期", "data": None}
        for times in 1, 2:
            with self.subTest(times=times):
                path = videos.variant(videos.small(), self.directory / f"{times}.mp4", videos.CHUNK_SIZE * 6 - 1000, seed=self.id())
                page = WebUploaderPage(self, "resume")
                page.page.evaluate("""() => {
                    window.heard = [];
                    for (const name of ['uploadError', 'uploadSuccess']) uploader.on(name, () => { heard.push(name); });
                }""")
                self.answer(page, 3, times, 200, removed, "expired")
                mark = self.server.mark()
                page.upload([path])
                if times == 1:
                    self.assert_success(page, path)
                    self.assertEqual(page.page.evaluate("heard"), ["uploadSuccess"])
                    self.assertEqual(len(self.server.requests(QUESTION, mark)), 2)
                else:
                    told = [page.attribute(path, name) for name in ("data-state", "data-reason", "data-why")]
                    self.assertEqual(told, ["failed", "上传已过期", "expired"])
                    self.assertEqual(page.page.evaluate("heard"), ["uploadError"])
                page.page.close()

    def test_the_last_outstanding_chunk_is_skipped(self):
        path = self.video(chunks=4)
        self.put_chunks(path, [3])
        page = WebUploaderPage(self, "resume&threads=1")
        mark = self.server.mark()
        page.upload([path])
        self.assert_success(page, path)
        self.assertEqual(len(self.server.requests("upload_file", mark)), 3)

    def test_the_reply_that_comes_last_has_code_2(self):
        # Of the last three chunks the server may answer with code 1 itself, after a short wait.
        path = self.video(chunks=6)
        page = WebUploaderPage(self, "resume")
        held = []

        def hold_the_first(route):
            if self.chunk_number(route.request) == 0:
                # The server has answered; the page learns of it after everything else.
                held.append((route, route.fetch()))
            else:
                route.continue_()

        page.page.route(UPLOAD, hold_the_first)
        page.choose([path])
        page.start()
        self.wait_for(page.page, lambda: held and self.server.video_with(videos.md5(path)), "the server has the video")
        route, response = held[0]
        self.assertEqual(response.json()["code"], 2)
        page.page.wait_for_timeout(300)
        route.fulfill(response=response)
        page.wait_for_end()
        self.assert_success(page, path)

    def test_no_reply_has_code_1(self):
        path = self.video(chunks=3)
        page = WebUploaderPage(self, "resume")

        def hide_completion(route):
            response = route.fetch()
            reply = response.json() | {"code": 2}
            route.fulfill(response=response, json=reply)

        page.page.route(UPLOAD, hide_completion)
        page.upload([path])
        self.assert_success(page, path)

    def test_a_chunk_that_the_server_never_got(self):
        path = self.video(chunks=4)
        page = WebUploaderPage(self, "resume")
        sent = self.answer_once(page, 1, 200, {"code": 2, "msg": "分片上传成功", "data": {"chunks": 4, "chunk": 1, "video_id": 1}})
        page.upload([path])
        self.assertEqual((page.state(path), page.attribute(path, "data-reason")), ("failed", "服务器尚未收到全部分片,请重试"))
        page.page.evaluate("uploader.retry()")
        page.wait_for("document.querySelector('tr[data-state=success]')")
        self.assertEqual(sorted(sent), [0, 1, 1, 2, 3])
        self.assertEqual(page.linked_video(path), self.server.video_with(videos.md5(path))["video_id"])

    def test_the_md5_can_come_from_the_plugin(self):
        path = self.video(chunks=4)
        self.put_chunks(path, [0, 2])
        mark = self.server.mark()
        page = WebUploaderPage(self, "resume")
        page.page.evaluate("""md5 => {
            uploader.on('uploadBeforeSend', (block, data) => { data.md5 = ''; });
            WebUploaderResume.configure({ md5: (file) => Promise.resolve(md5), server: '/service/upload/' });
        }""", videos.md5(path))
        page.upload([path])
        self.assert_success(page, path)
        self.assertEqual(len(self.server.requests("upload_file", mark)), 2)

    def test_without_the_question_everything_is_sent(self):
        path = self.video(chunks=4)
        self.put_chunks(path, [0, 1])
        page = WebUploaderPage(self, "resume")
        self.expect_errors(r"status of 404 .*" + QUESTION)
        page.page.route("**/" + QUESTION, lambda route: route.fulfill(status=404, body="<h1>404</h1>"))
        mark = self.server.mark()
        page.upload([path])
        self.assert_success(page, path)
        self.assertEqual(len(self.server.requests("upload_file", mark)), 4)

    def test_stop_and_continue(self):
        path = self.video(chunks=10)
        mark = self.server.mark()
        # One chunk at a time: of more, 0.1.2 forgets all but the first after stop(true), with and without resume.
        page = WebUploaderPage(self, "resume&threads=1")
        self.slow_down(page.page, 8 << 20)
        page.choose([path])
        page.start()
        for percent in 20, 50:
            page.wait_for(f"Number(document.querySelector('tr').getAttribute('data-progress')) >= {percent}")
            page.stop()
            page.page.wait_for_timeout(200)
            page.start()
        page.wait_for_end()
        self.assert_success(page, path)
        self.assertLessEqual(len(self.server.requests("upload_file", mark)), 10 + 2)
        self.assertEqual(len(self.server.requests(QUESTION, mark)), 3, "questions: at first and after each stop")


if __name__ == "__main__":
    unittest.main()
