"""The upload page when the server, or nginx, says no: the reason in its reply decides, whatever its words are."""

import json
import unittest

import videos
from case import BrowserCase
from upload_page import UploadPage

UPLOAD = "**/service/upload/upload_file"
ERROR = r"status of (400|401|403|404|405|409|413)"

# Status, code and reason of the reply; what the row says then, in Chinese and in English.
REFUSALS = [
    (200, -3, "extension", "服务器只接受", "videos of these kinds only"),
    (200, -3, "container", "不是服务器能识别的视频", "not a video that the server can recognise"),
    (200, -3, "disk-full", "磁盘空间不足", "disk is full"),
    (200, -3, "quota", "未完成的上传过多", "Too many unfinished uploads"),
    (200, -3, "md5", "被修改或损坏", "was damaged"),
    (200, -6, "record", "未能保存视频信息", "could not save the video's record"),
    (200, -1, "malformed", "不接受此请求", "does not accept this request"),
    (400, -1, "form-limit", "不接受此请求", "does not accept this request"),
    # Tried again a few times first.
    (409, -2, "length", "上传失败：服务器收到的数据长度有误", "failed: Data arrived with a wrong length"),
    (403, -4, "forbidden", "没有上传权限", "no permission to upload"),
    (403, -4, "origin", "不允许来自该网站", "not allow uploads from this site"),
    (404, -1, "unknown-action", "没有上传接口", "no address for uploads"),
    (405, -1, "method", "没有上传接口", "no address for uploads"),
    (413, -1, "body-limit", "不接受这么大的请求", "does not accept requests this large"),
    # Of a proxy that knows nothing of reasons.
    (400, None, None, "不接受此请求", "does not accept this request"),
    (403, None, None, "没有上传权限", "no permission to upload"),
    (404, None, None, "没有上传接口", "no address for uploads"),
    (413, None, None, "不接受这么大的请求", "does not accept requests this large"),
]


def answer(status, code, reason, message="(words that mean nothing)"):
    """A reply as Playwright takes it; without a code, a page of HTML."""
    if code is None:
        return {"status": status, "content_type": "text/html", "body": "<h1>Error</h1>"}
    body = json.dumps({"code": code, "msg": message, "data": None})
    headers = {"Content-Type": "application/json; charset=utf-8", "X-Intake-Code": str(code), "X-Intake-Reason": reason}
    return {"status": status, "headers": headers, "body": body}


class RefusedUploadTests(BrowserCase):
    def test_each_reason_is_said_as_what_it_is(self):
        self.expect_errors(ERROR)
        path = videos.variant(videos.small(), self.directory / "video.mp4", seed=self.id())
        for position, lang in (3, "zh"), (4, "en"):
            page = UploadPage(self, lang=lang)
            current = []
            page.page.route(UPLOAD, lambda route: route.fulfill(**answer(*current[-1])))
            page.choose([path])
            for refusal in REFUSALS:
                with self.subTest(lang=lang, refusal=refusal[:3]):
                    current.append(refusal[:3])
                    if len(current) == 1:
                        page.start()
                    else:
                        page.wait_for_state(path, "failed")
                        page.retry(path)
                    self.wait_for(
                        page.page, lambda: page.state(path) == "failed" and refusal[position] in page.status(path),
                        f"{refusal}, not {page.status(path)!r}")
            page.page.close()

    def test_words_of_a_message_decide_nothing(self):
        """A reply that speaks of a full disk and of md5, and has another reason."""
        path = videos.variant(videos.small(), self.directory / "video.mp4", seed=self.id())
        page = UploadPage(self)
        words = "(disk full) (md5) (container) (too many uploads)"
        page.page.route(UPLOAD, lambda route: route.fulfill(**answer(200, -6, "record", words)))
        page.choose([path])
        page.start()
        page.wait_for_state(path, "failed")
        self.assertIn("未能保存视频信息", page.status(path))
        self.assertIn(words, page.status(path))

    def test_a_reason_that_is_not_known_is_told_in_the_servers_words(self):
        path = videos.variant(videos.small(), self.directory / "video.mp4", seed=self.id())
        page = UploadPage(self)
        page.page.route(UPLOAD, lambda route: route.fulfill(**answer(200, -3, "of-tomorrow", "明天再来")))
        page.choose([path])
        page.start()
        page.wait_for_state(path, "failed")
        self.assertIn("明天再来", page.status(path))

    def test_a_full_disk_that_may_get_room_is_no_failure(self):
        self.expect_errors(ERROR)
        path = videos.variant(videos.middle(), self.directory / "video.mp4", seed=self.id())
        page = UploadPage(self)
        page.page.route(UPLOAD, lambda route: route.fulfill(**answer(409, -2, "disk-full")))
        page.choose([path])
        page.start()
        page.wait_for_status(path, "服务器磁盘空间不足，有空间后自动继续")
        self.assertEqual(page.state(path), "uploading")
        page.page.unroute(UPLOAD)
        page.wait_for_state(path, "done")

    def test_room_that_never_comes_is_told_after_ten_minutes(self):
        self.expect_errors(ERROR)
        path = videos.variant(videos.middle(), self.directory / "video.mp4", seed=self.id())
        page = UploadPage(self, clock=True)
        sent = []

        def refuse(route):
            sent.append(page.page.evaluate("performance.now()"))
            route.fulfill(**answer(409, -2, "disk-full"))

        page.page.route(UPLOAD, refuse)
        page.choose([path])
        page.start()
        for _ in range(300):
            if page.state(path) == "failed":
                break
            page.page.clock.run_for(5000)
            page.page.wait_for_timeout(10)
        self.assertEqual(page.state(path), "failed", page.status(path))
        self.assertIn("磁盘空间不足", page.status(path))
        self.assertIn("稍后重试", page.status(path))
        minutes = (sent[-1] - sent[0]) / 60_000
        self.assertTrue(4 < minutes < 20, minutes)
        # Pauses that grow, of three requests at once.
        self.assertLess(len(sent), 60)
        page.page.unroute(UPLOAD)
        page.retry(path)
        for _ in range(300):
            if page.state(path) == "done":
                break
            page.page.clock.run_for(1000)
            page.page.wait_for_timeout(10)
        self.assertEqual(page.state(path), "done", page.status(path))

    def test_a_chunk_that_was_cut_on_its_way_comes_again(self):
        self.expect_errors(ERROR)
        path = videos.variant(videos.middle(), self.directory / "video.mp4", seed=self.id())
        page = UploadPage(self)
        answered = []

        def refuse_twice(route):
            answered.append(route)
            if len(answered) in (3, 4):
                route.fulfill(**answer(409, -2, "length"))
            else:
                route.continue_()

        page.page.route(UPLOAD, refuse_twice)
        page.choose([path])
        page.start()
        page.wait_for_state(path, "done", "failed")
        self.assertEqual(page.state(path), "done", page.status(path))

    def test_an_upload_that_the_server_has_dropped_is_begun_anew_once(self):
        for times in 1, 2:
            with self.subTest(times=times):
                path = videos.variant(videos.middle(), self.directory / f"{times}.mp4", seed=self.id())
                page = UploadPage(self)
                answered, left = [], [times]

                def expire(route):
                    answered.append(route)
                    # With all chunks of the same time, as the server does it.
                    if len(answered) % 6 == 5 and left[0] > 0:
                        left[0] -= 1
                        route.fulfill(**answer(200, -3, "expired"))
                    else:
                        route.continue_()

                page.page.route(UPLOAD, expire)
                page.choose([path])
                page.start()
                page.wait_for_state(path, "done", "failed")
                if times == 1:
                    self.assertEqual(page.state(path), "done", page.status(path))
                    self.assertGreater(len(answered), 5)
                else:
                    self.assertEqual(page.state(path), "failed")
                    self.assertIn("已被服务器删除", page.status(path))
                    page.retry(path)
                    page.wait_for_state(path, "done")
                page.page.close()

    def test_the_question_for_chunks_tells_their_length(self):
        path = videos.variant(videos.middle(), self.directory / "video.mp4", seed=self.id())
        page = UploadPage(self)
        with page.page.expect_request("**/determine_chunk_exist") as asked:
            page.choose([path])
            page.start()
        self.assertIn(f"chunk_size={videos.CHUNK_SIZE}", asked.value.post_data)
        page.wait_for_state(path, "done")


class LimitTests(BrowserCase):
    """What the server says of its limits holds, and the page's own numbers only until then."""

    limits = {"extensions": ["mp4", "mov"], "size": 3_000_000, "body": 2_000_000, "chunk": 1_000_000}

    def open_page(self, limits, lang="zh"):
        data = {"classes": []} | ({"limits": limits} if limits is not None else {})
        answer = {"code": 1, "msg": "", "data": data}
        return UploadPage(self, lang=lang, routes={"**/list_class": lambda route: route.fulfill(json=answer)})

    def test_kinds_and_size(self):
        for lang, words in (("zh", "支持 mp4、mov 格式，每个文件不超过 2.86 MB"), ("en", "mp4, mov: up to 2.86 MB each")):
            with self.subTest(lang):
                page = self.open_page(self.limits, lang)
                self.wait_for(page.page, lambda: words in page.page.inner_text("#intro"), words)
                self.assertEqual(page.page.get_attribute("#files", "accept"), ".mp4,.mov")
                avi, mov, big = [self.directory / f"{lang}.{name}" for name in ("avi", "mov", "mp4")]
                avi.write_bytes(b"x" * 1000)
                mov.write_bytes(b"x" * 1000)
                big.write_bytes(b"x" * 3_000_001)
                page.page.set_input_files("#files", [avi, mov, big])
                page.wait_for_state(mov, "waiting")
                said = page.page.inner_text("#messages")
                self.assertEqual(page.page.locator("[data-row]").count(), 1)
                self.assertIn("mp4、mov" if lang == "zh" else "mp4, mov", said)
                self.assertIn("2.86 MB", said)
                page.page.close()

    def test_chunks_have_the_servers_length(self):
        path = videos.variant(videos.small(), self.directory / "video.mp4", 2_500_000, seed=self.id())
        page = self.open_page(self.limits)
        self.wait_for(page.page, lambda: "mov" in page.page.inner_text("#intro"), "the limits are there")
        mark = self.server.mark()
        page.choose([path])
        page.start()
        page.wait_for_state(path, "done")
        self.assertEqual(len(self.server.requests("upload_file", mark)), 3)
        video = self.server.video_with(videos.md5(path))
        self.assertEqual(videos.sha256(self.server.stored_file(video)), videos.sha256(path))

    def test_limits_that_are_none_change_nothing(self):
        wrong = {"extensions": [], "size": 0, "body": "5", "chunk": -1}
        for limits in None, {}, wrong, {"extensions": ["<b>"], "size": None}, 7:
            with self.subTest(limits):
                page = self.open_page(limits)
                page.page.wait_for_load_state("networkidle")
                self.assertIn("支持 mp4、avi、flv 格式，每个文件不超过 2 GB", page.page.inner_text("#intro"))
                page.page.close()


if __name__ == "__main__":
    unittest.main()
