#!/usr/bin/env python3
"""Uploads a file as WebUploader does: chunks of 2 MiB, several connections, what failed is sent again.

Prints JSON: the last reply, and how many requests there were and how many failed. Nothing but the standard library.

With --steps FILE the upload lasts as long as the caller wants: the number in the file (0 to 1) says how much may have
been sent, and while there is nothing to send the server is asked what it has.
"""

import argparse
import hashlib
import http.client
import json
import os
import threading
import time
from urllib.parse import urlencode

CHUNK = 2 * 1024 * 1024
BOUNDARY = "----WebKitFormBoundaryAbCdEfGhIjKlMnOp"


class Upload:
    def __init__(self, options):
        self.options = options
        self.size = os.path.getsize(options.file)
        with open(options.file, "rb") as file:
            self.md5 = hashlib.file_digest(file, "md5").hexdigest()
        self.chunks = (self.size + CHUNK - 1) // CHUNK
        self.waiting = list(range(self.chunks))
        self.lock = threading.Lock()
        self.requests = 0
        self.failures = []
        self.replies = []
        self.last = None

    def allowed(self):
        if not self.options.steps:
            return 1.0
        try:
            with open(self.options.steps) as file:
                return float(file.read() or 0)
        except OSError:
            return 0.0

    def take(self):
        """The next chunk; -1 for none at the moment, None for the end."""
        with self.lock:
            if not self.waiting:
                return None
            if self.chunks - len(self.waiting) >= self.allowed() * self.chunks:
                return -1
            return self.waiting.pop(0)

    def form(self, chunk, content):
        options = self.options
        fields = [
            ("guid", options.guid),
            ("file_name", options.name),
            ("id", "WU_FILE_0"),
            ("name", "video.mp4"),
            ("type", "video/mp4"),
            ("lastModifiedDate", "Mon Mar 02 2026 10:00:00 GMT+0800"),
            ("size", str(self.size)),
        ]
        if self.chunks > 1:
            fields += [("chunks", str(self.chunks)), ("chunk", str(chunk))]
        fields += [("md5", self.md5), ("class_id", "0")]
        parts = [
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields
        ]
        parts.append(
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="video.mp4"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        return "".join(parts).encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()

    def headers(self, more):
        headers = {"Host": self.options.host, **more}
        for line in self.options.header:
            name, value = line.split(":", 1)
            headers[name] = value.strip()
        return headers

    def request(self, connection, action, body, content_type):
        """The decoded reply, or None: counted as a failure unless it is HTTP 200."""
        with self.lock:
            self.requests += 1
        try:
            connection.request("POST", f"/service/upload/{action}", body, self.headers({"Content-Type": content_type}))
            response = connection.getresponse()
            content = response.read()
            if response.status == 200:
                return json.loads(content)
            reason = response.headers.get("X-Intake-Reason", "")
            failure = f"{action}: HTTP {response.status} {reason} {content[:200].decode(errors='replace')}"
        except (OSError, http.client.HTTPException, ValueError) as error:
            failure = f"{action}: {type(error).__name__}: {error}"
            connection.close()
        with self.lock:
            self.failures.append(failure)
        return None

    def work(self):
        connection = http.client.HTTPConnection(self.options.address, self.options.port, timeout=120)
        tries = 0
        with open(self.options.file, "rb") as file:
            while (chunk := self.take()) is not None:
                if chunk < 0:
                    question = urlencode({"md5": self.md5, "size": self.size, "chunks": self.chunks})
                    self.request(connection, "determine_chunk_exist", question, "application/x-www-form-urlencoded")
                    time.sleep(0.01)
                    continue
                file.seek(chunk * CHUNK)
                body = self.form(chunk, file.read(CHUNK))
                reply = self.request(connection, "upload_file", body, f"multipart/form-data; boundary={BOUNDARY}")
                with self.lock:
                    if reply is None:
                        tries += 1
                        if tries > self.options.retries:
                            self.waiting.clear()
                            return
                        self.waiting.insert(0, chunk)
                    else:
                        self.last = reply
                        if reply["code"] < 0:
                            self.waiting.clear()
                            return
                if reply is None:
                    time.sleep(0.2)

    def run(self):
        started = time.monotonic()
        threads = [threading.Thread(target=self.work) for _ in range(min(self.options.connections, self.chunks))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {
            "reply": self.last,
            "requests": self.requests,
            "failed": len(self.failures),
            "failures": self.failures[:5],
            "md5": self.md5,
            "seconds": round(time.monotonic() - started, 2),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--guid", required=True)
    parser.add_argument("--name", default="Video")
    parser.add_argument("--host", default="shop.example.com")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--connections", type=int, default=3)
    parser.add_argument("--retries", type=int, default=20)
    parser.add_argument("--header", action="append", default=[], help="Name: value")
    parser.add_argument("--steps")
    print(json.dumps(Upload(parser.parse_args()).run(), ensure_ascii=False))


main()
