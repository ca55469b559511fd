"""Changes in the bytes of containers that no muxer makes: what broken recorders, editors and transfers leave."""

import struct

from tools import ffprobe

# -- FLV: Adobe's specification 10.1, annex E --

FLV_HEADER = 13
AUDIO, VIDEO, SCRIPT = 8, 9, 18


def flv_tags(content):
    """Each tag without the length behind it."""
    at = FLV_HEADER
    while at + 11 <= len(content):
        length = int.from_bytes(content[at + 1:at + 4], "big")
        yield bytearray(content[at:at + 11 + length])
        at += length + 15


def flv_time(tag):
    """Milliseconds."""
    return int.from_bytes(tag[4:7], "big") | tag[7] << 24


def flv_at(tag, milliseconds):
    tag = bytearray(tag)
    tag[4:7] = (milliseconds & 0xFFFFFF).to_bytes(3, "big")
    tag[7] = milliseconds >> 24 & 255
    return tag


def flv_is_header(tag):
    """What a decoder needs before everything else, or is told about the file."""
    return tag[0] == SCRIPT or (tag[0] == VIDEO and tag[12] == 0) or (tag[0] == AUDIO and tag[11] >> 4 == 10 and tag[12] == 0)


def flv(header, tags):
    return header[:FLV_HEADER] + b"".join(bytes(tag) + struct.pack(">I", len(tag)) for tag in tags)


def flv_shift(content, milliseconds, since=0, without_script=True):
    """Moves what is at or after `since` by so many milliseconds."""
    return flv(content, [flv_at(tag, flv_time(tag) + (milliseconds if flv_time(tag) >= since and not (since and flv_is_header(tag)) else 0))
                         for tag in flv_tags(content) if not (without_script and tag[0] == SCRIPT)])


def flv_says(content, seconds):
    at = content.find(b"\0\x08duration\0")
    assert at > 0, "no duration in the script tag"
    return content[:at + 11] + struct.pack(">d", seconds) + content[at + 19:]


# -- MP4: ISO/IEC 14496-12 --

PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf", b"mvex"}


def boxes(content, start=0, end=None):
    """(kind, start of the box, start of its body, end), those inside after their parent."""
    end = len(content) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack(">I4s", content[start:start + 8])
        body = start + 8
        if size == 1:
            size, body = struct.unpack(">Q", content[start + 8:start + 16])[0], start + 16
        if size < 8:
            return
        yield kind, start, body, start + size
        if kind in PARENTS:
            yield from boxes(content, body, min(end, start + size))
        start += size


def mp4_edit(content, kind, change):
    """Calls `change` with a bytearray of the body of each box of a kind; what it leaves there, of the same length, is put in."""
    content = bytearray(content)
    found = 0
    for name, _, body, end in list(boxes(content)):
        if name == kind:
            inner = bytearray(content[body:end])
            change(inner)
            assert len(inner) == end - body
            content[body:end] = inner
            found += 1
    assert found, f"no box {kind}"
    return bytes(content)


def mp4_multiply_lengths(content, factor):
    """mvhd, tkhd and mdhd, all of version 0."""
    def at(offset):
        def change(body):
            body[offset:offset + 4] = struct.pack(">I", int(struct.unpack(">I", body[offset:offset + 4])[0] * factor))
        return change

    for kind, offset in ((b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16)):
        content = mp4_edit(content, kind, at(offset))
    return content


def mp4_edit_list(content, milliseconds):
    """The length of each edit, by the movie's clock of a thousand ticks a second."""
    def change(body):
        count = struct.unpack(">I", body[4:8])[0]
        at = 8 + 12 * (count - 1)
        body[at:at + 4] = struct.pack(">I", milliseconds)

    return mp4_edit(content, b"elst", change)


def mp4_tracks(content):
    """(kind of handler, start, end) of each track."""
    tracks = [(start, end) for kind, start, _, end in boxes(content) if kind == b"trak"]
    handlers = [(start, content[body + 8:body + 12]) for kind, start, body, _ in boxes(content) if kind == b"hdlr"]
    return [(next(kind for at, kind in handlers if start < at < end), start, end) for start, end in tracks]


def mp4_empty_track(content, handler):
    """The first track of a handler (`soun`, `vide`) is announced and has no sample."""
    content = bytearray(content)
    start, end = next((start, end) for kind, start, end in mp4_tracks(content) if kind == handler)
    for kind, _, body, _ in list(boxes(content, start, end)):
        # The number of entries; stsz has the size of all before it.
        offset = {b"stts": 4, b"stsc": 4, b"stco": 4, b"stss": 4, b"ctts": 4, b"stsz": 8}.get(kind)
        if offset is not None:
            content[body + offset:body + offset + 4] = bytes(4)
    return bytes(content)


def mp4_fragments(content):
    """(what is in front, [each moof with its mdat])."""
    top, at = [], 0
    while at + 8 <= len(content):
        size, kind = struct.unpack(">I4s", content[at:at + 8])
        top.append((kind, content[at:at + size]))
        at += size
    front = b"".join(body for kind, body in top[:next(number for number, (kind, _) in enumerate(top) if kind == b"moof")])
    fragments, pending = [], b""
    for kind, body in top:
        if kind == b"moof":
            pending = body
        elif kind == b"mdat" and pending:
            fragments.append(pending + body)
            pending = b""
    return front, fragments


# -- AVI: Microsoft's RIFF --

def avi_multiply_lengths(content, factor):
    content = bytearray(content)

    def multiply(at):
        content[at:at + 4] = struct.pack("<I", int(struct.unpack("<I", content[at:at + 4])[0] * factor))

    multiply(content.find(b"avih") + 24)
    at = content.find(b"strh")
    while at > 0:
        multiply(at + 40)
        at = content.find(b"strh", at + 1)
    return bytes(content)


def avi_without_index(content):
    """As a crashed recorder leaves it: no index, and lengths of nothing."""
    at = content.find(b"idx1")
    assert at > 0
    content = bytearray(content[:at])
    movi = content.find(b"movi")
    content[4:8] = bytes(4)
    content[movi - 4:movi] = bytes(4)
    return avi_multiply_lengths(content, 0)


# -- Matroska: RFC 8794, RFC 9559 --

def mkv_says(content, seconds):
    """The element Duration, a float of 8 bytes, in the usual milliseconds."""
    at = content.find(b"\x44\x89\x88")
    assert at > 0, "no Duration"
    return content[:at + 3] + struct.pack(">d", seconds * 1000) + content[at + 11:]


# -- Any --

def packets(path, kind="v:0"):
    """(seconds, place in the file, length, is a key frame) of each packet of a stream."""
    report = ffprobe(path, "-select_streams", kind, "-show_entries", "packet=pts_time,pos,size,flags")
    return [(float(packet["pts_time"]), int(packet["pos"]), int(packet["size"]), "K" in packet["flags"])
            for packet in report["packets"] if "pts_time" in packet and "pos" in packet]


def damage(path, random, start, end, kind="v:0", count=20, every=1):
    """Noise in the bytes of the packets between two times; not in their first ones, which have lengths."""
    content = bytearray(path.read_bytes())
    hit = 0
    for number, (moment, place, size, _) in enumerate(packets(path, kind)):
        if start <= moment < end and number % every == 0 and size > 40:
            length = min(count, size // 2)
            at = place + size - length - random.randrange(max(1, size // 4))
            at = max(at, place + 20)
            content[at:at + length] = random.randbytes(length)
            hit += 1
    assert hit, f"no packet of {path} between {start} and {end}"
    path.write_bytes(content)


def m2ts(content):
    """Packets of 192 bytes, as cameras write them: four more in front of each."""
    return b"".join(struct.pack(">I", number * 1000 & 0x3FFFFFFF) + content[at:at + 188]
                    for number, at in enumerate(range(0, len(content) - 187, 188)))
