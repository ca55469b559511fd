"""Kinds that have always been right, and stay so: codecs, sound, rotations, sizes and rates."""

import struct

from containers import mp4_edit
from expected import Expected
from maker import AAC, AC3, AV1, FRAGMENTS, H264, H264_B, HEVC, MJPEG, MP2, MP3, MPEG2, MPEG4, OPUS, PCM, PRORES, VP8, VP9, right
from registry import variant
from tools import ffmpeg

ROOT = "usual"


def profile(name, pixels="yuv420p"):
    return ["-c:v", "libx264", "-preset", "fast", "-profile:v", name, "-pix_fmt", pixels]


# Name, container, codec of the picture, of the sound, what else is different.
KINDS = [
    ("baseline", "mp4", profile("baseline"), AAC, {}), ("main", "mp4", profile("main"), AAC, {}), ("high", "mov", profile("high"), AAC, {}),
    ("high422", "mov", profile("high422", "yuv422p10le"), AAC, {}), ("high444", "mp4", profile("high444", "yuv444p"), AAC, {}),
    ("high10", "mkv", profile("high10", "yuv420p10le"), AAC, {}),
    ("full_range", "mp4", [*H264[:-1], "yuvj420p"], AAC, {}), ("hevc", "mov", HEVC, AAC, {}), ("vp8", "webm", VP8, OPUS, {}),
    ("vp9", "webm", VP9, OPUS, {}), ("av1", "mkv", AV1, OPUS, {}), ("prores", "mov", PRORES, PCM, {}),
    ("dnxhr", "mov", ["-c:v", "dnxhd", "-profile:v", "dnxhr_sq", "-pix_fmt", "yuv422p"], PCM, {}),
    ("mpeg1", "mpg", ["-c:v", "mpeg1video", "-q:v", "3"], MP2, {}), ("mpeg2", "vob", MPEG2, AC3, {}),
    ("divx", "avi", [*MPEG4, "-tag:v", "DX50"], MP3, {}),
    ("divx3", "avi", ["-c:v", "msmpeg4", "-q:v", "3"], MP3, {}), ("windows", "avi", ["-c:v", "wmv2", "-q:v", "3"], ["-c:a", "wmav2"], {}),
    ("sorenson", "flv", ["-c:v", "flv1", "-q:v", "3"], [*MP3, "-ar", "44100"], {}),
    ("cinepak", "avi", ["-c:v", "cinepak"], PCM, {"size": (160, 96), "seconds": 2}), ("mjpeg", "avi", MJPEG, PCM, {}),
    ("raw", "avi", ["-c:v", "rawvideo", "-pix_fmt", "yuv420p"], PCM, {"size": (160, 90), "seconds": 2}),
    ("seven_one", "mp4", H264, [*AAC[:2], "-ac", "8"], {}), ("eight_thousand", "mp4", H264, [*AAC[:2], "-ar", "8000"], {}),
    ("ninety_six", "mkv", H264, [*AAC[:2], "-ar", "96000"], {}), ("flac", "mkv", H264, ["-c:a", "flac"], {}),
    ("alac", "mov", H264, ["-c:a", "alac"], {}), ("adpcm", "avi", MPEG4, ["-c:a", "adpcm_ima_wav"], {}), ("ac3", "mp4", H264_B, AC3, {}),
    ("film", "mp4", H264_B, AAC, {"rate": 24000 / 1001}), ("slow_motion", "mp4", H264, AAC, {"rate": 240, "seconds": 2}),
    ("short", "mp4", H264, AAC, {"seconds": 0.2}), ("large", "mp4", H264, AAC, {"size": (1920, 1080), "seconds": 2}),
    ("odd", "mov", [*H264[:-1], "yuv444p"], AAC, {"size": (321, 181)}), ("upright", "mp4", H264, AAC, {"size": (180, 320)}),
    ("fragments", "mp4", H264_B, AAC, {"output": FRAGMENTS}),
    ("dash", "mp4", H264, AAC, {"output": ["-movflags", "dash+global_sidx+frag_keyframe+empty_moov"], "gop": 25}),
    ("no_sound", "mp4", H264_B, AAC, {"sound": None}),
]
for name, container, picture_codec, sound_codec, more in KINDS:
    def _(m, video=picture_codec, audio=sound_codec, how=more):
        how = {"seconds": m.between(2, 4)} | how
        frames = m.encode(video=video, audio=audio, **how)
        return right(frames, how["seconds"], (0, how["seconds"]) if "sound" not in how else None)
    variant(ROOT, name, container)(_)

# How the picture is stored, and the matrix (a, b, c, d of ISO/IEC 14496-12, 8.3.2) by which players turn and mirror it back.
TURNS = [
    ("turned_90", "transpose=cclock", (0, 1, -1, 0)), ("turned_180", "hflip,vflip", (-1, 0, 0, -1)),
    ("turned_270", "transpose=clock", (0, -1, 1, 0)), ("mirrored", "hflip", (-1, 0, 0, 1)), ("upside_down", "vflip", (1, 0, 0, -1)),
    ("mirrored_90", "transpose=cclock_flip", (0, 1, 1, 0)), ("mirrored_270", "transpose=clock_flip", (0, -1, -1, 0)),
]
for name, filters, matrix in TURNS:
    def _(m, graph=filters, turn=matrix):
        frames = m.encode(seconds=3, filters=graph, video=H264_B)
        a, b, c, d = turn

        def change(body):
            width, height = struct.unpack(">II", body[76:84])
            if height > 0:  # The sound's has no size.
                # Where the turned picture would lie left of, or above, the origin it is moved back.
                move = (width if a + c < 0 else 0, height if b + d < 0 else 0) if a else (height if c < 0 else 0, width if b < 0 else 0)
                body[40:76] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, *move, 1 << 30)

        m.target.write_bytes(mp4_edit(m.target.read_bytes(), b"tkhd", change))
        return right(frames, 3, (0, 3), size=(320, 180))
    variant(ROOT, name, "mp4")(_)

# Too small or too thin for marks.
for width, height in ((2, 2), (16, 1920), (1920, 16)):
    def _(m, size=(width, height)):
        ffmpeg("-f", "lavfi", "-i", f"testsrc2=size={size[0]}x{size[1]}:rate=25:d=2", *H264, m.target)
        return Expected(duration=2, combs=True)
    variant(ROOT, f"{width}x{height}", "mp4")(_)


@variant(ROOT, "1x1", "mkv")
def _(m):
    ffmpeg("-f", "lavfi", "-i", "color=red:size=2x2:rate=25:d=2,format=bgr0,crop=1:1", "-c:v", "ffv1", "-pix_fmt", "bgr0", m.target)
    return Expected(duration=2, combs=True)


@variant(ROOT, "amr", "3gp")
def _(m):
    """No encoder is at hand: frames of 12.2 kbit/s as RFC 4867 has them, of noise."""
    speech = m.path("speech.amr")
    speech.write_bytes(b"#!AMR\n" + b"".join(b"\x3c" + m.random.randbytes(31) for _ in range(150)))
    silent = m.path("silent.mp4")
    frames = m.encode(silent, seconds=3, sound=None)
    ffmpeg("-i", silent, "-i", speech, "-c", "copy", m.target)
    return right(frames, 3, has_sound=True)


@variant(ROOT, "4096x2304", "mp4")
def _(m):
    return right(m.encode(seconds=1, size=(4096, 2304)), 1, (0, 1))


@variant(ROOT, "negative_times", "ts")
def _(m):
    from_zero = m.path("from0.mp4")
    frames = m.encode(from_zero, seconds=4, video=H264_B)
    m.remux(from_zero, "-muxdelay", 0, "-output_ts_offset", -2, "-avoid_negative_ts", "disabled")
    return right(frames, 4, (0, 4))


@variant(ROOT, "long_texts", "mp4")
def _(m):
    """300 KB of comments in front of everything else."""
    texts = m.path("texts")
    short = m.path("short.mp4")
    frames = m.encode(short, seconds=3)
    texts.write_text(";FFMETADATA1\ncomment=" + "All of it is text. " * 16_000 + "\n")
    ffmpeg("-i", short, "-f", "ffmetadata", "-i", texts, "-map_metadata", 1, "-c", "copy", "-movflags", "faststart", m.target)
    return right(frames, 3, (0, 3))


@variant(ROOT, "anamorphic", "mp4")
def _(m):
    return right(m.encode(seconds=3, size=(240, 180), filters="setsar=4/3"), 3, (0, 3))


@variant(ROOT, "sound_only", "mp4")
def _(m):
    ffmpeg("-f", "lavfi", "-i", "sine=d=3", *AAC, m.target)
    return Expected(state="failed", reason=("no-picture", "no picture"))
