"""Decodes a file or a rendition wholly and compares what is seen and heard with what is right."""

import tempfile
from pathlib import Path

import marks
from tools import ToolFailed, complaints, ffmpeg, ffprobe

# Seconds that one picture may stay.
LONGEST_PICTURE = 0.5
# Sound that differs for less is a transition of pitches.
LONGEST_DOUBT = 0.1
SYNC_TOLERANCE = 0.1
# Hundredths: a conversion to a constant rate may leave the last picture before a still out.
CODE_TOLERANCE = 5
# Seconds without a picture at the beginning: pictures in another order than shown, and no edit list.
LATEST_FIRST = 0.15


class Decoded:
    """`source`: a file or a playlist. Everything of it is decoded once."""

    def __init__(self, source):
        self.report = ffprobe(source, "-show_streams", "-show_format")
        self.pictures = [stream for stream in self.report["streams"] if stream["codec_type"] == "video"]
        self.sounds = [stream for stream in self.report["streams"] if stream["codec_type"] == "audio"]
        self.duration = float(self.report["format"].get("duration", 0))
        # (seconds, cells), and what idet says of each.
        self.frames, self.fields = [], []
        self.heard = []
        with tempfile.TemporaryDirectory(prefix="video-intake-decode.") as directory:
            times, cells, sound = (Path(directory) / name for name in ("times", "cells", "sound"))
            outputs = []
            if self.pictures:
                graph = f"idet,metadata=mode=print:file={times},scale={marks.COLUMNS}:{marks.ROWS}:flags=area,format=rgb24"
                outputs += ["-map", "0:v:0", "-fps_mode", "passthrough", "-vf", graph, "-f", "rawvideo", cells]
            if self.sounds:
                # What is missing in between is silence, so that times are those of a player.
                outputs += ["-map", "0:a:0", "-af", f"aresample={marks.READ_RATE}:async=1:min_hard_comp=0.03:first_pts=0", "-ac", "1",
                            "-f", "s16le", sound]
            if not outputs:
                self.complaint = "there is nothing to decode"
                return
            self.complaint, _ = complaints("-xerror", "-i", f"file:{source}" if not str(source).endswith(".m3u8") else source, *outputs)
            if times.exists() and cells.exists():
                self.read_frames(times.read_text(), cells.read_bytes())
            if sound.exists():
                content = sound.read_bytes()
                self.sound_end = len(content) / 2 / marks.READ_RATE
                self.heard = marks.read_frequencies(content)

    def read_frames(self, text, cells):
        moments, kinds = [], []
        for line in text.splitlines():
            if line.startswith("frame:"):
                moments.append(float(line.rpartition("pts_time:")[2]))
                kinds.append("")
            elif line.startswith("lavfi.idet.multiple.current_frame="):
                kinds[-1] = line.partition("=")[2]
        size = marks.COLUMNS * marks.ROWS * 3
        # Where size or format change ffmpeg makes its filters anew, and with them the list of times.
        if len(moments) < len(cells) // size:
            self.complaint = self.complaint or "its pictures change their size or format in the middle"
        self.frames = [(moment, cells[number * size:(number + 1) * size]) for number, moment in enumerate(moments)
                       if (number + 1) * size <= len(cells)]
        self.fields = kinds


def check(source, expected, decoded=None):
    """Problems, in words; nothing where all is right."""
    try:
        decoded = decoded or Decoded(source)
    except ToolFailed as error:
        return [f"cannot be probed: {error}"]
    problems = []
    if decoded.complaint:
        problems.append(f"does not decode: {decoded.complaint}")
    if len(decoded.pictures) != 1 or len(decoded.sounds) > 1:
        problems.append(f"has {len(decoded.pictures)} pictures and {len(decoded.sounds)} sounds")
    if not decoded.frames:
        return [*problems, "shows nothing"]
    problems += check_durations(decoded, expected)
    problems += check_parameters(decoded, expected)
    if expected.frames is not None:
        problems += check_pictures(decoded, expected)
    if expected.sound is not None or expected.pitch is not None:
        problems += check_sound(decoded, expected)
    if expected.frames is not None and expected.sound:
        problems += check_sync(decoded, expected)
    if expected.test_source is not None:
        problems += check_test_source(decoded, expected)
    if expected.colours:
        problems += check_colours([cells for moment, cells in decoded.frames if not expected.is_blurred(moment)])
    if expected.hdr:
        problems += check_saturation(decoded.frames[len(decoded.frames) // 2][1])
    if not expected.combs:
        problems += check_fields(decoded)
    return problems


def check_durations(decoded, expected):
    problems = []
    moments = [moment for moment, _ in decoded.frames]
    wanted, tolerance = expected.duration, expected.duration_tolerance
    if wanted is not None and abs(decoded.duration - wanted) > tolerance:
        problems.append(f"lasts {decoded.duration:.2f} s instead of {wanted:.2f}")
    if any(later <= earlier for earlier, later in zip(moments, moments[1:])):
        problems.append("its pictures go back in time")
    end = decoded.duration
    holes = [(earlier, later) for earlier, later in zip(moments, [*moments[1:], end]) if later - earlier > LONGEST_PICTURE + 0.02]
    if holes:
        longest = max(later - earlier for earlier, later in holes)
        problems.append(f"{len(holes)} holes between pictures, up to {longest:.2f} s, the first at {holes[0][0]:.2f}")
    if moments[0] > LATEST_FIRST:
        problems.append(f"the first picture comes at {moments[0]:.2f} s")
    if decoded.heard and wanted is not None and decoded.sound_end > wanted + tolerance:
        problems.append(f"its sound goes on until {decoded.sound_end:.2f} s")
    return problems


def check_parameters(decoded, expected):
    problems = []
    picture = decoded.pictures[0]
    if picture["codec_name"] != "h264" or picture.get("pix_fmt") not in ("yuv420p", "yuvj420p"):
        problems.append(f"is {picture['codec_name']} in {picture.get('pix_fmt')}")
    if decoded.sounds and decoded.sounds[0]["codec_name"] != "aac":
        problems.append(f"its sound is {decoded.sounds[0]['codec_name']}")
    wants_sound = expected.has_sound if expected.has_sound is not None else bool(expected.sound or expected.pitch)
    if wants_sound and not decoded.sounds:
        problems.append("has no sound")
    if expected.colours or expected.hdr:
        tags = {name: picture.get(name) for name in ("color_transfer", "color_primaries", "color_space")}
        if wrong := {name: value for name, value in tags.items() if value != "bt709"}:
            problems.append("is not tagged bt709: " + ", ".join(f"{name} {value}" for name, value in wrong.items()))
    return problems


def check_pictures(decoded, expected):
    """Each picture when it comes and before it goes: a picture that stays too long is wrong at its end."""
    wrong, unread, seen = [], [], 0
    moments = [moment for moment, _ in decoded.frames]
    for (start, cells), end in zip(decoded.frames, [*moments[1:], moments[-1]]):
        if expected.is_blurred(start) or expected.is_blurred(end):
            continue
        seen += 1
        code = marks.read_picture(cells)
        if code is None:
            unread.append(start)
            continue
        for moment in {start, max(start, end - 0.01)}:
            if (right := expected.shown(moment, expected.tolerance)) and not any(abs(code - one) <= CODE_TOLERANCE for one in right):
                wrong.append((moment, code, right))
                break
    problems = []
    # One picture in fifty may be between two.
    if len(unread) > max(1, seen // 50):
        problems.append(f"{len(unread)} of {seen} pictures have no readable marks, the first at {unread[0]:.2f} s")
    if len(wrong) > max(1, seen // 100):
        moment, code, right = wrong[0]
        problems.append(f"{len(wrong)} of {seen} pictures are wrong, the first at {moment:.2f} s: shows {code / 100:.2f} of the source, "
                        f"right is {right[len(right) // 2] / 100:.2f}")
    if not seen and not expected.blurred:
        problems.append("no picture was looked at")
    return problems


def check_sound(decoded, expected):
    if not decoded.sounds:
        return []
    if not decoded.heard:
        return ["nothing is heard"]
    doubts, worst, began, first = 0, 0, None, None
    for moment, hertz in decoded.heard:
        step = marks.read_step(hertz)
        if expected.is_blurred(moment):
            right = True
        elif expected.pitch is not None:
            right = hertz not in (None, marks.SILENT) and abs(hertz - expected.pitch) < 30 \
                or moment > (expected.duration or 1e9) - max(0.2, expected.duration_tolerance)
        else:
            allowed = expected.heard(moment, expected.tolerance)
            right = (step == marks.SILENT and None in allowed) or step in {one % marks.PITCHES for one in allowed if one is not None}
        doubts = 0 if right else doubts + 1
        if doubts == 1:
            began = moment, hertz
        if doubts > worst:
            worst, first = doubts, began
    if worst * marks.HOP > LONGEST_DOUBT + marks.HOP:
        moment, hertz = first
        what = hertz if hertz in (None, marks.SILENT) else f"{hertz:.0f} Hz"
        if expected.pitch is not None:
            right = f"{expected.pitch:.0f} Hz"
        else:
            steps = expected.heard(moment, 0)
            right = ", ".join("silence" if step is None else f"{marks.pitch(step)} Hz" for step in steps)
        return [f"its sound is wrong for {worst * marks.HOP:.2f} s from {moment:.2f} s on: {what}, right is {right}"]
    missing = [moment for moment in ((start + end) / 2 for start, end, _ in expected.sound or []) if moment > decoded.sound_end]
    return [f"its sound ends at {decoded.sound_end:.2f} s"] if missing else []


def check_sync(decoded, expected):
    """Where the pitch steps up, the picture is that of this half second."""
    differences = []
    # The window that is half of one pitch and half of the next is unclear, or reads as one of them.
    clear = [(moment, step) for moment, hertz in decoded.heard if isinstance(step := marks.read_step(hertz), int)]
    moments = [moment for moment, _ in decoded.frames]
    for (earlier, step), (later, following) in zip(clear, clear[1:]):
        if following != (step + 1) % marks.PITCHES or later - earlier > 0.15 or expected.is_blurred(earlier):
            continue
        middle = (earlier + later) / 2
        index = max((number for number, moment in enumerate(moments) if moment <= middle), default=0)
        code = marks.read_picture(decoded.frames[index][1])
        codes = expected.shown(middle, 0.2)
        # Only where pictures change often enough to tell.
        if code is None or max(codes) - min(codes) < 20:
            continue
        cycle = marks.PITCHES * marks.STEP
        shown = code / 100 + min(middle - moments[index], 0.04)
        difference = (shown - following * marks.STEP + cycle / 2) % cycle - cycle / 2
        differences.append(difference)
    if differences:
        median = sorted(differences)[len(differences) // 2]
        if abs(median) > SYNC_TOLERANCE:
            return [f"the picture is {abs(median):.2f} s {'ahead of' if median > 0 else 'behind'} the sound"]
    return []


def check_test_source(decoded, expected):
    """Pictures of testsrc2: each is nearest to the one that it should be."""
    (width, height), rate, pieces = expected.test_source
    length = max(source + end - start for start, end, source in pieces)
    graph = f"testsrc2=size={width}x{height}:rate={rate}:d={length + 1:.3f},scale={marks.COLUMNS}:{marks.ROWS}:flags=area,format=rgb24"
    content = ffmpeg("-f", "lavfi", "-i", graph, "-f", "rawvideo", "-")
    size = marks.COLUMNS * marks.ROWS * 3
    sources = [content[at:at + size] for at in range(0, len(content), size)]
    wrong, seen = [], 0
    stride = max(1, len(decoded.frames) // 40)
    for moment, cells in decoded.frames[::stride]:
        source = next((source + moment - start for start, end, source in pieces if start <= moment < end), None)
        if source is None or expected.is_blurred(moment):
            continue
        seen += 1
        scores = [sum(abs(a - b) for a, b in zip(cells, one)) for one in sources]
        # Half a second is the least that differs well in so few cells.
        near = [score for number, score in enumerate(scores) if abs(number / rate - source) <= 0.5]
        if not near or min(near) > min(scores) * 1.1 + size // 2:
            wrong.append((moment, scores.index(min(scores)) / rate, source))
    if len(wrong) > seen // 20:
        moment, found, source = wrong[0]
        return [f"{len(wrong)} of {seen} pictures are wrong, the first at {moment:.2f} s: shows about {found:.2f} of the source, right is "
                f"{source:.2f}"]
    return []


def check_colours(pictures):
    """Not pale and not lurid: hue and saturation of the bars."""
    if not pictures:
        return []
    problems = []
    colours = marks.read_bars(pictures[len(pictures) // 2])
    names = ("white", "yellow", "cyan", "green", "magenta", "red", "blue", "black")
    white = sum(colours[0]) / 3
    if white < 90:
        problems.append(f"white is dark: {white:.0f}")
    for name, colour, right in zip(names, colours, marks.BARS):
        if name in ("white", "black"):
            if max(colour) - min(colour) > 40:
                problems.append(f"{name} has a tint")
            continue
        saturation = (max(colour) - min(colour)) / max(max(colour), 1)
        if saturation < 0.5:
            problems.append(f"{name} is pale: saturation {saturation:.2f}")
        elif abs(hue(colour) - hue(right)) % 360 > 25 and abs(abs(hue(colour) - hue(right)) - 360) > 25:
            problems.append(f"{name} has another hue: {hue(colour):.0f} instead of {hue(right):.0f}")
    return problems[:2]


def check_saturation(cells):
    """Of testsrc2, whose colours are full: a mean of 0.9, and 0.98 where BT.2020 was mapped to BT.709."""
    colours = [cells[at:at + 3] for at in range(0, len(cells), 3)]
    mean = sum((max(colour) - min(colour)) / max(max(colour), 1) for colour in colours) / len(colours)
    return [f"its colours are pale: saturation {mean:.2f}"] if mean < 0.75 else []


def hue(colour):
    red, green, blue = colour
    most, least = max(colour), min(colour)
    if most == least:
        return 0
    span = most - least
    if most == red:
        return 60 * ((green - blue) / span % 6)
    return 60 * ((blue - red) / span + 2 if most == green else (red - green) / span + 4)


def check_fields(decoded):
    combed = sum(kind in ("tff", "bff") for kind in decoded.fields)
    # Of pictures that were made of fields idet doubts a few.
    if combed > max(2, len(decoded.fields) * 3 // 10):
        return [f"{combed} of {len(decoded.fields)} pictures have combs"]
    return []


def cells_of_picture(path):
    """Of a JPEG."""
    return ffmpeg("-i", path, "-frames:v", "1", "-vf", f"scale={marks.COLUMNS}:{marks.ROWS}:flags=area,format=rgb24", "-f", "rawvideo",
                  "-")
