"""The upload page, and that of a video, where nginx asks for a login, and when that ends."""

import unittest

import accessibility
import videos
from case import BrowserCase
from play_page import PlayPage
from upload_page import UploadPage

MIB = 1 << 20
REFUSED = r"status of 401|ERR_"
SERVICE = "**/service/upload/**"
UPLOAD = "**/service/upload/upload_file"

LANGUAGES = {
    "zh": {"row": "请重新登录", "notice": "请在另一个标签页中重新登录", "class": "攻略"},
    "en": {"row": "Log in again", "notice": "Log in again in another tab", "class": "攻略"},
}


class LoginCase(BrowserCase):
    # Videos stay in the queue: there is no worker.
    server_options = {"login": True, "transcodes": True}

    def setUp(self):
        super().setUp()
        self.expect_errors(REFUSED)

    def visit(self, window, path):
        """In another tab of the same browser."""
        tab = window.context.new_page()
        tab.goto(self.server.address + path)
        tab.close()

    def log_in(self, window):
        self.visit(window, "/test/login")

    def log_out(self, window):
        self.visit(window, "/test/logout")

    def assert_stored(self, page, path):
        self.assertEqual(page.state(path), "done", page.status(path))
        video = self.server.video_with(videos.md5(path))
        self.assertEqual(page.video_id(path), video["video_id"])
        self.assertEqual(videos.sha256(self.server.stored_file(video)), videos.sha256(path))

    def notice(self, page):
        return page.page.inner_text("#login") if page.page.is_visible("#login") else None

    def wait_for_notice(self, page, words):
        self.wait_for(page.page, lambda: words in (self.notice(page) or ""), f"notice {words}, not {self.notice(page)}")


class UploadLoginTests(LoginCase):
    def test_a_session_that_ends_in_the_middle_of_an_upload(self):
        for lang, words in LANGUAGES.items():
            with self.subTest(lang):
                path = videos.variant(videos.middle(), self.directory / f"{lang}.mp4", seed=self.id())
                page = UploadPage(self, lang=lang)
                self.log_in(page.page)
                page.choose([path])
                self.slow_down(page.page, 10 * MIB)
                mark = self.server.mark()
                page.start()
                page.wait_for_progress(path, 30)
                self.log_out(page.page)
                page.wait_for_status(path, words["row"])
                self.wait_for_notice(page, words["notice"])
                self.assertEqual(page.state(path), "uploading")
                progress = page.progress(path)
                self.assertGreaterEqual(progress, 20)
                accessibility.check(self, page.page, f"login {lang}")
                # It asks now and then, and sends nothing.
                page.page.wait_for_timeout(1000)
                sent = len(self.server.requests("upload_file", mark))
                asked = len(self.server.requests("list_class", mark))
                page.page.wait_for_timeout(6000)
                self.assertEqual(len(self.server.requests("upload_file", mark)), sent)
                self.assertIn(len(self.server.requests("list_class", mark)) - asked, range(1, 5))
                self.log_in(page.page)
                page.wait_for_state(path, "done", "exists", "failed")
                self.assert_stored(page, path)
                self.assertIsNone(self.notice(page))
                stored = [received for status, received in self.server.requests("upload_file", mark) if status == 200]
                chunks = -(-path.stat().st_size // videos.CHUNK_SIZE)
                self.assertEqual(len(stored), chunks, "each chunk was stored once")
                page.page.context.close()

    def test_no_session_before_the_first_file(self):
        self.server.add_class("攻略", game="斗罗大陆")
        for lang, words in LANGUAGES.items():
            with self.subTest(lang):
                path = videos.variant(videos.middle(), self.directory / f"{lang}.mp4", seed=self.id())
                page = UploadPage(self, lang=lang)
                self.wait_for_notice(page, words["notice"])
                page.choose([path])
                self.assertNotIn(words["row"], page.status(path), "nothing is to be done for it yet")
                mark = self.server.mark()
                page.start()
                page.wait_for_status(path, words["row"])
                self.assertEqual(self.server.requests("upload_file", mark), [])
                self.assertTrue(page.row(path).locator("input[data-field=name]").is_enabled())
                self.log_in(page.page)
                page.wait_for_state(path, "done", "exists", "failed")
                self.assert_stored(page, path)
                self.assertIsNone(self.notice(page))
                self.assertIn(words["class"], page.row(path).locator("select[data-field=class]").inner_text())
                page.page.context.close()

    def test_who_comes_back_to_the_page_need_not_wait(self):
        path = videos.variant(videos.small(), self.directory / "video.mp4", seed=self.id())
        page = UploadPage(self, clock=True)
        self.wait_for_notice(page, "重新登录")
        page.choose([path])
        page.start()
        page.wait_for_status(path, "请重新登录")
        # No time goes by: only the focus can make it ask.
        page.page.clock.pause_at(page.page.evaluate("() => Date.now() + 1"))
        page.page.wait_for_timeout(500)
        self.log_in(page.page)
        page.page.wait_for_timeout(1000)
        self.assertIn("请重新登录", page.status(path))
        page.page.evaluate("() => window.dispatchEvent(new Event('focus'))")
        page.page.wait_for_function("() => document.querySelector('#login').textContent === ''")
        page.page.clock.resume()
        page.wait_for_state(path, "done")
        self.assert_stored(page, path)

    def test_a_login_that_leads_to_another_page_is_no_success(self):
        """As a site does whose own script stands before the addresses: to its login page, here or on another host."""
        elsewhere = self.server.address_at("login.test") + "/healthz"
        targets = {"here": "/test/webuploader/index.html", "elsewhere": elsewhere}
        for name, target in targets.items():
            with self.subTest(name):
                path = videos.variant(videos.middle(), self.directory / f"{name}.mp4", seed=self.id())
                page = UploadPage(self)
                self.log_in(page.page)
                page.choose([path])
                self.slow_down(page.page, 10 * MIB)
                page.start()
                page.wait_for_progress(path, 30)
                self.expect_errors("CORS|redirect|Content Security Policy")
                page.page.route(SERVICE, lambda route: route.fulfill(status=302, headers={"Location": target}))
                page.wait_for_status(path, "请重新登录")
                self.assertLess(page.progress(path), 100)
                page.page.unroute(SERVICE)
                page.wait_for_state(path, "done", "exists", "failed")
                self.assert_stored(page, path)
                page.page.context.close()

    def test_a_page_of_html_is_no_success(self):
        path = videos.variant(videos.small(), self.directory / "video.mp4", seed=self.id())
        page = UploadPage(self)
        self.log_in(page.page)
        page.choose([path])
        login = {"status": 200, "content_type": "text/html", "body": "<form>Log in</form>"}
        page.page.route(UPLOAD, lambda route: route.fulfill(**login))
        page.start()
        page.wait_for_status(path, "请重新登录", "正在上传", "正在校验")
        page.page.unroute(UPLOAD)
        page.wait_for_state(path, "done", "exists", "failed")
        self.assert_stored(page, path)

    def test_a_question_that_needs_no_login_where_uploads_do(self):
        """A site may have it so: the page is not to ask and send without end."""
        path = videos.variant(videos.middle(), self.directory / "video.mp4", seed=self.id())
        page = UploadPage(self)
        self.log_in(page.page)
        page.choose([path])
        refused = []

        def refuse(route):
            refused.append(route)
            route.fulfill(status=401, content_type="text/html", body="")

        page.page.route(UPLOAD, refuse)
        page.start()
        page.page.wait_for_timeout(10_000)
        self.assertIn(len(refused), range(3, 22))
        page.page.unroute(UPLOAD)
        page.wait_for_state(path, "done")
        self.assert_stored(page, path)

    def test_a_paused_page_stays_paused(self):
        path = videos.variant(videos.middle(), self.directory / "video.mp4", seed=self.id())
        page = UploadPage(self)
        self.log_in(page.page)
        page.choose([path])
        self.slow_down(page.page, 10 * MIB)
        page.start()
        page.wait_for_progress(path, 30)
        self.log_out(page.page)
        page.wait_for_status(path, "请重新登录")
        page.pause()
        self.assertIn("已暂停", page.status(path))
        self.log_in(page.page)
        self.wait_for(page.page, lambda: self.notice(page) is None, "the page knows of the login")
        self.assertEqual(page.state(path), "waiting")
        page.go_on()
        page.wait_for_state(path, "done")
        self.assert_stored(page, path)


class PlayLoginTests(LoginCase):
    def test_a_session_that_ends_while_the_page_asks(self):
        path = videos.variant(videos.small(), self.directory / "video.mp4", seed=self.id())
        page = UploadPage(self)
        self.log_in(page.page)
        page.choose([path])
        page.start()
        page.wait_for_state(path, "done")
        number = page.video_id(path)
        for lang, words in ("zh", "请先登录"), ("en", "Log in first"):
            play = page.page.context.new_page()
            self.watch(play)
            play.goto(f"{self.server.address}/play/?video_id={number}&lang={lang}")
            play.wait_for_selector("#processing")
            self.log_out(page.page)
            self.wait_for(play, lambda: words in play.inner_text("#notice"), words)
            accessibility.check(self, play, f"play login {lang}")
            self.log_in(page.page)
            self.wait_for(play, lambda: words not in play.inner_text("#notice"), "it goes on")
            play.close()

    def test_without_a_session_the_address_says_so(self):
        play = PlayPage(self, 1)
        self.assertIn("请先登录", play.page.inner_text("body"))
        self.assertIn("Log in first", play.page.inner_text("body"))
        accessibility.check(self, play.page, "login page")


if __name__ == "__main__":
    unittest.main()
