"""HTTP as clients of one address speak it, honest or not, over plain sockets."""

import asyncio
import contextlib
import json
import socket
import struct
import time
import urllib.parse
from dataclasses import dataclass

BOUNDARY = b"----WebKitFormBoundaryAbCdEfGhIjKlMnOp"
MULTIPART = b"multipart/form-data; boundary=" + BOUNDARY
URLENCODED = b"application/x-www-form-urlencoded"
# Seconds; that of the page.
TIME_LIMIT = 120


class Reset(Exception):
    """No whole reply came."""


@dataclass
class Reply:
    status: int
    headers: dict
    content: bytes
    # Seconds of the monotonic clock.
    arrived: float

    def __post_init__(self):
        try:
            value = json.loads(self.content)
        except ValueError:
            value = {}
        if not isinstance(value, dict):
            value = {}
        self.code = value.get("code", 0)
        self.message = value.get("msg", "")
        self.data = value.get("data") or {}
        self.reason = self.headers.get("x-intake-reason", "")

    def __str__(self):
        return f"HTTP {self.status}, code {self.code} {self.reason} {self.message}"


def as_bytes(value):
    return value if isinstance(value, bytes) else str(value).encode()


def form(fields, content=None, file_name=b"video.mp4"):
    """The form as the page sends it, the file last."""
    parts = []
    for name, value in fields.items():
        if value is not None:
            parts += [b"--", BOUNDARY, b'\r\nContent-Disposition: form-data; name="', name.encode(), b'"\r\n\r\n',
                      as_bytes(value), b"\r\n"]
    if content is not None:
        parts += [b"--", BOUNDARY, b'\r\nContent-Disposition: form-data; name="file"; filename="', file_name,
                  b'"\r\nContent-Type: application/octet-stream\r\n\r\n', content, b"\r\n"]
    return b"".join([*parts, b"--", BOUNDARY, b"--\r\n"])


class Client:
    """An address, and its connections that are kept open."""

    def __init__(self, port, address, count=None):
        self.port = port
        self.address = address
        # Called with the address, the action and the reply of each request that has one.
        self.count = count or (lambda address, action, reply: None)
        self.idle = []

    async def connect(self):
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(self.address, 0))

    async def upload(self, fields, content, **how):
        return await self.send("upload_file", form(fields, content), MULTIPART, **how)

    async def ask(self, action, **fields):
        body = urllib.parse.urlencode({name: value for name, value in fields.items() if value is not None}).encode()
        return await self.send(action, body, URLENCODED)

    async def send(self, action, body, kind, pace=0, cut=None):
        """`pace`: seconds over which the body comes. `cut`: bytes after which the connection is reset; there is no reply then."""
        head = (b"POST /service/upload/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
                % (action.encode(), kind, len(body)))
        reply = await self.exchange(head, body, pace, cut)
        self.count(self.address, action, reply)
        return reply

    async def get(self, path, digest=None):
        """`digest`: takes the content of HTTP 200 in place of the reply."""
        head = b"GET /%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path.encode()
        return await self.exchange(head, b"", 0, None, digest)

    async def exchange(self, head, body, pace, cut, digest=None):
        reader = writer = None
        try:
            async with asyncio.timeout(TIME_LIMIT):
                while self.idle and writer is None:
                    reader, writer = self.idle.pop()
                    if reader.at_eof():
                        writer.close()
                        writer = None
                if writer is None:
                    reader, writer = await self.connect()
                if cut is not None:
                    writer.write((head + body)[:cut])
                    await writer.drain()
                    reset(writer)
                    raise Reset("cut off on purpose")
                await self.write(writer, head, body, pace)
                reply, keeps = await receive(reader, digest)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            if writer is not None:
                writer.close()
            raise Reset(f"{type(error).__name__} {error}") from None
        except asyncio.CancelledError:
            if writer is not None:
                writer.close()
            raise
        if keeps and len(self.idle) < 8:
            self.idle.append((reader, writer))
        else:
            writer.close()
        return reply

    @staticmethod
    async def write(writer, head, body, pace):
        # A server that answers early has closed: its reply is there all the same.
        with contextlib.suppress(ConnectionError):
            writer.write(head)
            if not pace:
                writer.write(body)
                await writer.drain()
                return
            steps = 10
            size = len(body) // steps + 1
            for start in range(0, len(body), size):
                writer.write(body[start:start + size])
                await writer.drain()
                await asyncio.sleep(pace / steps)

    def close(self):
        for _, writer in self.idle:
            writer.close()
        self.idle = []


def reset(writer):
    """Closes as a machine that is gone: with RST."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def receive(reader, digest):
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split(" ")[1])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    if status != 200:
        digest = None
    content = bytearray()
    take = digest.update if digest else content.extend
    if headers.get("transfer-encoding") == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
            take(await reader.readexactly(size))
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")
    else:
        rest = int(headers.get("content-length", 0))
        while rest:
            part = await reader.read(min(rest, 1 << 18))
            if not part:
                raise EOFError("the reply is cut off")
            take(part)
            rest -= len(part)
    return Reply(status, headers, bytes(content), time.monotonic()), headers.get("connection") != "close"
