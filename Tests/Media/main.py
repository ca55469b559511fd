"""Makes odd files, uploads them through nginx, and looks at all that the worker makes of them; see Tests/media."""

import argparse
import asyncio
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

sys.path.append(str(Path(__file__).resolve().parents[1] / "Simulator"))

import decode
import handed
import hls
import registry
import variants_container  # noqa: F401: registers its variants
import variants_content  # noqa: F401
import variants_time  # noqa: F401
import variants_usual  # noqa: F401
from maker import Maker
from tools import ToolFailed

CHUNK = 2 << 20
# Seconds after which a file that nothing is heard of is given up.
PATIENCE = 300
# Seconds that a worker may take for one file: what hours are announced for is encoded for hours.
LONGEST_JOB = 120
# Small, so that a small file has several qualities too.
PROFILE = {
    "preset": "veryfast",
    "renditions": [
        {"height": 360, "crf": 23, "videoBitRate": 2_800_000, "audioBitRate": 128_000},
        {"height": 180, "crf": 23, "videoBitRate": 1_200_000, "audioBitRate": 96_000},
        {"height": 144, "crf": 23, "videoBitRate": 600_000, "audioBitRate": 96_000},
    ],
}
LONGEST_PIECE, SHORTEST_PIECE = 12, 0.3
# Kinds of files are told by content (L): under the names that are allowed if nothing is set.
BY_CONTENT = ("L", "handed")
EXTENSIONS = "3gp,avi,flv,m2ts,m4v,mkv,mov,mp4,mpeg,mpg,mts,ts,vob,webm"


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--handed")
    parser.add_argument("--keep")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    return parser.parse_args()


class File:
    """One that is uploaded. `problems`: what is wrong with what is made of it, in words."""

    def __init__(self, root, name, path=None, expected=None, variant=None):
        self.root, self.name, self.path, self.expected, self.variant = root, name, path, expected, variant
        self.problems = []
        self.video_id = None
        self.state = ""


class PlainDirectory:
    """In place of a small disk."""

    def mount(self, path):
        path.mkdir(exist_ok=True)

    def close(self):
        pass


def chosen(arguments, seed):
    variants = [one for one in registry.ALL if not arguments.only or any(word in one.name for word in arguments.only)]
    if arguments.quick:
        roots = sorted({one.root for one in variants})
        pick = random.Random(f"quick {seed}")
        variants = [pick.choice([one for one in variants if one.root == root]) for root in roots]
    return [File(one.root, one.name, variant=one) for one in variants]


class Run:
    def __init__(self, arguments, directory, seed, site):
        self.arguments, self.directory, self.seed, self.site = arguments, directory, seed, site
        self.pool = ThreadPoolExecutor(max_workers=max(1, arguments.jobs))
        self.client = None

    def in_thread(self, function, *parameters):
        return asyncio.get_running_loop().run_in_executor(self.pool, function, *parameters)

    def make(self, file):
        maker = Maker(self.directory / "source", self.seed, file.variant.name, file.variant.extension)
        try:
            file.expected = file.variant.make(maker)
        finally:
            maker.close()
        file.path = maker.target

    async def upload(self, file, number):
        content = file.path.read_bytes()
        chunks = max(1, -(-len(content) // CHUNK))
        fields = {
            "guid": f"media{self.seed}n{number:04}", "file_name": file.path.name, "name": file.path.name, "type": "video/mp4",
            "size": len(content), "md5": hashlib.md5(content).hexdigest(), "class_id": "0"}
        for chunk in range(chunks):
            more = {"chunks": chunks, "chunk": chunk} if chunks > 1 else {}
            reply = await self.client.upload(fields | more, content[chunk * CHUNK:(chunk + 1) * CHUNK])
            if reply.code not in (1, 2):
                file.problems.append(f"refused: {reply.status}, {reply.code} {reply.reason} {reply.message}")
                return
        if reply.code != 1:
            file.problems.append(f"the last chunk is answered with {reply}")
            return
        file.video_id = reply.data["video_id"]

    async def wait(self, file):
        """What video_info says at the end, or None."""
        deadline, last, began = time.monotonic() + PATIENCE, None, None
        while time.monotonic() < deadline:
            reply = await self.client.ask("video_info", video_id=file.video_id)
            file.state = reply.data.get("state", "")
            if file.state in ("ready", "failed"):
                return reply.data
            rows = self.site.select(
                "SELECT j.state, j.attempts, j.error, j.job_id FROM job j JOIN video_info v USING (path) WHERE v.video_id = ?", file.video_id)
            state, attempts, error, job = rows[0] if rows else ("", 0, "", 0)
            if state == "running":
                began = began or time.monotonic()
            if state == "queued" and attempts > 0:
                # It would be tried again twice, in minutes.
                file.problems.append(f"the first attempt failed: {short(error)}")
            elif began is not None and time.monotonic() > began + LONGEST_JOB:
                file.problems.append(f"is not done after {LONGEST_JOB} s, progress {reply.data.get('progress')}")
            if file.problems:
                await self.site.command("job", "cancel", str(job))
                return None
            # While others are before it, it may wait.
            working = self.site.select("SELECT sum(state IN ('done', 'failed')), sum(attempts), max(progress) FROM job")[0]
            if working != last:
                deadline, last = time.monotonic() + PATIENCE, working
            await asyncio.sleep(0.25)
        file.problems.append(f"still {file.state} after {PATIENCE} s without progress")
        return None

    async def do(self, file, number):
        try:
            if file.variant is not None:
                await self.in_thread(self.make, file)
            await self.upload(file, number)
            information = await self.wait(file) if file.video_id else None
            if information is not None:
                await self.look(file, information)
        except ToolFailed as error:
            file.problems.append(str(error))
        except Exception as error:  # The others are looked at all the same.
            file.problems.append(f"the test itself failed: {type(error).__name__}: {error}")
        right = f" (right: {file.expected.text})" if file.problems and file.expected and file.expected.text else ""
        print(f"{'ok   ' if not file.problems else 'WRONG'} {file.name:30} {file.state:8} {'; '.join(file.problems)}{right}", flush=True)

    async def look(self, file, information):
        expected = file.expected
        error = self.site.select("SELECT j.error FROM job j JOIN video_info v USING (path) WHERE v.video_id = ?", file.video_id)
        said = " ".join([*(row[0] or "" for row in error), json.dumps(information)])
        if information["state"] != expected.state:
            file.problems.append(f"{information['state']} instead of {expected.state}: {short(error[0][0] if error else '')}")
            return
        if expected.state == "failed":
            if not any(word in said for word in expected.reason):
                file.problems.append(f"failed without saying {' or '.join(expected.reason)}: {short(error[0][0] if error else '')}")
            return
        for word in expected.notes:
            if word not in json.dumps(information):
                file.problems.append(f"video_info does not say {word}")
        if expected.duration is not None and abs(information["duration"] - expected.duration) > max(expected.duration_tolerance, 0.2):
            # Whole seconds are what the contract has had.
            if abs(information["duration"] - round(expected.duration)) > 0.5 or not isinstance(information["duration"], int):
                file.problems.append(f"video_info says {information['duration']} s instead of {expected.duration:.2f}")
        size = information["width"], information["height"]
        if expected.size is not None and size != expected.size:
            file.problems.append(f"video_info says {size[0]}x{size[1]} instead of {expected.size[0]}x{expected.size[1]}")
        for name in ("mp4_url", "hls_url"):
            if not information[name]:
                file.problems.append(f"{name} is empty")
                return
            await self.fetch(file, information[name])
        results = self.on_disk(information["hls_url"]).parent.parent
        file.problems += await self.in_thread(look_at_results, results, expected)
        if not self.arguments.keep:
            shutil.rmtree(results, ignore_errors=True)
            file.path.unlink()

    def on_disk(self, address):
        return self.site.data / urlsplit(address).path.lstrip("/")

    async def fetch(self, file, address):
        """Through nginx it is the same."""
        reply = await self.client.get(urlsplit(address).path.lstrip("/"))
        if reply.status != 200 or reply.content != self.on_disk(address).read_bytes():
            file.problems.append(f"{address} is answered with HTTP {reply.status} and {len(reply.content)} bytes")


def short(text):
    return " ".join((text or "nothing said").split())[:160]


def look_at_results(directory, expected):
    problems = [f"video.mp4 {problem}" for problem in decode.check(directory / "video.mp4", expected)]
    said, duration, renditions = hls.check(directory / "hls")
    problems += [f"hls: {problem}" for problem in said]
    if expected.duration is not None and abs(duration - expected.duration) > expected.duration_tolerance:
        problems.append(f"hls: the sum of EXTINF is {duration:.2f} s instead of {expected.duration:.2f}")
    for rendition in renditions:
        problems += [f"hls/{rendition.name} {problem}" for problem in decode.check(directory / "hls" / rendition.name, expected)]
        lengths = [piece.announced for piece in rendition.pieces]
        # The last one is what is left.
        if lengths and (max(lengths) > LONGEST_PIECE or min(lengths[:-1], default=1) < SHORTEST_PIECE):
            problems.append(f"hls/{rendition.name}: pieces of {min(lengths):.2f} to {max(lengths):.2f} s")
    poster = directory / "poster.jpg"
    if not poster.exists():
        problems.append("there is no poster.jpg")
    elif expected.colours:
        problems += [f"poster.jpg: {problem}" for problem in decode.check_colours([decode.cells_of_picture(poster)])]
    return problems


async def upload_all(arguments, directory, seed, files, settings):
    """To a site of their own in `directory`."""
    from site_under_test import Site
    from wire import Client
    profile = directory / "media-profile.json"
    (directory / "source").mkdir(parents=True)
    profile.write_text(json.dumps(PROFILE))
    site = Site(directory / "site", 0, 64 << 20, transcodes=True, disk=PlainDirectory(),
                settings={"PROFILE": profile, "JOBS": arguments.jobs, "LEASE_TIME": 60} | settings)
    run = Run(arguments, directory, seed, site)
    run.client = Client(site.port, "127.0.0.1")
    try:
        await site.start_all()
        # A file more than the worker takes, so that it never waits.
        slots = asyncio.Semaphore(arguments.jobs + 2)

        async def one(file, number):
            async with slots:
                await run.do(file, number)

        await asyncio.gather(*(one(file, number) for number, file in enumerate(files)))
    finally:
        await site.close()


def report(files):
    print()
    roots = sorted({file.root for file in files})
    for root in roots:
        of_root = [file for file in files if file.root == root]
        wrong = [file for file in of_root if file.problems]
        names = ", ".join(file.name.removeprefix(f"{root}_") for file in wrong)
        print(f"{root:6} {len(of_root) - len(wrong):3} of {len(of_root):3} right{'; wrong: ' + names if wrong else ''}")
    wrong = sum(bool(file.problems) for file in files)
    print(f"{len(files) - wrong} of {len(files)} files are right", flush=True)
    return wrong


def main():
    arguments = parse()
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    seed = random.SystemRandom().randrange(10 ** 6) if arguments.seed is None else arguments.seed
    if arguments.self_test:
        import self_test
        sys.exit(self_test.main())
    files = chosen(arguments, seed)
    if arguments.list:
        for file in files:
            print(file.name)
        for name in handed.ALL:
            print(f"handed {name}")
        return
    print(f"seed {seed}", flush=True)
    directory = Path(arguments.keep) if arguments.keep else Path(tempfile.mkdtemp(prefix="video-intake-media."))
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        sys.exit(f"{directory} is not empty")
    if arguments.handed:
        made = handed.make(os.path.abspath(arguments.handed), str(directory / "handed"))
        files += [File("handed", name, Path(path), expected) for name, path, expected in made
                  if not arguments.only or any(word in name for word in arguments.only)]
    elif not arguments.quick:
        print("the files of a script that is handed over are skipped: there is no --handed SCRIPT")
    if not files:
        sys.exit("no file has such a name, see --list")
    began = time.monotonic()
    for name, settings in (("usual", {"EXTENSIONS": EXTENSIONS}), ("by-content", {})):
        group = [file for file in files if (file.root in BY_CONTENT) == (name == "by-content")]
        if group:
            asyncio.run(upload_all(arguments, directory / name, seed, group, settings))
    wrong = report(files)
    print(f"{time.monotonic() - began:.0f} s, seed {seed}")
    if arguments.keep or wrong:
        print(f"logs: {directory}/*/site/log" + ("; files: */source, handed, */site/data" if arguments.keep else ""))
    else:
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(1 if wrong else 0)


main()
