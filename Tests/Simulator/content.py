"""Videos that are made from their names: any piece of them at any time, without keeping their bytes."""

import functools
import hashlib
import importlib.util
import random
import struct
import subprocess
import tempfile
from pathlib import Path

PAGE = 4096
_BLOCK = random.Random(0).randbytes(PAGE)
MP4_HEAD = struct.pack(">I4s", 24, b"ftyp") + b"isom\0\0\2\0isomiso2"


@functools.cache
def playable():
    """A video of one second that ffprobe and ffmpeg take, a few kB."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "video.mp4")
        subprocess.run(
            ["ffmpeg", "-loglevel", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc=size=64x64:rate=5:duration=1",
             "-c:v", "libx264", "-preset", "ultrafast", "-crf", "40", "-pix_fmt", "yuv420p", str(path)], check=True)
        return path.read_bytes()


class Video:
    """A file: a playable beginning or only the head of one, then a box of free space whose every page says which one it is."""

    def __init__(self, name, size, plays=False):
        self.name = name
        self.size = size
        head = playable() if plays and size > len(playable()) + 8 else MP4_HEAD
        self.head = head + struct.pack(">I4s", size - len(head), b"free")
        self.tag = hashlib.sha256(name.encode()).digest()[:24]

    def piece(self, offset, length):
        end = min(offset + length, self.size)
        parts, position = [], offset
        if position < len(self.head):
            parts.append(self.head[position:end])
            position += len(parts[0])
        while position < end:
            page, start = divmod(position, PAGE)
            part = (self.tag + page.to_bytes(8, "big") + _BLOCK[32:])[start:start + end - position]
            parts.append(part)
            position += len(part)
        return b"".join(parts)

    def pieces(self, length):
        return (self.piece(offset, length) for offset in range(0, self.size, length))

    @functools.cached_property
    def md5(self):
        digest = hashlib.md5()
        for piece in self.pieces(1 << 20):
            digest.update(piece)
        return digest.hexdigest()


class File:
    """One whose bytes are kept."""

    def __init__(self, name, content):
        self.name, self.content, self.size = name, content, len(content)
        self.md5 = hashlib.md5(content).hexdigest()

    def piece(self, offset, length):
        return self.content[offset:offset + length]


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind, *parts):
    return box(kind, b"\0" * 4, *parts)


# Of mvhd and tkhd: nothing is turned or moved.
MATRIX = struct.pack(">9I", 65536, 0, 0, 0, 65536, 0, 0, 0, 0x40000000)


def ffmpeg(*arguments):
    """What ffmpeg writes into a pipe."""
    return subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-nostdin", *arguments, "pipe:1"], check=True, stdout=subprocess.PIPE).stdout


def ten_seconds(tag):
    """A video of 10 s of 640 x 360 pixels."""
    made = ffmpeg("-f", "lavfi", "-i", "testsrc=size=640x360:rate=25:duration=10", "-c:v", "libx264", "-preset", "veryfast",
                  "-pix_fmt", "yuv420p", "-movflags", "frag_keyframe+empty_moov", "-f", "mp4")
    return made + box(b"free", tag)


@functools.cache
def _one_picture(side, samples):
    """ISO/IEC 14496-12: ftyp, mdat with the one picture, moov whose chunk offsets all point to it."""
    picture = ffmpeg("-f", "lavfi", "-i", f"color=gray:s={side}x{side}", "-frames:v", "1", "-pix_fmt", "yuvj420p", "-c:v", "mjpeg",
                     "-huffman", "optimal", "-f", "image2pipe")
    entry = (struct.pack(">I4s6xH", 86, b"jpeg", 1) + b"\0" * 16 + struct.pack(">HHIII", side, side, 0x480000, 0x480000, 0)
             + struct.pack(">H", 1) + b"\0" * 32 + struct.pack(">Hh", 24, -1))
    table = box(
        b"stbl", full(b"stsd", struct.pack(">I", 1), entry), full(b"stts", struct.pack(">III", 1, samples, 1000)),
        full(b"stsc", struct.pack(">IIII", 1, 1, 1, 1)), full(b"stsz", struct.pack(">II", len(picture), samples)),
        full(b"stco", struct.pack(">I", samples), struct.pack(">I", len(MP4_HEAD) + 8) * samples))
    media = box(
        b"mdia", full(b"mdhd", struct.pack(">IIIIHH", 0, 0, 1000, samples * 1000, 0x55C4, 0)),
        full(b"hdlr", b"\0\0\0\0vide" + b"\0" * 12 + b"v\0"),
        box(b"minf", full(b"vmhd", b"\0" * 8), box(b"dinf", full(b"dref", struct.pack(">I", 1), full(b"url "))), table))
    header = full(b"tkhd", struct.pack(">IIIII", 0, 0, 1, 0, samples * 1000), b"\0" * 16, MATRIX,
                  struct.pack(">II", side << 16, side << 16))
    movie = full(b"mvhd", struct.pack(">IIII", 0, 0, 1000, samples * 1000), struct.pack(">IH", 65536, 256), b"\0" * 10, MATRIX,
                 b"\0" * 24, struct.pack(">I", 2))
    return MP4_HEAD + box(b"mdat", picture) + box(b"moov", movie, box(b"trak", header, media))


def one_picture(side, samples, tag):
    """An mp4 whose samples, one a second, are all the same JPEG: hours of work in a small file."""
    return _one_picture(side, samples) + box(b"free", tag)


def index_bomb(samples, tracks, tag):
    """An mp4 of less than 1 kB a track whose index promises so many samples: a reader that believes it takes 24 bytes for each."""
    def track(number):
        entry = (struct.pack(">I4s6xH", 86, b"mp4v", 1) + b"\0" * 16 + struct.pack(">HHII", 64, 64, 0x480000, 0x480000)
                 + b"\0" * 4 + struct.pack(">H", 1) + b"\0" * 32 + struct.pack(">Hh", 24, -1))
        table = box(
            b"stbl", full(b"stsd", struct.pack(">I", 1), entry), full(b"stts", struct.pack(">III", 1, samples, 40)),
            full(b"stsc", struct.pack(">IIII", 1, 1, samples, 1)), full(b"stsz", struct.pack(">II", 1, samples)),
            full(b"stco", struct.pack(">II", 1, 40)))
        header = full(
            b"tkhd", struct.pack(">IIIII", 0, 0, number, 0, 1000), b"\0" * 8, struct.pack(">hhhh", 0, 0, 0, 0), MATRIX,
            struct.pack(">II", 64 << 16, 64 << 16))
        media = full(b"mdhd", struct.pack(">IIIIHH", 0, 0, 1000, 1000, 0x55C4, 0))
        handler = full(b"hdlr", b"\0\0\0\0vide" + b"\0" * 12 + b"v\0")
        reference = box(b"dinf", full(b"dref", struct.pack(">I", 1), full(b"url ")))
        return box(b"trak", header, box(b"mdia", media, handler, box(b"minf", full(b"vmhd", b"\0" * 8), reference, table)))

    movie = full(
        b"mvhd", struct.pack(">IIII", 0, 0, 1000, 1000), struct.pack(">IH", 65536, 256), b"\0" * 10, MATRIX, b"\0" * 24,
        struct.pack(">I", tracks + 1))
    return (MP4_HEAD + box(b"mdat", b"\0" * 64) + box(b"moov", movie, *(track(number + 1) for number in range(tracks)))
            + box(b"free", tag))
