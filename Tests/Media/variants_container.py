"""Variants of the roots that are about containers: E which track, J tracks without anything, L what kind of file it is."""

import containers
import marks
from expected import Expected
from maker import AAC, FRAGMENTS, H264_B, MJPEG, MP2, MP3, MPEG2, MPEG4, OPUS, PCM, VP8, VP9, right
from registry import variant
from tools import ffmpeg

# Hertz of what is not to be heard.
WRONG = 3400


def other(m, seconds, name="other.wav"):
    path = m.path(name)
    raw = m.path("other.raw")
    raw.write_bytes(marks.other_tone(seconds, WRONG))
    ffmpeg("-f", "s16le", "-ar", marks.SAMPLE_RATE, "-ac", "1", "-i", raw, path)
    return path


def good(m, extension="mkv", **how):
    path, seconds = m.path(f"good.{extension}"), m.between(3, 5)
    return path, m.encode(path, seconds=seconds, **how), seconds


# -- E. The first of a kind is not the one --

def unknown(content, old, new, count=1):
    assert old in content
    return content.replace(old, new, count)


def two_sounds(m, codec, *disposition, **how):
    """The wrong one first."""
    path, frames, seconds = good(m, **how)
    ffmpeg("-i", path, "-i", other(m, seconds), "-map", "0:v", "-map", "1:a", "-map", "0:a", "-c:v", "copy", *codec, *disposition, m.target)
    return right(frames, seconds, (0, seconds), size=(320, 180))


@variant("E", "no_decoder", "mov")
def _(m):
    result = two_sounds(m, AAC)
    content = bytearray(m.target.read_bytes())
    at = content.find(b"mp4a", content.find(b"stsd", next(start for kind, start, _ in containers.mp4_tracks(content) if kind == b"soun")))
    content[at:at + 4] = b"apac"
    place = content.find(b"esds", at)
    content[place:place + 4] = b"free"
    m.target.write_bytes(content)
    return result


@variant("E", "commentary", "mkv")
def _(m):
    return two_sounds(m, AAC, "-disposition:a:0", "comment", "-disposition:a:1", "default")


@variant("E", "not_default", "webm")
def _(m):
    return two_sounds(m, OPUS, "-disposition:a:0", "0", "-disposition:a:1", "default", extension="webm", video=VP9, audio=OPUS)


@variant("E", "for_the_blind", "ts")
def _(m):
    return two_sounds(m, MP2, "-disposition:a:0", "visual_impaired", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=eng")


@variant("E", "no_decoder", "avi")
def _(m):
    result = two_sounds(m, MP3, video=MPEG4)
    content = m.target.read_bytes()
    at = content.find(b"strf", content.find(b"auds")) + 8
    m.target.write_bytes(content[:at] + b"\x34\x12" + content[at + 2:])
    return result


def two_pictures(m, first, codecs, *more, target=None, **how):
    """`first`: a picture that is not the one, of ffmpeg's sources."""
    path, frames, seconds = good(m, **how)
    ffmpeg("-f", "lavfi", "-i", first, "-i", path, "-map", "0:v", "-map", "1:v", "-map", "1:a", *codecs, "-c:a", "copy", *more,
           m.target if target is None else target)
    return right(frames, seconds, (0, seconds), size=(320, 180))


@variant("E", "preview", "mov")
def _(m):
    return two_pictures(m, "color=c=red:size=64x36:rate=25:d=3", ["-c:v:0", "mjpeg", "-c:v:1", "copy"], "-disposition:v:0", "default",
                        "-disposition:v:1", "default")


@variant("E", "smaller_first", "mp4")
def _(m):
    return two_pictures(m, "color=c=red:size=96x54:rate=25:d=3", ["-c:v:0", "libx264", "-pix_fmt:v:0", "yuv420p", "-c:v:1", "copy"],
                        "-disposition:v:0", "default", "-disposition:v:1", "default")


@variant("E", "cover_first", "mp4")
def _(m):
    # A cover larger than the video, as those of shops are.
    return two_pictures(m, "color=c=red:size=600x600:rate=25:d=0.04", ["-c:v:0", "mjpeg", "-c:v:1", "copy"], "-disposition:v:0",
                        "attached_pic")


@variant("E", "second_default", "mkv")
def _(m):
    return two_pictures(m, "color=c=red:size=320x180:rate=25:d=4", ["-c:v:0", "libx264", "-pix_fmt:v:0", "yuv420p", "-c:v:1", "copy"],
                        "-disposition:v:0", "0", "-disposition:v:1", "default")


@variant("E", "no_picture_decoder", "mkv")
def _(m):
    made = m.path("two.mkv")
    result = two_pictures(m, "color=c=red:size=640x360:rate=25:d=4", ["-c:v:0", "mpeg4", "-c:v:1", "copy"], target=made)
    m.target.write_bytes(unknown(made.read_bytes(), b"V_MPEG4/ISO/ASP", b"V_NEXT9/ISO/ASP"))
    return result


# -- J. Tracks that are announced and empty --

def empty_sound(m, **how):
    """The muxer is told of a sound that has no sample."""
    frames = m.encode(m.path("good.mkv"), seconds=4, sound=None, **how.pop("picture", {}))
    path = m.path("nothing.wav")
    ffmpeg("-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono", "-t", "1", path)
    ffmpeg("-i", m.made[0], "-i", path, "-map", "0:v", "-map", "1:a", "-c:v", "copy", *how["audio"], "-frames:a", "0", *how.get("output", ()),
           m.target)
    return right(frames, 4, None)


@variant("J", "sound_fragments", "mp4")
def _(m):
    return empty_sound(m, audio=AAC, output=FRAGMENTS)


@variant("J", "sound", "mkv")
def _(m):
    return empty_sound(m, audio=PCM)


@variant("J", "sound", "webm")
def _(m):
    return empty_sound(m, audio=OPUS, picture={"video": VP8})


@variant("J", "sound", "ts")
def _(m):
    return empty_sound(m, audio=MP2)


@variant("J", "sound", "avi")
def _(m):
    return empty_sound(m, audio=MP3, picture={"video": MPEG4})


@variant("J", "sound", "flv")
def _(m):
    # The header announces it, and no tag follows.
    frames = m.encode(seconds=4)
    content = bytearray(m.target.read_bytes())
    m.target.write_bytes(containers.flv(content, [tag for tag in containers.flv_tags(content) if tag[0] != containers.AUDIO]))
    return right(frames, 4, None)


def emptied(m, handler, **how):
    frames = m.encode(seconds=4, **how)
    m.target.write_bytes(containers.mp4_empty_track(m.target.read_bytes(), handler))
    return frames


@variant("J", "sound_samples", "mp4")
def _(m):
    return right(emptied(m, b"soun", video=H264_B), 4, None)


@variant("J", "sound_samples", "mov")
def _(m):
    return right(emptied(m, b"soun", video=MJPEG, audio=PCM), 4, None)


@variant("J", "picture_samples", "mp4")
def _(m):
    emptied(m, b"vide")
    return Expected(state="failed", reason=("no-picture",))


@variant("J", "first_picture", "mp4")
def _(m):
    path, frames, seconds = good(m, "mp4")
    ffmpeg("-f", "lavfi", "-i", "color=c=red:size=640x360:rate=25:d=1", "-i", path, "-map", "0:v", "-map", "1", "-c", "copy", "-c:v:0",
           "libx264", m.target)
    m.target.write_bytes(containers.mp4_empty_track(m.target.read_bytes(), b"vide"))
    return right(frames, seconds, (0, seconds), size=(320, 180))


# -- L. What kind of file it is --

def named(m, extension, change=None, **how):
    """The content of one kind under the name of another."""
    path = m.path(f"real.{extension}")
    seconds = m.between(3, 6)
    frames = m.encode(path, seconds=seconds, **how)
    content = path.read_bytes()
    m.target.write_bytes(change(content) if change else content)
    return right(frames, seconds, (0, seconds))


def box(kind, body):
    return (len(body) + 8).to_bytes(4, "big") + kind + body


@variant("L", "styp", "mp4")
def _(m):
    return named(m, "mp4", lambda content: box(b"styp", b"msdh\0\0\0\0msdhmsix") + content, output=FRAGMENTS, gop=25)


@variant("L", "uuid", "mp4")
def _(m):
    return named(m, "mp4", lambda content: box(b"uuid", bytes(range(16)) + b"a recorder's") + content, output=FRAGMENTS, video=H264_B)


@variant("L", "transport_stream", "mp4")
def _(m):
    return named(m, "ts", audio=MP2)


@variant("L", "matroska", "mp4")
def _(m):
    return named(m, "mkv")


@variant("L", "webm", "avi")
def _(m):
    return named(m, "webm", video=VP9, audio=OPUS)


@variant("L", "flash", "mp4")
def _(m):
    return named(m, "flv", audio=MP3)


@variant("L", "quicktime", "flv")
def _(m):
    return named(m, "mov", video=MJPEG, audio=PCM)


@variant("L", "camera", "mp4")
def _(m):
    return named(m, "ts", containers.m2ts)


@variant("L", "program_stream", "avi")
def _(m):
    return named(m, "mpg", video=MPEG2, audio=MP2)


@variant("L", "windows_media", "mp4")
def _(m):
    return named(m, "wmv", video=["-c:v", "wmv2", "-q:v", "3"], audio=["-c:a", "wmav2", "-b:a", "128k"])

