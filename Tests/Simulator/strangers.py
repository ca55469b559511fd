"""Hostile clients. Each function is one of them, and goes on until it is cancelled."""

import asyncio
import contextlib


from content import MP4_HEAD, Video, index_bomb
from pages import Page
from site_under_test import KIB, MIB
from wire import Reset, form, MULTIPART

NEVER = 1 << 30


def fields(guid, md5, size, chunks, chunk, name="video.mp4"):
    return {"guid": guid, "file_name": name, "id": "WU_FILE_0", "name": "video.mp4", "size": size, "chunks": chunks,
            "chunk": chunk, "md5": md5, "class_id": "0"}


def random_md5(draw):
    return f"{draw.getrandbits(128):032x}"


async def attempt(coroutine):
    """The reply, or None: processes are killed all the time."""
    try:
        return await coroutine
    except Reset:
        await asyncio.sleep(0.05)
        return None


async def many(client, draw, world, start, width=8):
    """So many requests at once, without end."""
    async def line():
        while True:
            await attempt(start())
            await asyncio.sleep(world.pause)

    await asyncio.gather(*(line() for _ in range(width)))


async def announces_much(client, draw, world):
    """2 GiB or so are announced, one byte is sent: of the last chunk, or the head of the first."""
    async def start():
        size = draw.choice([2 * 1024 * MIB, 200 * MIB, 30 * MIB, 5 * MIB])
        chunks = -(-size // (2 * MIB))
        if draw.random() < 0.5:
            return await client.upload(fields(world.guid(draw), random_md5(draw), size, chunks, 0), MP4_HEAD)
        size = (chunks - 1) * 2 * MIB + 1
        return await client.upload(fields(world.guid(draw), random_md5(draw), size, chunks, chunks - 1), b"x")

    await many(client, draw, world, start)


async def begins_many(client, draw, world):
    """Small uploads without number, each with one chunk."""
    async def start():
        chunk = MP4_HEAD + draw.randbytes(1000)
        return await client.upload(fields(world.guid(draw), random_md5(draw), 8 * len(chunk), 8, 0), chunk)

    await many(client, draw, world, start)


async def fills(client, draw, world):
    """Real bytes, as many as it gets in, never the last chunk."""
    async def start():
        chunks = draw.choice([32, 8, 2])
        video = Video(f"fills {draw.random()}", chunks * 2 * MIB)
        guid, md5 = world.guid(draw), random_md5(draw)
        for chunk in range(chunks - 1):
            reply = await attempt(client.upload(
                fields(guid, md5, video.size, chunks, chunk), video.piece(chunk * 2 * MIB, 2 * MIB)))
            if reply is None or reply.code < 0:
                break
            await asyncio.sleep(world.pause)

    await many(client, draw, world, start, 3)


async def guids_without_end(client, draw, world):
    """One upload, a new guid each time."""
    chunk = MP4_HEAD + draw.randbytes(1000)
    md5 = random_md5(draw)
    await many(client, draw, world, lambda: client.upload(fields(world.guid(draw), md5, 8 * len(chunk), 8, 0), chunk))


async def no_videos(client, draw, world):
    """First chunks that are no video, each of another file, as long as it takes to tell."""
    await many(client, draw, world, lambda: client.upload(
        fields(world.guid(draw), random_md5(draw), 80_000, 8, 0), b"#!/bin/sh\n" + draw.randbytes(9990)))


async def records_without_end(client, draw, world):
    """Instant upload of one video under long names, a new guid each time."""
    video = Video(f"instant {draw.random()}", 20 * KIB)
    while True:
        reply = await attempt(client.upload({**fields(world.guid(draw), video.md5, video.size, None, None)}, video.piece(0, NEVER)))
        if reply is not None and reply.code == 1:
            break
        await asyncio.sleep(0.5)

    async def start():
        name = draw.choice(["x" * 60_000, "视" * 20_000, "y" * 300]) + ".mp4"
        reply = await client.ask("determine_video_exist", md5=video.md5, file_name=name, guid=world.guid(draw), size=video.size)
        if reply.code == 1 and len(reply.data.get("video_name", "").encode()) > 1000:
            world.oracle.breaks(
                "names are cut to 1,000 bytes", client.address, f"a name of {len(reply.data['video_name'].encode())} bytes was stored")

    await many(client, draw, world, start)


async def long_names(client, draw, world):
    """Fields of 60 kB, in requests that would else be taken."""
    async def start():
        video = Video(f"long {draw.random()}", 30 * KIB)
        which = draw.choice(["file_name", "id", "name", "guid", "class_id"])
        form = fields(world.guid(draw), video.md5, video.size, 2, 0) | {which: "n" * 60_000 + ".mp4"}
        await client.upload(form, video.piece(0, 16 * KIB))

    await many(client, draw, world, start, 2)


async def foreign_names(client, draw, world):
    """Names in GBK, and with NUL: neither is stored."""
    async def start():
        name = draw.choice(["视频.mp4".encode("gbk"), b"a\0b.mp4", b"\xff\xfe.mp4"])
        video = Video(f"names {draw.random()}", 30 * KIB)
        reply = await client.upload(fields(world.guid(draw), video.md5, video.size, None, None, name), video.piece(0, NEVER))
        if reply.status == 200 and reply.code in (1, 2):
            world.oracle.breaks("text that is not UTF-8 is refused", client.address, f"file_name {name!r}: {reply}")

    await many(client, draw, world, start, 2)


async def lies(client, draw, world):
    """Wrong sizes, lengths and md5, empty chunks, the last chunk first."""
    oracle = world.oracle

    async def start():
        unit = draw.choice([4, 16, 64]) * KIB
        video = Video(f"lies {draw.random()}", draw.randrange(3 * unit, 9 * unit))
        chunks = -(-video.size // unit)
        guid = world.guid(draw)
        kind = draw.choice(["md5", "empty", "short", "long", "size", "no size", "chunks"])

        async def put(chunk, content=None, **changes):
            content = video.piece(chunk * unit, unit) if content is None else content
            return await attempt(client.upload(fields(guid, video.md5, video.size, chunks, chunk) | changes, content))

        if kind == "md5":
            md5 = random_md5(draw)
            replies = [await put(chunk, md5=md5) for chunk in range(chunks)]
            if any(reply and reply.code == 1 for reply in replies):
                oracle.breaks("a wrong md5 is refused", client.address, "code 1 for bytes that do not have the md5 that was sent")
        elif kind in ("empty", "short", "long"):
            first = await put(0)
            content = video.piece(unit, unit)
            content = {"empty": b"", "short": content[:-draw.randrange(1, 100)], "long": content + b"x"}[kind]
            reply = await put(1, content)
            # Of an upload that has given way meanwhile everything is refused.
            is_sticky = reply is not None and reply.reason == "expired"
            if reply is not None and reply.status == 200 and first is not None and first.code == 2 and not is_sticky:
                oracle.breaks(
                    "a chunk of a wrong length never gets HTTP 200", client.address,
                    f"chunk 1 of {chunks}, {len(content)} bytes in place of {unit}: {reply}")
        elif kind == "size":
            await put(0, size=draw.choice([0, 1, video.size * 5, "x", -1, 1 << 62]))
            await put(1, size=video.size + 1)
        elif kind == "no size":
            reply = await put(chunks - 1, size=None)
            if reply is not None and reply.status == 200:
                oracle.breaks("a last chunk that cannot be placed is sent again", client.address, str(reply))
        else:
            await put(0, chunks=draw.choice([0, 1, chunks + 1, 4096, 4097, "1e3", 1 << 40]))
            await put(draw.choice([chunks, chunks + 1, -1]), b"x" * unit)

    await many(client, draw, world, start, 3)


async def dies(client, draw, world):
    """Closes in the middle of what it sends, or sends slowly and closes then."""
    async def start():
        video = Video(f"dies {draw.random()}", 2 * MIB)
        body = fields(world.guid(draw), video.md5, video.size, 8, draw.randrange(8))
        content = video.piece(0, 256 * KIB)
        if draw.random() < 0.5:
            await client.upload(body, content, cut=draw.randrange(1, 260 * KIB))
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(draw.random() * 3):
                    await client.upload(body, content, pace=10)

    await many(client, draw, world, start, 6)


async def idles(client, draw, world):
    """Connections that say nothing, or half a request."""
    held = []
    try:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await client.connect()
                if draw.random() < 0.5:
                    writer.write(b"POST /service/upload/upload_file HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500000\r\n\r\nx")
                held.append(writer)
            if len(held) > 150:
                held.pop(draw.randrange(len(held))).close()
            await asyncio.sleep(0.02)
    finally:
        for writer in held:
            writer.close()


async def steals_guids(client, draw, world):
    """Guesses the guids of others, which are a page's time of loading, and has them refused for files of its own."""
    async def start():
        guid = world.guids[-1 - draw.randrange(min(20, len(world.guids)))] if world.guids else world.guid(draw)
        content = draw.choice([b"no video at all", MP4_HEAD + draw.randbytes(500)])
        size = draw.choice([8 * len(content), 2 * 1024 * MIB])
        await client.upload(fields(guid, random_md5(draw), size, 8 if size < MIB else 1024, 0), content)

    await many(client, draw, world, start, 2)


async def spoils(client, draw, world):
    """Knows what another page of the same owner uploads, and sends wrong bytes for it. Its victim may fail, never end as if it was there."""
    number = 0
    while True:
        number += 1
        video = Video(f"spoiled {world.seed} {client.address} {number}", draw.randrange(200, 900) * KIB)
        victim = Page(
            world, world.client(draw.choice(world.honest)), video, world.guid(draw), 128 * KIB, may_be_spoiled=True)
        running = asyncio.create_task(victim.run())
        try:
            guid = world.guid(draw)
            while not running.done():
                chunk = draw.randrange(victim.chunks)
                content = bytearray(video.piece(chunk * 128 * KIB, 128 * KIB))
                content[-1] ^= 1
                await attempt(client.upload(fields(guid, video.md5, video.size, victim.chunks, chunk), bytes(content)))
                await asyncio.sleep(0.02)
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await running
        await asyncio.sleep(draw.random())


async def bombs(client, draw, world):
    """Small files that make ffprobe take gigabytes."""
    import hashlib

    async def start():
        content = index_bomb(30_000_000, draw.choice([1, 3, 4]), draw.randbytes(16))
        md5 = hashlib.md5(content).hexdigest()
        await client.upload(fields(world.guid(draw), md5, len(content), None, None), content)

    await many(client, draw, world, start, 1)


async def floods_questions(client, draw, world):
    """Questions that find nothing, with names and numbers without end."""
    async def start():
        which = draw.randrange(4)
        if which == 0:
            await client.ask("determine_video_exist", md5=random_md5(draw), file_name="q" * 50_000, guid=world.guid(draw))
        elif which == 1:
            await client.ask("determine_chunk_exist", md5=random_md5(draw), size=draw.getrandbits(40), chunks=4096)
        elif which == 2:
            await client.ask("video_info", video_id=draw.getrandbits(60))
        else:
            await client.send("upload_file", form({f"f{n}": "x" for n in range(200)}), MULTIPART)

    await many(client, draw, world, start, 4)


ALL = [
    announces_much, begins_many, guids_without_end, no_videos, records_without_end, long_names, foreign_names, lies, dies, idles,
    steals_guids, spoils, bombs, floods_questions,
]

