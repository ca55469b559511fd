"""Variants of the roots that are about content: C packets that do not decode, I HDR, K interlaced pictures."""

import containers
from maker import (AAC, AC3, FRAGMENTS, H264, H264_B, HEVC, MJPEG, MP2, MP3, MPEG2, MPEG4, OPUS, PCM, PRORES, moved, right)
from registry import variant
from tools import ffmpeg

# -- C. What changes in the middle, what is damaged --


def changed(m, extension, first, second, lengths=(3, 3), **how):
    """Two parts of one recording that differ in something: (frames, paths)."""
    paths = m.path(f"a.{extension}"), m.path(f"b.{extension}")
    frames = m.encode(paths[0], seconds=lengths[0], **(how | first))
    frames += moved(m.encode(paths[1], seconds=lengths[1], start=lengths[0], sound=(lengths[0], sum(lengths)), **(how | second)), lengths[0])
    return frames, paths


def after(frames, lengths=(3, 3)):
    return right(frames, sum(lengths), (0, sum(lengths)), blurred=[(lengths[0] - 0.15, lengths[0] + 0.15)], duration_tolerance=0.3,
                 tolerance=0.15)


def flv_after(m, paths, seconds):
    content = paths[0].read_bytes()
    tags = [tag for tag in containers.flv_tags(content) if tag[0] != containers.SCRIPT]
    tags += [containers.flv_at(tag, containers.flv_time(tag) + seconds * 1000)
             for tag in containers.flv_tags(paths[1].read_bytes()) if tag[0] != containers.SCRIPT]
    m.target.write_bytes(containers.flv(content, tags))


def ts_after(m, paths, seconds):
    later = m.path("later.ts")
    ffmpeg("-i", paths[1], "-map", "0", "-c", "copy", "-output_ts_offset", seconds, later)
    m.target.write_bytes(paths[0].read_bytes() + later.read_bytes())


SMALL, LARGE = {"size": (320, 180)}, {"size": (640, 360)}


@variant("C", "size", "flv")
def _(m):
    frames, paths = changed(m, "flv", LARGE, SMALL)
    flv_after(m, paths, 3)
    return after(frames)


@variant("C", "size", "ts")
def _(m):
    frames, paths = changed(m, "ts", SMALL, LARGE, audio=MP2)
    ts_after(m, paths, 3)
    return after(frames)


@variant("C", "size_in_band", "mp4")
def _(m):
    # Both descriptions are in the packets; the file's own is that of the first.
    frames, parts = [], []
    for number, size in enumerate(((320, 180), (480, 270))):
        part = m.path(f"{number}.h264")
        frames += moved(m.encode(part, seconds=3, start=3 * number, sound=None, size=size, gop=25), 3 * number)
        parts.append(part.read_bytes())
    whole = m.path("whole.h264")
    whole.write_bytes(b"".join(parts))
    ffmpeg("-r", "25", "-i", whole, "-c", "copy", m.target)
    return right(frames, 6, None, blurred=[(2.85, 3.15)])


@variant("C", "sound_rate", "ts")
def _(m):
    frames, paths = changed(m, "ts", {"audio": AAC}, {"audio": [*AAC, "-ar", "44100"]})
    ts_after(m, paths, 3)
    return after(frames)


@variant("C", "sound_channels", "flv")
def _(m):
    frames, paths = changed(m, "flv", {"audio": AAC}, {"audio": [*AAC, "-ac", "2"]})
    flv_after(m, paths, 3)
    return after(frames)


def damaged(m, extension, start, length, kind="v:0", every=2, **how):
    """What follows up to the next key frame cannot be right, and a decoder may notice late."""
    frames = m.encode(seconds=6, gop=25, size=(640, 360), filters="noise=alls=12:allf=t", **how)
    containers.damage(m.target, m.random, start, start + length, kind, every=every)
    return right(frames, 6, (0, 6), blurred=[(start - 0.3, start + length + 1.3)], notes=("damaged",))


@variant("C", "noise_middle", "mp4")
def _(m):
    return damaged(m, "mp4", m.between(2, 3), 0.5, video=H264_B)


@variant("C", "noise_early", "flv")
def _(m):
    return damaged(m, "flv", m.between(0.2, 0.6), 0.4)


@variant("C", "noise_late", "mkv")
def _(m):
    return damaged(m, "mkv", m.between(4.2, 4.6), 0.3, video=H264_B, audio=AAC)


@variant("C", "noise_fragments", "mp4")
def _(m):
    return damaged(m, "mp4", m.between(2, 4), 0.3, every=1, output=FRAGMENTS)


@variant("C", "noise_sound", "mov")
def _(m):
    return damaged(m, "mov", m.between(2, 4), 0.6, kind="a:0", every=1)


# -- I. HDR --

def hdr(m, transfer, pixels, video, matrix="bt2020nc", output=(), tags=True, **how):
    """The bars as they are in SDR, mapped to BT.2020 and a transfer of HDR: what comes back has their colours."""
    named = {"smpte2084": "smpte2084", "arib-std-b67": "arib-std-b67", "bt2020-10": "2020_10"}[transfer]
    graph = ("setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv,format=yuv444p,zscale=t=linear:npl=203,"
             f"format=gbrpf32le,zscale=p=2020:t={named}:m=2020_ncl:npl=203:r=tv,format={pixels}")
    marked = ["-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", matrix, "-color_range", "tv"]
    frames = m.encode(seconds=m.random.choice([2, 3]), filters=graph, video=[*video, *marked], output=output, **how)
    end = len(frames) / how.get("rate", 25)
    return right(frames, end, (0, end), colours=True)


HEVC_10 = ["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1", "-x265-params", "log-level=none"]
H264_10 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le"]
VP9_10 = ["-c:v", "libvpx-vp9", "-profile:v", "2", "-pix_fmt", "yuv420p10le", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M"]
AV1_10 = ["-c:v", "libsvtav1", "-preset", "12", "-pix_fmt", "yuv420p10le"]
H264_8 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
HDR = [
    ("pq_hevc", "mp4", "smpte2084", HEVC_10, {}), ("hlg_hevc", "mov", "arib-std-b67", HEVC_10, {"rate": 30}),
    ("pq_vp9", "webm", "smpte2084", VP9_10, {"audio": OPUS}), ("hlg_vp9", "mkv", "arib-std-b67", VP9_10, {"audio": OPUS}),
    ("pq_av1", "mkv", "smpte2084", AV1_10, {"audio": OPUS}), ("hlg_h264", "mp4", "arib-std-b67", H264_10, {}),
    ("hlg_prores", "mov", "arib-std-b67", PRORES, {"pixels": "yuv422p10le", "audio": PCM}),
    ("wide_h264", "mp4", "bt2020-10", H264_8, {"pixels": "yuv420p"}),
    ("hlg_hevc", "ts", "arib-std-b67", HEVC_10, {"audio": AC3}),
    ("pq_fragments", "mp4", "smpte2084", HEVC_10, {"output": FRAGMENTS, "rate": 60}),
]
for name, container, curve, picture_codec, more in HDR:
    def _(m, transfer=curve, video=picture_codec, how=more):
        return hdr(m, transfer, how.get("pixels", "yuv420p10le"), video, **{key: value for key, value in how.items() if key != "pixels"})
    variant("I", name, container)(_)


# -- K. Interlaced, and the header does not say so --

def woven(m, seconds=3, fields="interleave_top", since=0, **how):
    """Two pictures in one, of 50 a second; `since`: before it each picture is whole, twice."""
    whole = m.path("whole.mkv")
    m.encode(whole, rate=50, seconds=seconds, video=["-c:v", "ffv1", "-pix_fmt", "yuv420p"], audio=PCM, size=how.pop("size", (352, 288)))
    # Something that moves evenly below the marks, as in a real scene: by what its edges do a comb is told from a flicker.
    moving = "testsrc2=size=160x90:rate=50[thing];[0:v][thing]overlay=x='mod(t*180,W)-80':y=H*2/3:shortest=1[moving];[moving]"
    # Both fields of a picture that is whole are of one time.
    graph = f"tinterlace={fields}"
    if since:
        graph = (f"split[a][b];[a]trim=end={since},fps=25[whole];[b]trim=start={since},setpts=PTS-STARTPTS,{graph}[woven];"
                 "[whole][woven]concat=n=2")
    video, audio = how.pop("video"), how.pop("audio", MP2)
    ffmpeg("-i", whole, "-filter_complex", f"{moving}{graph},setfield=prog,format={how.pop('pixels', 'yuv420p')}[v]", "-map", "[v]",
           "-map", "0:a", *video, *audio, m.target)
    frames = [(number / 50, number * 2) for number in range(round(seconds * 50))]
    return right(frames, seconds, (0, seconds))


@variant("K", "dv", "avi")
def _(m):
    return woven(m, video=["-c:v", "dvvideo"], size=(720, 576), audio=PCM)


@variant("K", "mpeg2", "ts")
def _(m):
    return woven(m, video=MPEG2)


@variant("K", "h264", "mp4")
def _(m):
    return woven(m, video=H264_B, audio=AAC)


@variant("K", "mjpeg", "mov")
def _(m):
    return woven(m, video=MJPEG, audio=PCM, pixels="yuvj420p")


@variant("K", "mpeg4", "avi")
def _(m):
    return woven(m, video=MPEG4, audio=MP3)


@variant("K", "bottom_first", "mkv")
def _(m):
    return woven(m, video=H264, audio=AAC, fields="interleave_bottom")


@variant("K", "bottom_first", "mov")
def _(m):
    return woven(m, video=PRORES, audio=PCM, fields="interleave_bottom", pixels="yuv422p10le")


@variant("K", "hevc", "mp4")
def _(m):
    return woven(m, video=HEVC, audio=AAC, size=(480, 384))


@variant("K", "later", "ts")
def _(m):
    return woven(m, seconds=6, since=m.random.choice([2, 3]), video=MPEG2)


@variant("K", "says_so_and_is_not", "ts")
def _(m):
    # The other way round: whole pictures that are announced as woven ones. What is right for them too is that nothing is torn.
    frames = m.encode(seconds=4, size=(352, 288), video=[*MPEG2, "-flags", "+ilme+ildct", "-top", "1"], filters="setfield=tff", audio=MP2)
    return right(frames, 4, (0, 4))

