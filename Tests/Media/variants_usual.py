"""Kinds that have always been right, and stay so: codecs, sound, rotations, sizes and rates."""

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
    ("fragments", "mp4", H264_B, AAC, {"output": FRAGMENTS}), ("no_sound", "mp4", H264_B, AAC, {"sound": None}),
]
for name, container, picture_codec, sound_codec, more in KINDS:
    def _(m, video=picture_codec, audio=sound_codec, how=more):
        how = {"seconds": m.between(2, 4)} | how
        frames = m.encode(video=video, audio=audio, **how)
        return right(frames, how["seconds"], (0, how["seconds"]) if "sound" not in how else None)
    variant(ROOT, name, container)(_)

# What a filter does to the picture, and the degrees that ffmpeg 5.1 writes so that players turn it back.
TURNS = [("transpose=1", 90), ("transpose=2,transpose=2", 180), ("transpose=2", 270)]
for filters, degrees in TURNS:
    def _(m, graph=filters, turn=degrees):
        frames = m.encode(m.path("flat.mp4"), seconds=3, filters=graph, video=H264_B)
        ffmpeg("-i", m.made[0], "-c", "copy", "-metadata:s:v", f"rotate={turn}", m.target)
        return right(frames, 3, (0, 3), size=(320, 180))
    variant(ROOT, f"turned_{degrees}", "mp4")(_)

# Too small or too thin for marks.
for width, height in ((2, 2), (16, 1920), (1920, 16)):
    def _(m, size=(width, height)):
        ffmpeg("-f", "lavfi", "-i", f"testsrc2=size={size[0]}x{size[1]}:rate=25:d=2", *H264, m.target)
        return Expected(duration=2, combs=True)
    variant(ROOT, f"{width}x{height}", "mp4")(_)


@variant(ROOT, "anamorphic", "mp4")
def _(m):
    return right(m.encode(seconds=3, size=(240, 180), filters="setsar=4/3"), 3, (0, 3))


@variant(ROOT, "sound_only", "mp4")
def _(m):
    ffmpeg("-f", "lavfi", "-i", "sine=d=3", *AAC, m.target)
    return Expected(state="failed", reason=("no-picture", "no picture"))
