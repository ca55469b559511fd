"""Makes one source file with marks, and says what is right for it."""

import random
from pathlib import Path

import marks
from expected import Expected
from tools import ffmpeg

H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
# With pictures that are stored in another order than shown.
H264_B = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-pix_fmt", "yuv420p"]
HEVC = ["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-x265-params", "log-level=none", "-tag:v", "hvc1"]
VP8 = ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M"]
VP9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M"]
AV1 = ["-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "lookahead=0"]
MPEG2 = ["-c:v", "mpeg2video", "-q:v", "3"]
MPEG4 = ["-c:v", "mpeg4", "-q:v", "3"]
MJPEG = ["-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p"]
PRORES = ["-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"]
AAC = ["-c:a", "aac", "-b:a", "96k"]
MP3 = ["-c:a", "libmp3lame", "-b:a", "128k"]
MP2 = ["-c:a", "mp2", "-b:a", "128k"]
AC3 = ["-c:a", "ac3", "-b:a", "128k"]
OPUS = ["-c:a", "libopus", "-b:a", "96k"]
PCM = ["-c:a", "pcm_s16le"]
FRAGMENTS = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"]


class Maker:
    """`target` is the file to make; what is made in between lies beside it and goes. Numbers follow from the seed and the name."""

    def __init__(self, directory, seed, name, extension):
        self.random = random.Random(f"{seed}/{name}")
        self.target = Path(directory) / f"{name}.{extension}"
        self.made = []

    def path(self, name):
        path = self.target.parent / f"{self.target.stem}.part.{name}"
        self.made.append(path)
        return path

    def close(self):
        for path in self.made:
            path.unlink(missing_ok=True)

    def between(self, least, most):
        """Seconds, by tenths."""
        return self.random.randint(round(least * 10), round(most * 10)) / 10

    def encode(self, target=None, *, rate=25, seconds=6.0, keep=None, start=0.0, size=(320, 180), video=H264, audio=AAC,
               sound=(), filters="", options=(), output=(), gop=None):
        """
        Pictures at `rate` for `seconds`, of the source from `start` on, those for which `keep(number, seconds)` is true. `sound`:
        nothing for that of the same seconds, None for none, a pair for from and to, or samples. `options` stand before the inputs,
        `output` before the file. Returns [(seconds, time in the source in hundredths)] of the pictures that are kept.
        """
        total = round(seconds * rate)
        kept = [number for number in range(total) if keep is None or keep(number, number / rate)]
        pictures = b"".join(marks.picture(start + number / rate, number) for number in range(total))
        graph = []
        if keep is not None:
            graph.append(f"select='{runs(kept)}'")
        graph.append(f"scale={size[0]}:{size[1]}:flags=neighbor:out_color_matrix=bt709,setsar=1")
        if filters:
            graph.append(filters)
        inputs = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{marks.COLUMNS}x{marks.ROWS}", "-r", rate, "-i", "pipe:0"]
        maps = ["-map", "0:v"]
        if sound is not None:
            if sound == ():
                sound = (start, start + seconds)
            samples = self.path("sound")
            samples.write_bytes(marks.tone(*sound) if isinstance(sound, tuple) else sound)
            inputs += ["-f", "s16le", "-ar", marks.SAMPLE_RATE, "-ac", "1", "-i", samples]
            maps += ["-map", "1:a", *audio]
        ffmpeg(*options, *inputs, *maps, "-vf", ",".join(graph), "-fps_mode", "vfr" if keep is not None else "passthrough",
               *video, *(["-g", gop] if gop else []), *output, self.target if target is None else target, content=pictures)
        return [(number / rate, round((start + number / rate) * 100)) for number in kept]

    def remux(self, source, *output, target=None, options=()):
        ffmpeg(*options, "-i", source, "-map", "0", "-c", "copy", *output, self.target if target is None else target)


def runs(numbers):
    """An expression of ffmpeg's that is true for these numbers of pictures."""
    spans = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    terms = [f"between(n,{first},{last})" if last > first else f"eq(n,{first})" for first, last in spans]
    # The expression is parsed to a depth of what it has in one row.
    groups = ["+".join(terms[at:at + 40]) for at in range(0, len(terms), 40)]
    return "+".join(f"({group})" for group in groups)


def right(frames, duration, sound=None, **more):
    """`sound`: a pair for all of it from 0 on, or the pieces of Expected.sound."""
    if isinstance(sound, tuple):
        sound = [(0, sound[1] - sound[0], sound[0])]
    return Expected(duration=duration, frames=frames, sound=sound, **{"has_sound": bool(sound)} | more)


def moved(frames, seconds):
    return [(moment + seconds, code) for moment, code in frames]
