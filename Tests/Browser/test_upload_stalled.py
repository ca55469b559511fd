"""The upload page on a connection that is slow, or in a browser that ends requests or loses replies."""

import re
import unittest

import videos
from case import BrowserCase
from upload_page import UploadPage

UPLOAD = "**/service/upload/upload_file"
QUESTION = "determine_chunk_exist"
MINUTE = 60_000
# Says of each chunk that is sent whether its bytes are in memory. A slice of a file is read when it is sent.
WATCH_FORMS = """
    window.inMemory = [];
    const fromFile = new WeakSet();
    const slice = Blob.prototype.slice;
    Blob.prototype.slice = function (...all) {
        const part = slice.apply(this, all);
        if (this instanceof File) fromFile.add(part);
        return part;
    };
    const append = FormData.prototype.append;
    FormData.prototype.append = function (name, value, ...all) {
        if (name === 'file') inMemory.push(!(value instanceof File) && !fromFile.has(value));
        return append.call(this, name, value, ...all);
    };
"""
# How each request for a chunk began and ended: [[what, milliseconds]].
WATCH_REQUESTS = """
    window.events = [];
    const send = XMLHttpRequest.prototype.send;
    XMLHttpRequest.prototype.send = function (body) {
        events.push(['send', performance.now()]);
        for (const name of ['abort', 'error', 'load']) {
            this.addEventListener(name, () => events.push([name, performance.now()]));
        }
        return send.call(this, body);
    };
"""


class StalledUploadTests(BrowserCase):
    def video(self, chunks=6):
        length = videos.CHUNK_SIZE * chunks - 1000
        return videos.variant(videos.small(), self.directory / "video.mp4", length, seed=self.id())

    def chunk_number(self, request):
        return int(re.search(rb'name="chunk"\r\n\r\n(\d+)\r\n', request.post_data_buffer)[1])

    def hold(self, page):
        """Upload requests are noted as (number, route), in place of being sent."""
        held = []
        page.page.route(UPLOAD, lambda route: held.append((self.chunk_number(route.request), route)))
        return held

    def wait_for_requests(self, page, held, number):
        self.wait_for(page.page, lambda: len(held) >= number, f"{number} requests, not {len(held)}")
        # And not one more.
        page.page.wait_for_timeout(300)
        self.assertEqual(len(held), number)

    def pass_time(self, page, milliseconds):
        page.page.clock.fast_forward(milliseconds)
        page.page.wait_for_timeout(500)

    def assert_stored(self, page, path):
        self.assertEqual(page.state(path), "done", page.status(path))
        video = self.server.video_with(videos.md5(path))
        self.assertEqual(page.video_id(path), video["video_id"])
        self.assertEqual(videos.sha256(self.server.stored_file(video)), videos.sha256(path))

    def test_requests_that_the_browser_ends_are_sent_again_at_once(self):
        path = videos.variant(videos.middle(), self.directory / "video.mp4", seed=self.id())
        self.expect_errors(r"ERR_ABORTED")
        page = UploadPage(self, init=WATCH_REQUESTS)
        page.choose([path])
        self.slow_down(page.page, 8 << 20)
        page.start()
        for percent in 20, 50:
            page.wait_for_progress(path, percent)
            # As the Escape key does.
            page.page.evaluate("() => window.stop()")
            self.assertNotIn("连接中断", page.status(path))
        page.wait_for_state(path, "done")
        self.assert_stored(page, path)
        events = page.page.evaluate("() => events")
        last = max(index for index, (name, _) in enumerate(events) if name == "send")
        # After the last one it is the page that ends what it does not need any more.
        aborts = [index for index, (name, _) in enumerate(events[:last]) if name == "abort"]
        self.assertGreaterEqual(len(aborts), 2)
        for index in aborts:
            waited = next(time for name, time in events[index:] if name == "send") - events[index][1]
            # Milliseconds. After a lost connection it is 250 at least.
            self.assertLess(waited, 200)

    def test_after_a_stall_one_chunk_at_a_time_with_twice_the_time(self):
        path = self.video()
        page = UploadPage(self, clock=True)
        held = self.hold(page)
        again = []
        page.choose([path])
        mark = self.server.mark()
        page.start()
        self.wait_for_requests(page, held, 3)
        total = 3
        for minutes in 2, 4, 8, 16, 30, 30:
            questions = len(self.server.requests(QUESTION, mark))
            self.pass_time(page, minutes * MINUTE - 20_000)
            self.assertEqual(len(held), total, f"before {minutes} min")
            self.pass_time(page, 30_000)
            total += 1
            self.wait_for_requests(page, held, total)
            # Before a request is given up.
            self.assertGreater(len(self.server.requests(QUESTION, mark)), questions)
        self.assertEqual(len({number for number, _ in held[3:]}), 1, "the same chunk each time")
        # The line is fast again: three at a time.
        page.page.route(UPLOAD, lambda route: again.append(route) if len(again) < 3 else route.continue_())
        held[-1][1].continue_()
        self.wait_for(page.page, lambda: len(again) == 3, f"three requests at once, not {len(again)}")
        for route in again:
            route.continue_()
        page.wait_for_state(path, "done")
        self.assert_stored(page, path)

    def test_a_reply_that_never_comes(self):
        """The server has the chunks; the page learns it by asking, and sends the others from memory."""
        path = self.video()
        page = UploadPage(self, clock=True, init=WATCH_FORMS)
        answers = []

        def lose(route):
            if len(answers) < 3:
                answers.append(route.fetch())
            else:
                route.continue_()

        page.page.route(UPLOAD, lose)
        page.choose([path])
        mark = self.server.mark()
        page.start()
        self.wait_for(page.page, lambda: len(answers) == 3, "the server has three chunks")
        self.assertEqual(page.page.evaluate("() => inMemory"), [False] * 3)
        self.pass_time(page, 2 * MINUTE + 10_000)
        page.wait_for_state(path, "done")
        self.assert_stored(page, path)
        self.assertEqual(len(self.server.requests("upload_file", mark)), 6, "each chunk once")
        self.assertEqual(page.page.evaluate("() => inMemory"), [False] * 3 + [True] * 3)

    def test_a_last_reply_that_never_comes(self):
        path = self.video(chunks=2)
        page = UploadPage(self, clock=True)
        answers = []

        def lose(route):
            if len(answers) < 2:
                answers.append(route.fetch())
            else:
                route.continue_()

        page.page.route(UPLOAD, lose)
        page.choose([path])
        page.start()
        self.wait_for(page.page, lambda: self.server.video_with(videos.md5(path)), "the server has the video")
        self.pass_time(page, 2 * MINUTE + 10_000)
        page.wait_for_state(path, "done")
        self.assert_stored(page, path)

    def test_a_reply_that_is_lost_with_its_connection(self):
        """The chunk is there: it is not sent again."""
        self.expect_errors(r"ERR_FAILED")
        path = self.video()
        page = UploadPage(self)
        lost = []

        def lose(route):
            if self.chunk_number(route.request) == 1 and not lost:
                lost.append(route.fetch())
                route.abort()
            else:
                route.continue_()

        page.page.route(UPLOAD, lose)
        page.choose([path])
        mark = self.server.mark()
        page.start()
        page.wait_for_state(path, "done")
        self.assert_stored(page, path)
        self.assertEqual(len(self.server.requests("upload_file", mark)), 6, "each chunk once")


if __name__ == "__main__":
    unittest.main()
