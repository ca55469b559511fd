"""What is made of odd files plays to its end: the stream and the file, side by side on two play pages."""

import random
import sys
import unittest

import configuration
from play_page import PlayPage, TranscodingCase
from server import wait_until

sys.path.append(str(configuration.REPOSITORY / "Tests/Media"))

import registry  # noqa: E402
import variants_container  # noqa: E402, F401: registers its variants
import variants_content  # noqa: E402, F401
import variants_time  # noqa: E402, F401
import variants_usual  # noqa: E402, F401
from maker import Maker  # noqa: E402

# One of each root at least, see Tests/media --list, and ordinary ones.
FILES = [
    "A_phone_mp4", "A_slow_tail_mov", "B_hours_in_flv", "C_size_flv", "D_end_mov", "D_twice_webm", "E_no_decoder_mov", "F_one_h264_mkv",
    "G_x264_whole_mp4", "H_restart_ts", "I_pq_hevc_mp4", "J_sound_fragments_mp4", "K_mpeg2_ts", "L_transport_stream_mp4",
    "usual_hevc_mov", "usual_vp9_webm", "usual_sorenson_flv", "usual_film_mp4", "usual_turned_90_mp4", "usual_no_sound_mp4",
]
# Seconds.
LONGEST_PICTURE = 0.5
TOLERANCE = 0.2
ATTEMPTS = 3

# Notes each picture that is shown, and whether there has ever been a gap in what is there.
WATCH = """() => {
    const video = document.querySelector('#video');
    window.watched = { times: [], ranges: 0, ended: null };
    const note = (_, picture) => {
        watched.times.push(picture.mediaTime);
        video.requestVideoFrameCallback(note);
    };
    video.requestVideoFrameCallback(note);
    const look = () => { watched.ranges = Math.max(watched.ranges, video.buffered.length); };
    video.addEventListener('timeupdate', look);
    video.addEventListener('progress', look);
    video.addEventListener('ended', () => {
        look();
        const { buffered, currentTime, duration } = video;
        const range = buffered.length ? [buffered.start(0), buffered.end(buffered.length - 1)] : null;
        watched.ended = { currentTime, duration, range };
    });
}"""


class OddFileTests(TranscodingCase):
    environment = {"VIDEO_INTAKE_EXTENSIONS": "3gp,avi,flv,m2ts,m4v,mkv,mov,mp4,mpeg,mpg,mts,ts,vob,webm"}

    def test_odd_files_play_to_their_end(self):
        seed = random.SystemRandom().randrange(10 ** 6)
        variants = {one.name: one for one in registry.ALL}
        expected, numbers = {}, {}
        for name in FILES:
            maker = Maker(self.directory, seed, name, variants[name].extension)
            expected[name] = variants[name].make(maker)
            maker.close()
            numbers[name] = self.server.upload(maker.target)
        for name in FILES:
            with self.subTest(name, seed=seed):
                video = self.server.wait_for_state(numbers[name], "ready", "failed")
                self.assertEqual(video["state"], "ready")
                self.assert_plays(numbers[name], expected[name])

    def assert_plays(self, number, expected):
        without_hls = "HTMLMediaElement.prototype.canPlayType = () => '';"
        pages = {"master.m3u8": PlayPage(self, number), "video.mp4": PlayPage(self, number, init=without_hls)}
        for source, play in pages.items():
            play.wait_for_source(source)
            play.page.evaluate(WATCH)
            play.play()
        for source, play in pages.items():
            self.assert_ends(source, play, expected)
            play.page.context.close()

    def assert_ends(self, source, play, expected):
        # A busy machine leaves pictures out, each time other ones: a gap is the file's if it is there each time.
        pictures = set()
        for attempt in range(ATTEMPTS):
            if attempt > 0:
                play.page.evaluate(WATCH)
                play.page.evaluate("() => { const video = document.querySelector('#video'); video.currentTime = 0; video.play(); }")
            ended = wait_until(
                lambda: play.page.wait_for_timeout(100) or play.page.evaluate("() => watched.ended"), expected.duration + 30,
                f"{source} has ended")
            times = play.page.evaluate("() => watched.times")
            what = f"{source}: {ended}, {times}"
            self.assertEqual(play.source(), source)
            self.assertEqual(play.page.evaluate("() => watched.ranges"), 1, what)
            tolerance = max(TOLERANCE, expected.duration_tolerance)
            for moment in ended["currentTime"], ended["duration"], ended["range"][1]:
                self.assertAlmostEqual(moment, expected.duration, delta=tolerance, msg=what)
            self.assertLess(ended["range"][0], TOLERANCE, what)
            self.assertEqual(times, sorted(times), what)
            pictures.update(times)
            moments = [0, *sorted(pictures), ended["currentTime"]]
            longest = max(later - earlier for earlier, later in zip(moments, moments[1:]))
            if longest <= LONGEST_PICTURE + 0.02:
                return
        self.fail(f"{longest} s without a picture in {ATTEMPTS} times, {what}")


if __name__ == "__main__":
    unittest.main()
