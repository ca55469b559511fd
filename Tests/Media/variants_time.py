"""Variants of the roots that are about time: A variable rates, B wrong lengths, D stills, F few pictures, G sound that goes on, H clocks
that jump."""

import containers
from maker import (AAC, AC3, AV1, FRAGMENTS, H264, H264_B, HEVC, MJPEG, MP2, MP3, MPEG2, MPEG4, OPUS, PCM, PRORES, VP8, VP9, moved, right)
from registry import variant
from tools import ffmpeg

# -- A. Variable frame rates --


def dropped(m, rate, seconds, keep, **how):
    frames = m.encode(rate=rate, seconds=seconds, keep=keep, **how)
    sound = (0, seconds) if how.get("sound", ()) == () else None
    # Without sound the last picture's length is all that says when it ends.
    return right(frames, seconds, sound, duration_tolerance=0.2 if sound else frames[-1][0] - frames[-2][0] + 0.1)


@variant("A", "phone", "mp4")
def _(m):
    every = m.random.choice([5, 6, 7, 9])
    return dropped(m, 30, m.between(4, 7), lambda n, t: n % every, video=H264_B)


@variant("A", "late_drops", "mov")
def _(m):
    seconds = m.between(5, 7)
    return dropped(m, 60, seconds, lambda n, t: t < seconds - 2 or n % 3 != 1)


@variant("A", "random_drops", "mkv")
def _(m):
    gone = {n for n in range(1, 24 * 4) if m.random.random() < 0.3}
    return dropped(m, 24, m.between(6, 8), lambda n, t: n not in gone, audio=OPUS)


@variant("A", "third", "webm")
def _(m):
    return dropped(m, 30, m.between(4, 6), lambda n, t: n % 3, video=VP9, audio=OPUS)


@variant("A", "dark", "mp4")
def _(m):
    middle = m.between(3, 5)
    return dropped(m, 30, middle + m.between(6, 9), lambda n, t: t < middle or n % 2 == 0, video=HEVC)


@variant("A", "slow_middle", "mp4")
def _(m):
    start = m.between(1, 3)
    return dropped(m, 30, 8, lambda n, t: not start < t < start + 3 or n % 3 == 0, output=FRAGMENTS, gop=30)


@variant("A", "milliseconds", "flv")
def _(m):
    gone = {n for n in range(1, 250) if m.random.random() < 0.25}
    return dropped(m, 24000 / 1001, m.between(5, 7), lambda n, t: n not in gone, audio=MP3)


@variant("A", "ends_early", "mp4")
def _(m):
    seconds, left = m.between(5, 6), m.between(0.2, 0.4)
    return dropped(m, 50, seconds, lambda n, t: t < seconds - left and n % 4, gop=250, video=H264_B, size=(640, 360))


@variant("A", "fourth", "ts")
def _(m):
    return dropped(m, 25, m.between(4, 6), lambda n, t: n % 4 != 3, audio=MP2)


@variant("A", "slow_tail", "mov")
def _(m):
    seconds = m.between(6, 8)
    return dropped(m, 15, seconds, lambda n, t: t < seconds - 2 or n % 6 == 0, video=MJPEG, audio=PCM, sound=None)


# -- B. Wrong lengths, clocks that do not begin at 0 --

def plain(m, name=None, seconds=None, **how):
    """(frames, seconds, path) of a usual file; `name`: beside the target, else the target."""
    seconds = seconds or m.between(4, 7)
    path = m.path(name) if name else m.target
    return m.encode(path, seconds=seconds, **how), seconds, path


@variant("B", "hours_in", "flv")
def _(m):
    frames, seconds, path = plain(m, "a.flv", rate=30)
    m.target.write_bytes(containers.flv_shift(path.read_bytes(), m.random.randint(600, 20_000) * 1000))
    return right(frames, seconds, (0, seconds))


@variant("B", "says_more", "flv")
def _(m):
    frames, seconds, path = plain(m, "a.flv", audio=MP3)
    m.target.write_bytes(containers.flv_says(path.read_bytes(), seconds * m.random.randint(3, 900)))
    return right(frames, seconds, (0, seconds))


@variant("B", "says_less", "mkv")
def _(m):
    frames, seconds, path = plain(m, "a.mkv", video=VP8, audio=OPUS)
    m.target.write_bytes(containers.mkv_says(path.read_bytes(), m.between(0.5, 2)))
    return right(frames, seconds, (0, seconds))


@variant("B", "says_hours", "webm")
def _(m):
    frames, seconds, path = plain(m, "a.webm", video=VP9, audio=OPUS)
    m.target.write_bytes(containers.mkv_says(path.read_bytes(), m.random.randint(1000, 40_000)))
    return right(frames, seconds, (0, seconds))


@variant("B", "multiplied", "avi")
def _(m):
    frames, seconds, path = plain(m, "a.avi", video=MPEG4, audio=MP3)
    m.target.write_bytes(containers.avi_multiply_lengths(path.read_bytes(), m.random.choice([0.5, 3, 10])))
    return right(frames, seconds, (0, seconds))


@variant("B", "no_index", "avi")
def _(m):
    frames, seconds, path = plain(m, "a.avi", video=MPEG4, audio=PCM)
    m.target.write_bytes(containers.avi_without_index(path.read_bytes()))
    return right(frames, seconds, (0, seconds))


@variant("B", "headers_multiplied", "mp4")
def _(m):
    frames, seconds, path = plain(m, "a.mp4", video=H264_B)
    m.target.write_bytes(containers.mp4_multiply_lengths(path.read_bytes(), m.random.choice([3, 60])))
    return right(frames, seconds, (0, seconds))


@variant("B", "edits_cut", "mov")
def _(m):
    frames, _, path = plain(m, "a.mov", seconds=6)
    shown = m.between(2, 4)
    m.target.write_bytes(containers.mp4_edit_list(path.read_bytes(), round(shown * 1000)))
    return right([frame for frame in frames if frame[0] < shown], shown, (0, shown))


@variant("B", "sound_late", "mp4")
def _(m):
    late = m.between(1, 2.5)
    picture, sound = m.path("a.mp4"), m.path("b.mp4")
    frames = m.encode(picture, seconds=7, sound=None, video=H264_B)
    m.encode(sound, seconds=7 - late, sound=(late, 7))
    ffmpeg("-i", picture, "-itsoffset", late, "-i", sound, "-map", "0:v", "-map", "1:a", "-c", "copy", m.target)
    return right(frames, 7, [(late, 7, late)])


@variant("B", "day_in", "ts")
def _(m):
    start = m.random.randint(3600, 80_000)
    frames, seconds, _ = plain(m, rate=50, video=H264, audio=AC3, output=["-output_ts_offset", str(start)])
    return right(frames, seconds, (0, seconds))


# -- D. Long stills --

def still(m, rate, seconds, gaps, **how):
    frames = m.encode(rate=rate, seconds=seconds, keep=lambda n, t: not any(start < t < end for start, end in gaps), **how)
    sound = (0, seconds) if how.get("sound", ()) == () else None
    return right(frames, seconds, sound)


@variant("D", "middle", "mkv")
def _(m):
    start, length = m.between(1, 3), m.between(4, 9)
    return still(m, 25, start + length + 2, [(start, start + length)], sound=None, gop=250)


@variant("D", "slides", "mp4")
def _(m):
    every = m.random.choice([3, 4, 5])
    frames = m.encode(rate=10, seconds=every * 5, keep=lambda n, t: n % (10 * every) == 0, gop=250, size=(640, 360))
    return right(frames, every * 5, (0, every * 5))


@variant("D", "end", "mov")
def _(m):
    start = m.between(1, 3)
    return still(m, 30, 14, [(start, 15)], video=H264_B)


@variant("D", "beginning", "mp4")
def _(m):
    return still(m, 30, 12, [(0, m.between(6, 9))], video=HEVC, gop=300)


@variant("D", "twice", "webm")
def _(m):
    return still(m, 25, 16, [(1, m.between(4, 6)), (8, m.between(12, 14))], video=VP9, audio=OPUS)


@variant("D", "calls", "flv")
def _(m):
    return still(m, 15, 12, [(2, 2 + m.between(2, 4)), (7, 7 + m.between(2, 4))])


@variant("D", "one_a_second", "mp4")
def _(m):
    frames = m.encode(rate=1, seconds=15, video=H264_B)
    return right(frames, 15, (0, 15))


@variant("D", "fragments", "mp4")
def _(m):
    start = m.between(2, 4)
    return still(m, 25, start + 12, [(start, start + 10)], output=FRAGMENTS, gop=999)


@variant("D", "empty_chunks", "avi")
def _(m):
    return still(m, 25, 12, [(m.between(2, 3), m.between(7, 10))], video=MPEG4, audio=MP3, sound=())


@variant("D", "cctv", "ts")
def _(m):
    every = m.random.choice([10, 20, 30])
    frames = m.encode(rate=10, seconds=18, keep=lambda n, t: n % every == 0, sound=None)
    return right(frames, frames[-1][0] + every / 10, None, duration_tolerance=every / 10 + 0.2)


# -- F. Few pictures, few key frames --

def one_picture(m, seconds, **how):
    frames = m.encode(rate=25, seconds=how.pop("pictures", 0.04), sound=(0, seconds), **how)
    return right(frames, seconds, (0, seconds))


@variant("F", "one_h264", "mkv")
def _(m):
    return one_picture(m, m.between(8, 14), audio=AAC)


@variant("F", "one_jpeg", "mov")
def _(m):
    return one_picture(m, m.between(8, 14), video=MJPEG, audio=PCM)


@variant("F", "one_flv", "flv")
def _(m):
    return one_picture(m, m.between(8, 14), audio=MP3)


@variant("F", "ten_pictures", "ts")
def _(m):
    return one_picture(m, m.between(8, 12), pictures=0.4, audio=MP2)


@variant("F", "one_key", "mp4")
def _(m):
    frames = m.encode(rate=5, seconds=60, gop=9999, video=H264 + ["-sc_threshold", "0"])
    return right(frames, 60, (0, 60))


@variant("F", "one_key", "webm")
def _(m):
    frames = m.encode(rate=8, seconds=40, gop=9999, video=VP8, audio=OPUS)
    return right(frames, 40, (0, 40))


@variant("F", "one_key", "avi")
def _(m):
    frames = m.encode(rate=12, seconds=30, gop=600, video=MPEG4, audio=MP3)
    return right(frames, 30, (0, 30))


@variant("F", "two_pictures", "mp4")
def _(m):
    return right(m.encode(rate=25, seconds=0.08, sound=None), 0.08)


@variant("F", "one_silent", "mov")
def _(m):
    return right(m.encode(rate=25, seconds=0.04, sound=None, video=PRORES), 0.04)


@variant("F", "late_one", "mp4")
def _(m):
    late = m.between(3, 6)
    picture, sound = m.path("a.mp4"), m.path("b.mp4")
    frames = m.encode(picture, seconds=0.2, sound=None, start=late)
    m.encode(sound, seconds=0.04, sound=(0, 10))
    ffmpeg("-itsoffset", late, "-i", picture, "-i", sound, "-map", "0:v", "-map", "1:a", "-c", "copy", m.target)
    return right(moved(frames, late), 10, (0, 10), blurred=[(0, late)])


# -- G. Sound that outlasts the picture, and the other way round --

def longer_sound(m, pictures, sound, **how):
    frames = m.encode(seconds=pictures, sound=(0, sound), **how)
    return right(frames, max(pictures, sound), (0, sound))


LONGER = [("mp4", H264_B, AAC, []), ("mp4", HEVC, AAC, FRAGMENTS), ("mov", MJPEG, PCM, []), ("mkv", VP8, OPUS, []), ("webm", VP9, OPUS, []),
          ("flv", H264, MP3, []), ("avi", MPEG4, MP3, []), ("ts", MPEG2, MP2, [])]
for container, picture_codec, sound_codec, more in LONGER:
    def _(m, video=picture_codec, audio=sound_codec, output=more):
        pictures = m.between(2, 6)
        return longer_sound(m, pictures, pictures + m.between(2, 8), rate=m.random.choice([24, 25, 30]), video=video, audio=audio,
                            output=output)
    variant("G", f"{picture_codec[1].replace('lib', '')}_{'fragments' if more else 'whole'}", container)(_)


@variant("G", "sound_ends", "mp4")
def _(m):
    return longer_sound(m, m.between(7, 9), m.between(2, 4), video=H264_B)


@variant("G", "sound_ends", "mkv")
def _(m):
    return longer_sound(m, m.between(7, 9), m.between(2, 4), video=AV1, audio=OPUS)


# -- H. Clocks that start again or jump --

def halves(m, extension, **how):
    """Two recordings of one source, one after the other: (frames of both, seconds of each, paths)."""
    first, second = m.path(f"a.{extension}"), m.path(f"b.{extension}")
    lengths = m.random.choice([2, 3, 4]), m.random.choice([2, 3])
    frames = m.encode(first, seconds=lengths[0], **how)
    frames += moved(m.encode(second, seconds=lengths[1], start=lengths[0], sound=(lengths[0], sum(lengths)), **how), lengths[0])
    return frames, lengths, (first, second)


def joined(frames, lengths):
    # At a seam a frame of sound is too much or too little.
    return right(frames, sum(lengths), (0, sum(lengths)), blurred=[(lengths[0] - 0.15, lengths[0] + 0.15)], duration_tolerance=0.3,
                 tolerance=0.15)


@variant("H", "restart", "ts")
def _(m):
    frames, lengths, paths = halves(m, "ts", audio=MP2)
    m.target.write_bytes(b"".join(path.read_bytes() for path in paths))
    return joined(frames, lengths)


@variant("H", "hour_on", "ts")
def _(m):
    frames, lengths, (first, second) = halves(m, "ts")
    later = m.path("c.ts")
    m.remux(second, "-output_ts_offset", str(m.random.randint(3000, 9000)), target=later)
    m.target.write_bytes(first.read_bytes() + later.read_bytes())
    return joined(frames, lengths)


def flv_halves(m, change, **how):
    frames, lengths, (first, second) = halves(m, "flv", **how)
    content = first.read_bytes()
    tags = [tag for tag in containers.flv_tags(content) if tag[0] != containers.SCRIPT]
    tags += [containers.flv_at(tag, change(containers.flv_time(tag), lengths[0] * 1000))
             for tag in containers.flv_tags(second.read_bytes()) if tag[0] != containers.SCRIPT]
    m.target.write_bytes(containers.flv(content, tags))
    return joined(frames, lengths)


@variant("H", "restart", "flv")
def _(m):
    return flv_halves(m, lambda time, before: time)


@variant("H", "hour_on", "flv")
def _(m):
    hours = m.random.randint(1, 5)
    return flv_halves(m, lambda time, before: time + before + hours * 3_600_000, audio=MP3)


@variant("H", "back_from_hours", "flv")
def _(m):
    frames, lengths, (first, second) = halves(m, "flv")
    tags = [containers.flv_at(tag, containers.flv_time(tag) + 7_200_000)
            for tag in containers.flv_tags(first.read_bytes()) if tag[0] != containers.SCRIPT]
    tags += [tag for tag in containers.flv_tags(second.read_bytes()) if tag[0] != containers.SCRIPT]
    m.target.write_bytes(containers.flv(first.read_bytes(), tags))
    return joined(frames, lengths)


def jump(m, source):
    """Every stream's clock goes on an hour further, from a time on."""
    at, hours = m.random.choice([2, 3]), m.random.randint(1, 3)
    expression = f"if(gte(PTS*TB,{at}),PTS+{hours}*3600/TB,PTS)", f"if(gte(PTS*TB,{at}),DTS+{hours}*3600/TB,DTS)"
    setting = f"setts=pts='{expression[0]}':dts='{expression[1]}'"
    m.remux(source, "-bsf:v", setting, "-bsf:a", setting)
    return at


@variant("H", "hour_on", "mkv")
def _(m):
    frames, seconds, path = plain(m, "a.mkv", seconds=6, audio=OPUS)
    at = jump(m, path)
    return right(frames, seconds, (0, seconds), blurred=[(at - 0.15, at + 0.15)], duration_tolerance=0.3, tolerance=0.15)


@variant("H", "hour_on", "mp4")
def _(m):
    frames, seconds, path = plain(m, "a.mp4", seconds=6)
    at = jump(m, path)
    return right(frames, seconds, (0, seconds), blurred=[(at - 0.15, at + 0.15)], duration_tolerance=0.3, tolerance=0.15)


@variant("H", "fragments_restart", "mp4")
def _(m):
    frames, lengths, (first, second) = halves(m, "mp4", output=FRAGMENTS, gop=25)
    m.target.write_bytes(first.read_bytes() + b"".join(containers.mp4_fragments(second.read_bytes())[1]))
    return joined(frames, lengths)


@variant("H", "wraps", "ts")
def _(m):
    # 33 bits of 90 kHz.
    frames, seconds, path = plain(m, "a.ts", seconds=6, rate=30)
    m.remux(path, "-output_ts_offset", f"{2 ** 33 / 90_000 - m.between(1, 4):.3f}")
    return right(frames, seconds, (0, seconds), tolerance=0.15)


@variant("H", "three_restarts", "ts")
def _(m):
    parts, frames = [], []
    for number in range(4):
        part = m.path(f"{number}.ts")
        frames += moved(m.encode(part, seconds=2, start=2 * number, video=MPEG2, audio=MP2), 2 * number)
        parts.append(part.read_bytes())
    m.target.write_bytes(b"".join(parts))
    return right(frames, 8, (0, 8), blurred=[(at - 0.2, at + 0.2) for at in (2, 4, 6)], duration_tolerance=0.4, tolerance=0.2)
