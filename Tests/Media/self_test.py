"""Checks the checkers: what is whole has no problem, and each thing that is broken by hand is found and named."""

import re
import shutil
import tempfile
from pathlib import Path

import containers
import decode
import hls
import marks
from maker import AAC, H264, H264_B, Maker, moved, right
from tools import ffmpeg

SECONDS = 14
RENDITIONS = (("180", "320:180", "avc1.64000d"), ("144", "256:144", "avc1.64000d"))
BT709 = ["-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709"]


def make_stream(source, directory, keys="expr:gte(t,n_forced*3)", flags="independent_segments", second_keys=None):
    """As it should be, made by ffmpeg's own muxer and measured by nothing that the checker uses."""
    directory.mkdir()
    for name, size, _ in RENDITIONS:
        (directory / name).mkdir()
        forced = second_keys if second_keys and name == "144" else keys
        ffmpeg("-i", source, "-vf", f"scale={size}", *H264_B, "-profile:v", "high", "-level", "1.3", "-g", "75", "-force_key_frames", forced,
               "-sc_threshold", "0", *AAC, "-f", "hls", "-hls_time", "6", "-hls_list_size", "0", "-hls_playlist_type", "vod", "-hls_flags",
               flags, "-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4", "-hls_segment_filename",
               directory / name / "%05d.m4s", directory / name / "index.m3u8")
    write_master(directory)


def write_master(directory):
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for name, size, codec in RENDITIONS:
        lengths = [float(value) for value in re.findall(r"#EXTINF:([0-9.]+)", (directory / name / "index.m3u8").read_text())]
        sizes = [piece.stat().st_size for piece in sorted((directory / name).glob("*.m4s"))]
        # The last two together count too; they differ by little.
        peak = max(int(8 * size / length) + 1 for size, length in zip(sizes, lengths) if length >= 3) * 21 // 20
        lines += [f'#EXT-X-STREAM-INF:BANDWIDTH={peak},CODECS="{codec},mp4a.40.2",RESOLUTION={size.replace(":", "x")}', f"{name}/index.m3u8"]
    (directory / "master.m3u8").write_text("\n".join(lines) + "\n")


def edit(name, old, new, count=1):
    def change(directory):
        path = directory / name
        text = path.read_text()
        changed = re.sub(old, new, text, count=count)
        assert changed != text, f"{old} is not in {name}"
        path.write_text(changed)
    return change


def noise(directory):
    path = directory / "180/00001.m4s"
    content = bytearray(path.read_bytes())
    middle = content.find(b"mdat") + (len(content) - content.find(b"mdat")) // 3
    for at in range(middle, middle + 4000, 400):
        content[at:at + 40] = bytes((3 * at + 7 * number) & 255 for number in range(40))
    path.write_bytes(content)


def swap(directory):
    one, other = directory / "180/00000.m4s", directory / "180/00001.m4s"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def cut(directory):
    path = directory / "180/00001.m4s"
    content = path.read_bytes()
    path.write_bytes(content[:len(content) * 2 // 3])


# (what is done, how, words of the problem)
STREAMS = [
    ("nothing", lambda directory: None, None),
    ("a wrong EXTINF", edit("180/index.m3u8", r"EXTINF:6\.0+", "EXTINF:6.120000"), "EXTINF is 6.120"),
    ("EXTINF of a piece as long as the others", edit("144/index.m3u8", r"EXTINF:2\.\d+", "EXTINF:6.000000"), "EXTINF is 6.000"),
    ("a target duration that is too short", edit("180/index.m3u8", r"TARGETDURATION:\d+", "TARGETDURATION:5"), "EXT-X-TARGETDURATION is 5"),
    ("one that is too long", edit("180/index.m3u8", r"TARGETDURATION:\d+", "TARGETDURATION:10"), "EXT-X-TARGETDURATION is 10"),
    ("no end", edit("180/index.m3u8", "#EXT-X-ENDLIST\n", ""), "no EXT-X-ENDLIST"),
    ("no initialization", edit("180/index.m3u8", "#EXT-X-MAP.*\n", ""), "no EXT-X-MAP"),
    ("a version that is too old", edit("180/index.m3u8", "VERSION:7", "VERSION:3"), "needs version 6"),
    ("another first line", edit("180/index.m3u8", "#EXTM3U\n", ""), "does not begin with #EXTM3U"),
    ("a tag of the other kind", edit("master.m3u8", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:6\n#EXT-X-VERSION:7"), "has the tag"),
    ("another profile in CODECS", edit("master.m3u8", "avc1.64000d", "avc1.4d400d"), "CODECS is avc1.4d400d"),
    ("no sound in CODECS", edit("master.m3u8", ",mp4a.40.2", ""), "CODECS is avc1"),
    ("another RESOLUTION", edit("master.m3u8", "320x180", "640x360"), "RESOLUTION is 640x360"),
    ("a BANDWIDTH that is too low", edit("master.m3u8", r"BANDWIDTH=\d+", "BANDWIDTH=50000"), "BANDWIDTH is 50000"),
    ("one that is too high", edit("master.m3u8", r"BANDWIDTH=\d+", "BANDWIDTH=9000000"), "BANDWIDTH is 9000000"),
    ("no BANDWIDTH", edit("master.m3u8", r"BANDWIDTH=\d+,", ""), "no BANDWIDTH"),
    ("a rendition that is not there", edit("master.m3u8", "144/", "145/"), "No such file"),
    ("a piece that is not there", lambda directory: (directory / "144/00001.m4s").unlink(), "No such file"),
    ("a piece less in one playlist", edit("144/index.m3u8", r"#EXTINF.*\n00002.m4s\n", ""), "has 2 pieces"),
    ("noise in a piece", noise, "does not decode by itself"),
    ("a piece that is cut off", cut, "00001.m4s"),
    ("pieces in another order", swap, "ends at"),
    ("a line of no piece", edit("180/index.m3u8", "#EXT-X-ENDLIST", "00000.m4s\n#EXT-X-ENDLIST"), "has no EXTINF"),
]


class Results:
    def __init__(self):
        self.failed = 0

    def tell(self, what, problems, words):
        right_answer = not problems if words is None else any(words in problem for problem in problems)
        self.failed += not right_answer
        said = "; ".join(problems)[:160] or "nothing"
        print(f"{'ok   ' if right_answer else 'WRONG'} {what}: {said}" + ("" if right_answer or words is None else f" — without {words}"),
              flush=True)


def check_streams(directory, results):
    maker = Maker(directory, 0, "whole", "mkv")
    frames = maker.encode(seconds=SECONDS)
    maker.close()
    whole = directory / "stream"
    make_stream(maker.target, whole)
    for number, (what, change, words) in enumerate(STREAMS):
        broken = directory / f"stream{number}"
        shutil.copytree(whole, broken)
        change(broken)
        results.tell(f"stream: {what}", hls.check(broken)[0], words)
    make_stream(maker.target, directory / "unaligned", second_keys="expr:gte(t,n_forced*2)")
    results.tell("stream: key frames at other times in one rendition", hls.check(directory / "unaligned")[0], "key frames at other times")
    make_stream(maker.target, directory / "by_time", keys="expr:gte(t,n_forced*5)", flags="independent_segments+split_by_time")
    results.tell("stream: pieces that begin anywhere", hls.check(directory / "by_time")[0], "does not begin with a key frame")
    expected = right(frames, SECONDS, (0, SECONDS))
    results.tell("stream: decoded", decode.check(whole / "144/index.m3u8", expected), None)
    swap(whole)
    results.tell("stream: decoded, pieces in another order", decode.check(whole / "180/index.m3u8", expected), "")


def check_files(directory, results):
    def made(name, **how):
        maker = Maker(directory, 0, name, "mp4")
        frames = maker.encode(seconds=8, gop=25, **({"video": H264_B + BT709} | how))
        maker.close()
        return maker.target, frames

    whole, frames = made("file")
    expected = right(frames, 8, (0, 8), colours=True)

    def tell(what, path, words, right_for=expected):
        results.tell(f"file: {what}", decode.check(path, right_for), words)

    def remade(name, *arguments):
        path = directory / f"{name}.mp4"
        ffmpeg("-i", whole, *arguments, path)
        return path

    tell("nothing", whole, None)
    noisy = remade("noisy", "-c", "copy")
    containers.damage(noisy, Maker(directory, 0, "noise", "mp4").random, 3, 3.5)
    tell("noise", noisy, "does not decode")
    short = remade("short", "-t", "5", "-c", "copy")
    tell("cut off", short, "lasts 5.0")
    held = remade("held", "-vf", "select='not(between(t,3,4))'", "-fps_mode", "vfr", "-c:a", "copy", *H264)
    tell("a second without pictures", held, "holes between pictures")
    frozen = remade("frozen", "-vf", "select='not(between(t,3,4))',fps=25", "-c:a", "copy", *H264)
    tell("a second of the same picture", frozen, "pictures are wrong")
    late = directory / "late.mp4"
    ffmpeg("-i", whole, "-itsoffset", "0.3", "-i", whole, "-map", "0:v", "-map", "1:a", "-c", "copy", late)
    tell("sound that is 0.3 s late", late, "ahead of the sound")
    tell("the same", late, "its sound is wrong")
    silent = remade("silent", "-c:v", "copy", "-an")
    tell("no sound", silent, "has no sound")
    muted = remade("muted", "-c:v", "copy", "-af", "volume=enable='between(t,3,3.6)':volume=0", *AAC)
    tell("sound that is away for 0.6 s", muted, "its sound is wrong")
    turned = "asplit[a][b];[b]atrim=0:4[c];[a]atrim=4:8,asetpts=PTS-STARTPTS[d];[d][c]concat=n=2:v=0:a=1"
    doubled = remade("doubled", "-c:v", "copy", "-af", turned, *AAC)
    tell("sound in another order", doubled, "its sound is wrong")
    turned = remade("turned", "-vf", "split[a][b];[a]trim=0:4[c];[b]trim=4:8,setpts=PTS-STARTPTS[d];[d][c]concat=n=2", "-c:a", "copy", *H264)
    tell("pictures in another order", turned, "pictures are wrong")
    slow = remade("slow", "-vf", "fps=2", "-c:a", "copy", *H264)
    tell("two pictures a second", slow, "pictures are wrong")
    grey = remade("grey", "-vf", "drawbox=enable='between(t,3,5)':color=gray:t=fill", "-c:a", "copy", *H264)
    tell("two seconds of grey", grey, "no readable marks")
    pale = remade("pale", "-vf", "hue=s=0.35", "-c:a", "copy", *H264, *BT709)
    tell("pale colours", pale, "pale")
    lurid = remade("lurid", "-vf", "hue=h=60", "-c:a", "copy", *H264, *BT709)
    tell("other hues", lurid, "another hue")
    tagged = remade("tagged", "-c:a", "copy", *H264, "-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc")
    tell("tags of HDR", tagged, "not tagged bt709")
    tell("8 bits of HDR with the tags of SDR", *hdr_without_mapping(directory))
    tell("HDR that is mapped", *hdr_mapped(directory))
    weave = ("null[marked];testsrc2=size=160x90:rate=50[thing];[marked][thing]overlay=x='mod(t*180,W)-80':y=H*2/3:shortest=1,"
             "tinterlace=interleave_top,setfield=prog")
    woven, frames = made("woven", rate=50, filters=weave, size=(352, 288))
    tell("combs", woven, "have combs", right(frames, 8, (0, 8)))
    deep = remade("deep", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-c:a", "copy")
    tell("10 bits", deep, "yuv420p10le")
    sized = two_sizes(directory)
    tell("another size in the middle", sized[0], "change their size", sized[1])
    tell("what moves is right for another time", whole, "pictures are wrong", right(moved(frames, 0.5), 8, None))


def of_hdr(directory, filters, name):
    maker = Maker(directory, 0, name, "mp4")
    graph = ("setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv,format=yuv444p,zscale=t=linear:npl=203,"
             f"format=gbrpf32le,zscale=p=2020:t=smpte2084:m=2020_ncl:npl=203:r=tv,format=yuv420p10le,{filters}format=yuv420p")
    frames = maker.encode(seconds=2, filters=graph, video=H264 + BT709, sound=None)
    return maker.target, right(frames, 2, None, colours=True)


def hdr_without_mapping(directory):
    path, expected = of_hdr(directory, "", "unmapped")
    return path, "pale", expected


def hdr_mapped(directory):
    path, expected = of_hdr(directory, "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=mobius:desat=0,"
                            "zscale=t=bt709:m=bt709:r=tv,", "mapped")
    return path, None, expected


def two_sizes(directory):
    parts, frames = [], []
    for number, size in enumerate(((320, 180), (480, 270))):
        maker = Maker(directory, 0, f"size{number}", "h264")
        frames += moved(maker.encode(seconds=3, start=3 * number, sound=None, size=size), 3 * number)
        parts.append(maker.target.read_bytes())
    (directory / "sizes.h264").write_bytes(b"".join(parts))
    ffmpeg("-r", "25", "-i", directory / "sizes.h264", "-c", "copy", directory / "sizes.mp4")
    return directory / "sizes.mp4", right(frames, 6, None)


def check_marks(results):
    problems = [f"{number} is read as {code}" for number in range(0, 65_536, 7)
                if (code := marks.read_picture(marks.picture(number / 50, 3))) != 2 * number]
    results.tell("marks: pictures are read", problems, None)
    unread = marks.read_picture(bytes(marks.COLUMNS * marks.ROWS * 3))
    results.tell("marks: a black picture", ["no marks"] if unread is None else [], "no marks")


def main():
    results = Results()
    with tempfile.TemporaryDirectory(prefix="video-intake-media-test.") as name:
        directory = Path(name)
        check_marks(results)
        check_streams(directory, results)
        check_files(directory, results)
    print(f"{results.failed} wrong" if results.failed else "the checkers find what is broken, and nothing in what is whole")
    return 1 if results.failed else 0
