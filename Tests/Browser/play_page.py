"""The play page, as the tests drive it: by the ids and data attributes that it promises."""

import base64
import json
import tempfile

from case import BrowserCase

# Small and fast, in two qualities; a thumbnail for each second.
PROFILE = {
    "preset": "ultrafast",
    "renditions": [
        {"height": 360, "crf": 30, "videoBitRate": 600_000, "audioBitRate": 64_000},
        {"height": 180, "crf": 30, "videoBitRate": 200_000, "audioBitRate": 64_000},
    ],
    "thumbnails": {"interval": 1, "width": 160},
}


class TranscodingCase(BrowserCase):
    """A server that queues what is uploaded. `worker`: whether it is transcoded, too; else a test starts the worker."""

    worker = True
    environment = {}

    @classmethod
    def setUpClass(cls):
        profile = tempfile.NamedTemporaryFile("w", prefix="profile.", suffix=".json")
        cls.addClassCleanup(profile.close)
        json.dump(PROFILE, profile)
        profile.flush()
        cls.server_options = {
            "transcodes": True, "environment": cls.environment | {"VIDEO_INTAKE_PROFILE": profile.name, "VIDEO_INTAKE_LEASE_TIME": "5"}}
        super().setUpClass()
        if cls.worker:
            cls.server.start_worker()


class PlayPage:
    """`options`: as for `open_window`."""

    def __init__(self, case, number, lang="zh", **options):
        self.case = case
        self.page = case.open_window(f"/play/?video_id={number}&lang={lang}", **options)
        # Questions that have no reply yet.
        self.outstanding = set()
        self.page.on("request", lambda request: self.outstanding.add(request) if "video_info" in request.url else None)
        for event in "requestfinished", "requestfailed":
            self.page.on(event, lambda request: self.outstanding.discard(request))

    # -- What a user does --

    def play(self):
        """Without sound, which a browser allows without a click."""
        self.page.evaluate("""() => {
            const video = document.querySelector('#video');
            video.muted = true;
            video.play().catch(() => {});
        }""")

    def pause(self):
        self.page.evaluate("() => document.querySelector('#video').pause()")

    def seek(self, seconds):
        self.page.evaluate("(seconds) => { document.querySelector('#video').currentTime = seconds; }", seconds)

    def point(self, part, **options):
        """Moves the mouse over the bar: 0 is its left end, 1 its right one."""
        box = self.bar.bounding_box()
        self.page.mouse.move(box["x"] + part * box["width"], box["y"] + box["height"] / 2, **options)

    # -- What a user sees --

    @property
    def bar(self):
        return self.page.locator("#seek [role=slider]")

    @property
    def preview(self):
        return self.page.locator("#seek .seek-preview")

    def notice(self):
        return self.page.inner_text("#notice") if self.page.is_visible("#notice") else None

    def told(self, field):
        return self.page.inner_text(f"[data-info={field}]")

    def video(self, *properties):
        """Of the video element; one alone comes alone."""
        values = self.page.evaluate(
            "(names) => { const video = document.querySelector('#video'); return names.map((name) => video[name]); }", list(properties))
        return values[0] if len(values) == 1 else values

    def source(self):
        """The last part of the address that plays."""
        return self.video("currentSrc").rpartition("/")[2]

    def wait_for(self, condition, what):
        return self.case.wait_for(self.page, condition, what)

    def wait_for_source(self, name):
        self.wait_for(lambda: self.source() == name, f"{name} plays, not {self.video('currentSrc')}")

    def wait_until_past(self, seconds):
        """Waits until it has been played beyond this."""
        self.wait_for(lambda: self.video("currentTime") > seconds and self.video("videoWidth") > 0, f"it plays beyond {seconds} s")

    def pixel(self, selector):
        """(red, green, blue) of the middle of what is seen there."""
        picture = self.page.locator(selector).screenshot()
        return tuple(self.page.evaluate("""async (base64) => {
            const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
            const image = await createImageBitmap(new Blob([bytes]));
            const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
            canvas.drawImage(image, 0, 0);
            return [...canvas.getImageData(image.width / 2, image.height / 2, 1, 1).data].slice(0, 3);
        }""", base64.b64encode(picture).decode()))
