"""Checks a stream against RFC 8216, on ffprobe's packets: python3 Tests/Media/hls.py DIR, of which DIR/master.m3u8 is the master playlist.

Prints what is wrong, one line each, and exits non-zero then.
"""

import argparse
import os
import re
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tools import ToolFailed, complaints, ffprobe

# Seconds.
EXTINF_TOLERANCE = 0.05
# The sound may end so much before or after the picture: two of AAC's frames at 16 kHz.
SOUND_TOLERANCE = 0.15
# In between pieces are cut by the order of decoding, so the sound of one may end before its picture by what pictures are put off.
CUT_TOLERANCE = 0.6
ALIGNMENT_TOLERANCE = 0.002
# What a BANDWIDTH may be beside what is measured: RFC 8216, section 6.2.1, wants the measured one; players choose by it.
HIGHEST_BANDWIDTH = 1.5

TAGS_OF_MASTER = {"EXTM3U", "EXT-X-VERSION", "EXT-X-STREAM-INF", "EXT-X-MEDIA", "EXT-X-I-FRAME-STREAM-INF", "EXT-X-SESSION-DATA",
                  "EXT-X-SESSION-KEY", "EXT-X-INDEPENDENT-SEGMENTS", "EXT-X-START"}
TAGS_OF_MEDIA = {"EXTM3U", "EXT-X-VERSION", "EXTINF", "EXT-X-BYTERANGE", "EXT-X-DISCONTINUITY", "EXT-X-KEY", "EXT-X-MAP",
                 "EXT-X-PROGRAM-DATE-TIME", "EXT-X-DATERANGE", "EXT-X-TARGETDURATION", "EXT-X-MEDIA-SEQUENCE",
                 "EXT-X-DISCONTINUITY-SEQUENCE", "EXT-X-ENDLIST", "EXT-X-PLAYLIST-TYPE", "EXT-X-I-FRAMES-ONLY",
                 "EXT-X-INDEPENDENT-SEGMENTS", "EXT-X-START"}
ONCE = {"EXT-X-VERSION", "EXT-X-TARGETDURATION", "EXT-X-MEDIA-SEQUENCE", "EXT-X-DISCONTINUITY-SEQUENCE", "EXT-X-PLAYLIST-TYPE",
        "EXT-X-ENDLIST", "EXT-X-INDEPENDENT-SEGMENTS", "EXT-X-I-FRAMES-ONLY"}


@dataclass
class Piece:
    name: str
    announced: float
    content: bytes
    # (time, duration, is a key frame) of each packet, by the order of the file; of picture and sound.
    picture: list = field(default_factory=list)
    sound: list = field(default_factory=list)


@dataclass
class Rendition:
    name: str
    attributes: dict
    pieces: list = field(default_factory=list)
    duration: float = 0
    # Seconds from the first picture to the end of the last one.
    measured: float = 0
    keys: list = field(default_factory=list)


def attributes(text):
    """Section 4.2; raises ValueError on what is no attribute list."""
    found, at = {}, 0
    pattern = re.compile(r'([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s][^,\s]*)(,|$)')
    while at < len(text):
        match = pattern.match(text, at)
        if match is None:
            raise ValueError(f"no attribute list: {text[at:at + 80]}")
        if match[1] in found:
            raise ValueError(f"{match[1]} comes twice")
        found[match[1]] = match[2]
        at = match.end()
    if text.endswith(",") or not text:
        raise ValueError("the attribute list ends in the middle")
    return found


class Playlist:
    """The lines of a playlist, and what is wrong with every playlist."""

    def __init__(self, path, known, say):
        self.tags, self.lines = [], []
        try:
            text = path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            say(f"{path.name} cannot be read: {error}")
            return
        if text.startswith("\ufeff"):
            say("begins with a byte order mark")
        if re.search(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]", text):
            say("has control characters")
        self.lines = text.splitlines()
        if not self.lines or self.lines[0] != "#EXTM3U":
            say("does not begin with #EXTM3U")
        for line in self.lines:
            if line.startswith("#EXT"):
                name, _, value = line[1:].partition(":")
                self.tags.append((name, value))
                if name not in known:
                    say(f"has the tag {name}, which this kind of playlist has not")
        for name in ONCE:
            if sum(tag == name for tag, _ in self.tags) > 1:
                say(f"has {name} more than once")

    def value(self, name):
        return next((value for tag, value in self.tags if tag == name), None)

    def has(self, name):
        return self.value(name) is not None

    def version(self):
        value = self.value("EXT-X-VERSION")
        return 1 if value is None else int(value) if value.isdigit() else 0


def local(base, name):
    """The file of a URI that is relative to a playlist; raises ValueError for any other."""
    parts = urlsplit(name)
    if parts.scheme or parts.netloc or parts.path.startswith("/"):
        raise ValueError(f"{name} is not relative")
    return base.parent / unquote(parts.path)


class Checker:
    def __init__(self, directory):
        self.master = Path(directory) / "master.m3u8"
        self.problems = []
        self.renditions = []
        self.duration = 0

    def say(self, text):
        self.problems.append(text)

    def run(self):
        """Problems, in words; nothing where all is right."""
        playlist = Playlist(self.master, TAGS_OF_MASTER, lambda text: self.say(f"master: {text}"))
        pending = None
        for line in playlist.lines:
            if line.startswith("#EXT-X-STREAM-INF:"):
                if pending is not None:
                    self.say("master: EXT-X-STREAM-INF without a URI in the next line")
                try:
                    pending = attributes(line.partition(":")[2])
                except ValueError as error:
                    self.say(f"master: EXT-X-STREAM-INF: {error}")
                    pending = {}
            elif pending is not None:
                if line.startswith("#") or not line.strip():
                    self.say("master: EXT-X-STREAM-INF without a URI in the next line")
                else:
                    self.renditions.append(Rendition(line, pending))
                pending = None
            elif line.strip() and not line.startswith("#"):
                self.say(f"master: {line} has no EXT-X-STREAM-INF")
        if pending is not None:
            self.say("master: ends after EXT-X-STREAM-INF")
        if not self.renditions:
            self.say("master: has no rendition")
        if len({rendition.name for rendition in self.renditions}) < len(self.renditions):
            self.say("master: names a rendition twice")
        for rendition in self.renditions:
            try:
                self.check_rendition(rendition)
            except (OSError, ValueError, ToolFailed) as error:
                self.say(f"{rendition.name}: {error}")
        self.check_alignment()
        return self.problems

    # -- One rendition --

    def check_rendition(self, rendition):
        def say(text):
            self.say(f"{rendition.name}: {text}")

        path = local(self.master, rendition.name)
        playlist = Playlist(path, TAGS_OF_MEDIA, say)
        initialization = self.check_tags(playlist, path, say)
        self.read_pieces(playlist, path, rendition, say)
        if not rendition.pieces:
            return say("has no piece")
        self.check_target(playlist, rendition, say)
        with tempfile.TemporaryDirectory(prefix="video-intake-hls.") as directory:
            for piece in rendition.pieces:
                whole = Path(directory) / "piece.mp4"
                whole.write_bytes(initialization + piece.content)
                self.check_piece(whole, piece, say)
            whole.write_bytes(initialization + rendition.pieces[0].content)
            self.check_promises(whole, initialization, rendition, say)
        self.check_times(rendition, say)

    def check_tags(self, playlist, path, say):
        """The bytes of the initialization section."""
        version = playlist.version()
        tags = playlist.tags
        if playlist.has("EXT-X-VERSION") and not 1 <= version <= 13:
            say(f"has the version {playlist.value('EXT-X-VERSION')}")
        # Section 7.
        needed = 1
        if any("." in value.partition(",")[0] for name, value in tags if name == "EXTINF"):
            needed = 3
        if playlist.has("EXT-X-MAP"):
            needed = 6
        if version < needed:
            say(f"needs version {needed} and says {version}")
        if not playlist.has("EXT-X-ENDLIST"):
            say("has no EXT-X-ENDLIST: it would be loaded again and again")
        if playlist.has("EXT-X-PLAYLIST-TYPE") and playlist.value("EXT-X-PLAYLIST-TYPE") != "VOD":
            say(f"is of the type {playlist.value('EXT-X-PLAYLIST-TYPE')}")
        if playlist.has("EXT-X-BYTERANGE") or playlist.has("EXT-X-KEY"):
            say("has byte ranges or keys, which are not checked here")
        maps = [value for name, value in tags if name == "EXT-X-MAP"]
        if len(maps) > 1:
            say("has more than one EXT-X-MAP, which is not checked here")
        if not maps:
            say("has no EXT-X-MAP: pieces of MP4 need one")
            return b""
        before = [name for name, _ in tags]
        if "EXTINF" in before and before.index("EXT-X-MAP") > before.index("EXTINF"):
            say("EXT-X-MAP comes after the first piece")
        name = attributes(maps[0]).get("URI", "")
        if not (len(name) > 2 and name.startswith('"')):
            raise ValueError("EXT-X-MAP has no URI")
        return local(path, name[1:-1]).read_bytes()

    def read_pieces(self, playlist, path, rendition, say):
        announced = None
        for line in playlist.lines:
            if line.startswith("#EXTINF:"):
                match = re.fullmatch(r"#EXTINF:([0-9]+(?:\.[0-9]+)?),.*", line)
                if match is None:
                    say(f"no EXTINF: {line}")
                if announced is not None:
                    say("has two EXTINF for a piece")
                announced = float(match[1]) if match else 0.0
            elif line.strip() and not line.startswith("#"):
                if announced is None:
                    say(f"{line} has no EXTINF")
                rendition.pieces.append(Piece(line, announced or 0.0, local(path, line).read_bytes()))
                announced = None
        if announced is not None:
            say("ends after EXTINF")
        rendition.duration = sum(piece.announced for piece in rendition.pieces)
        names = [piece.name for piece in rendition.pieces]
        if len(set(names)) < len(names):
            say("names a piece twice")

    @staticmethod
    def check_target(playlist, rendition, say):
        value = playlist.value("EXT-X-TARGETDURATION")
        if value is None or not value.isdigit():
            return say("has no EXT-X-TARGETDURATION")
        longest = max(piece.announced for piece in rendition.pieces)
        # Section 4.3.3.1: each, rounded, is at most the target; "true" is one that a piece nearly has.
        if int(longest + 0.5) > int(value):
            say(f"EXT-X-TARGETDURATION is {value}, and a piece has {longest:.3f} s")
        elif int(value) > longest + 1:
            say(f"EXT-X-TARGETDURATION is {value}, and the longest piece has {longest:.3f} s")
        return None

    def check_piece(self, whole, piece, say):
        """By itself: with the initialization section and nothing else."""
        if piece.content[4:8] not in (b"styp", b"moof", b"sidx", b"emsg", b"prft"):
            say(f"{piece.name} does not begin with a box of a piece")
        if b"mfhd" not in piece.content[:4096] or b"tfdt" not in piece.content[:4096]:
            say(f"{piece.name} does not say when it begins")
        said, _ = complaints("-xerror", "-i", f"file:{whole}", "-fps_mode", "passthrough", "-f", "null", "-")
        if said:
            say(f"{piece.name} does not decode by itself: {said}")
        report = ffprobe(whole, "-show_packets", "-show_entries", "packet=codec_type,pts_time,dts_time,duration_time,flags")
        for packet in report.get("packets", []):
            if "pts_time" not in packet:
                say(f"{piece.name} has a packet without a time")
                continue
            entry = (float(packet["pts_time"]), float(packet.get("duration_time", 0)), "K" in packet["flags"])
            {"video": piece.picture, "audio": piece.sound}.get(packet["codec_type"], []).append(entry)
        if not piece.picture:
            return say(f"{piece.name} has no picture")
        if not piece.picture[0][2]:
            say(f"{piece.name} does not begin with a key frame")
        if piece.picture[0][0] > min(time for time, _, _ in piece.picture) + 0.001:
            say(f"{piece.name}: pictures are shown before its key frame")
        return None

    def check_promises(self, whole, initialization, rendition, say):
        """What the master playlist says of the rendition."""
        promised = rendition.attributes
        report = ffprobe(whole, "-show_streams")
        pictures = [stream for stream in report["streams"] if stream["codec_type"] == "video"]
        sounds = [stream for stream in report["streams"] if stream["codec_type"] == "audio"]
        if len(pictures) != 1 or len(sounds) > 1:
            say(f"has {len(pictures)} pictures and {len(sounds)} sounds")
        size = "{width}x{height}".format(**pictures[0]) if pictures else ""
        if "RESOLUTION" in promised and promised["RESOLUTION"] != size:
            say(f"RESOLUTION is {promised['RESOLUTION']}, and the picture has {size}")
        elif "RESOLUTION" not in promised:
            say("has no RESOLUTION")
        codecs = codecs_of(initialization)
        told = promised.get("CODECS", "").strip('"').replace(" ", "").split(",")
        if sorted(map(str.lower, told)) != sorted(codecs):
            say(f"CODECS is {','.join(told)}, and the initialization has {','.join(codecs)}")
        if not promised.get("BANDWIDTH", "").isdigit():
            return say("has no BANDWIDTH")
        target = max(int(piece.announced + 0.5) for piece in rendition.pieces)
        peak = peak_bit_rate(rendition.pieces, max(target, 1))
        bandwidth = int(promised["BANDWIDTH"])
        if peak > bandwidth * 1.001 + 1:
            say(f"BANDWIDTH is {bandwidth}, and pieces have up to {peak:.0f}")
        elif bandwidth > HIGHEST_BANDWIDTH * peak + 20_000:
            say(f"BANDWIDTH is {bandwidth}, and pieces have {peak:.0f} at most")
        average = promised.get("AVERAGE-BANDWIDTH")
        if average is not None:
            measured = sum(len(piece.content) for piece in rendition.pieces) * 8 / max(rendition.duration, 0.001)
            if not average.isdigit() or measured > int(average) * 1.01 + 100 or int(average) > bandwidth:
                say(f"AVERAGE-BANDWIDTH is {average}, and {measured:.0f} is measured")
        return None

    def check_times(self, rendition, say):
        """The times of the packets, over all pieces."""
        pieces = [piece for piece in rendition.pieces if piece.picture]
        if not pieces:
            return
        spans = [(min(time for time, _, _ in piece.picture), max(time + length for time, length, _ in piece.picture)) for piece in pieces]
        for number, (piece, (start, end)) in enumerate(zip(pieces, spans)):
            last = number + 1 == len(pieces)
            # The sound may go on behind the last picture; then the content does too.
            ends = {end} if not last or not piece.sound else {end, max([end, *(time + length for time, length, _ in piece.sound)])}
            if all(abs(piece.announced - (moment - start)) > EXTINF_TOLERANCE for moment in ends):
                say(f"{piece.name}: EXTINF is {piece.announced:.3f}, and its pictures last {end - start:.3f} s")
            if not last and abs(spans[number + 1][0] - end) > EXTINF_TOLERANCE:
                say(f"{piece.name} ends at {end:.3f}, and the next one begins at {spans[number + 1][0]:.3f}")
            if piece.sound:
                sound_start, sound_end = piece.sound[0][0], max(time + length for time, length, _ in piece.sound)
                early, late = (SOUND_TOLERANCE if number == 0 else CUT_TOLERANCE), (SOUND_TOLERANCE if last else CUT_TOLERANCE)
                if abs(sound_start - start) > early or end - sound_end > late or (sound_end - end > late and not last):
                    say(f"{piece.name}: its sound is from {sound_start:.3f} to {sound_end:.3f}, its picture from {start:.3f} to {end:.3f}")
                if last and sound_end - end > SOUND_TOLERANCE:
                    say(f"the sound ends at {sound_end - spans[0][0]:.3f}, the picture at {end - spans[0][0]:.3f}")
        with_sound = sum(bool(piece.sound) for piece in pieces)
        if 0 < with_sound < len(pieces):
            say(f"{len(pieces) - with_sound} of {len(pieces)} pieces have no sound")
        rendition.measured = spans[-1][1] - spans[0][0]
        if abs(rendition.duration - rendition.measured) > EXTINF_TOLERANCE + 0.01 * len(pieces):
            say(f"the sum of EXTINF is {rendition.duration:.3f}, and the pictures last {rendition.measured:.3f} s")
        rendition.keys = [time - spans[0][0] for piece in pieces for time, _, is_key in piece.picture if is_key]
        self.duration = max(self.duration, rendition.duration)

    # -- All renditions --

    def check_alignment(self):
        if not self.renditions:
            return
        first = self.renditions[0]
        for other in self.renditions[1:]:
            if len(first.pieces) != len(other.pieces):
                self.say(f"{other.name} has {len(other.pieces)} pieces, {first.name} {len(first.pieces)}")
                continue
            for mine, its in zip(first.pieces, other.pieces):
                if abs(mine.announced - its.announced) > ALIGNMENT_TOLERANCE or (
                        mine.picture and its.picture and abs(mine.picture[0][0] - its.picture[0][0]) > ALIGNMENT_TOLERANCE):
                    self.say(f"{other.name}: {its.name} is not at the time of {first.name}'s {mine.name}")
                    break
            if len(first.keys) != len(other.keys) or any(abs(a - b) > ALIGNMENT_TOLERANCE for a, b in zip(first.keys, other.keys)):
                self.say(f"{other.name} has key frames at other times than {first.name}")
            if bool(first.pieces and first.pieces[0].sound) != bool(other.pieces and other.pieces[0].sound):
                self.say(f"{other.name} and {first.name}: only one has sound")


def peak_bit_rate(pieces, target):
    """Section 4.1: of any contiguous pieces that last between 0.5 and 1.5 times the target duration."""
    peak = 0.0
    for start in range(len(pieces)):
        size = length = 0.0
        for piece in pieces[start:]:
            size, length = size + len(piece.content), length + piece.announced
            if length > 1.5 * target:
                break
            if length >= 0.5 * target:
                peak = max(peak, size * 8 / length)
    if not peak:
        peak = sum(len(piece.content) for piece in pieces) * 8 / max(sum(piece.announced for piece in pieces), 0.001)
    return peak


def codecs_of(initialization):
    """RFC 6381, section 3.3, of the sample descriptions' own bytes."""
    found = []
    at = initialization.find(b"avcC")
    if at >= 0:
        found.append(f"avc1.{initialization[at + 5:at + 8].hex()}")
    at = initialization.find(b"esds")
    if at >= 0:
        # ISO/IEC 14496-1: the DecoderConfigDescriptor's object type, and AAC's own in the first five bits of what is specific.
        body = initialization[at + 8:at + 80]
        config, specific = body.find(b"\x04"), body.find(b"\x05")
        kind = re.search(rb"\x04[\x80-\xff]{0,3}[\x00-\x7f](.)", body, re.DOTALL)
        inner = re.search(rb"\x05[\x80-\xff]{0,3}[\x00-\x7f](.)", body[max(config, 0) + 13:] if specific > 0 else b"", re.DOTALL)
        if kind and inner:
            found.append(f"mp4a.{kind[1][0]:x}.{inner[1][0] >> 3}")
    return found


def check(directory):
    """(problems, sum of EXTINF of the longest rendition, renditions)."""
    if not os.path.exists(os.path.join(directory, "master.m3u8")):
        return ["there is no master.m3u8"], 0, []
    checker = Checker(directory)
    problems = checker.run()
    return problems, checker.duration, checker.renditions


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory")
    problems, duration, renditions = check(parser.parse_args().directory)
    for problem in problems:
        print(problem)
    print(f"{len(renditions)} renditions, {duration:.3f} s, " + (f"{len(problems)} problems" if problems else "all is right"))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
