"""What is simulated: who comes, for how long, and what must hold in the end."""

import asyncio
import contextlib
import itertools
import os
import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import operators
import strangers
from content import File, Video, one_picture, ten_seconds
from oracle import Oracle
from pages import Page, instant, resume
from site_under_test import KIB, MIB, Site, occupied
from slow_disk import SlowDisk
from wire import Client, Reset


@dataclass
class World:
    """All that takes part in one run of one scenario."""

    scenario: str
    seed: int
    seconds: float
    soak: bool
    site: Site
    uploads_limit: int
    # Seconds between two requests of a hostile client's line.
    pause: float = 0.01
    kills: bool = False
    kill_interval: float = 3
    keeps_reserve: bool = True
    # Of the same broken invariant so many are printed.
    most_said: int = 3
    memory_bounds: dict = field(default_factory=lambda: {"responder": 900 * MIB})
    clients: dict = field(default_factory=dict)
    # By address: what it has announced and not ended, by md5 and guid.
    announced: dict = field(default_factory=lambda: defaultdict(dict))
    outcomes: Counter = field(default_factory=Counter)
    honest: list = field(default_factory=list)
    # Those in use lately, for who guesses them.
    guids: list = field(default_factory=list)
    # Seconds that this program was late lately: so far apart are replies whose order it cannot tell.
    lag: float = 0

    def __post_init__(self):
        self.oracle = Oracle(self)
        self.random = random.Random(f"{self.seed} world")
        self.started = time.monotonic()

    clock = staticmethod(time.monotonic)

    @property
    def now(self):
        return time.monotonic() - self.started

    @property
    def again(self):
        length = "--soak" if self.soak else f"--seconds {self.seconds:g}"
        return f"Tests/simulator --seed {self.seed} {length} --only {self.scenario}"

    def client(self, address):
        if address not in self.clients:
            self.clients[address] = Client(self.site.port, address, self.oracle.count)
        return self.clients[address]

    def draw(self, name):
        return random.Random(f"{self.seed} {self.scenario} {name}")

    def guid(self, draw):
        return f"17{draw.randrange(10 ** 11):011d}{draw.randrange(10)}"

    def guids_of(self, draw):
        """As a page has them: the time of its loading, and a number for each file."""
        return (f"17{draw.randrange(10 ** 11):011d}{number}" for number in itertools.count())

    async def finish(self, tasks, limit, what):
        """Waits for tasks that end by themselves."""
        done, late = await asyncio.wait(tasks, timeout=limit) if tasks else (set(), set())
        for task in late:
            self.oracle.breaks("honest clients come to an end", what, f"{task.get_name()} not within {limit} s")
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for task in done:
            if task.exception() is not None:
                raise task.exception()

    async def begin(self):
        await self.site.start_all()
        looking = (self.oracle.watch(), self.oracle.measure_lag(), operators.supervises(self))
        self.watching = [asyncio.create_task(look) for look in looking]

    async def end(self, rows=20_000, catalogue=64 * MIB):
        """The invariants that hold when all have gone."""
        await cancel(self.watching)
        await self.site.stop("worker")
        await self.start_servers()
        client = self.client("127.0.0.1")
        await self.oracle.verify_all(client)
        self.oracle.check_rows(rows, catalogue)
        await self.oracle.check_commands()
        await self.oracle.check_metrics(client)

    async def start_servers(self):
        for name in ("responder", "nginx"):
            if not self.site.is_running(name):
                self.site.start(name)
        await self.site.ready()


async def cancel(tasks):
    # More than once: `asyncio.wait_for` of Python 3.11 loses a cancellation that comes when its time is up.
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=1)
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception) and not isinstance(result, (Reset, asyncio.CancelledError)):
            raise result


def spawn(tasks, coroutine, name):
    tasks.append(asyncio.create_task(coroutine, name=name))


async def visits(world, address, until):
    """Honest pages of one address, one file or two at a time, in all the ways in which they meet each other."""
    draw = world.draw(address)
    client = world.client(address)
    guids = world.guids_of(draw)
    for number in itertools.count():
        if time.monotonic() > until:
            return
        size = draw.choice([draw.randrange(1, 64) * KIB, draw.randrange(64, 1500) * KIB + draw.randrange(KIB), 256 * KIB])
        unit = draw.choice([64, 128, 256]) * KIB
        video = Video(f"honest {world.scenario} {world.seed} {address} {number}", size + 100, plays=draw.random() < 0.3)
        kind = draw.choice(["plain", "plain", "twins", "units", "resume", "known", "instant", "no size", "guid", "slow", "doubles", "whole"])
        if kind == "resume" and video.size > unit:
            await resume(world, client, video, guids, unit, draw)
            continue
        if kind == "instant":
            if living := world.oracle.living():
                await instant(world, client, draw.choice(living).video, next(guids), f"instant {number}.mp4")
            continue
        if kind == "known" and (living := world.oracle.living()):
            video = draw.choice(living).video
        how = {"asks": draw.random() < 0.5, "name": draw.choice([None, f"视频 {number}.MP4", f"a \"b\" {number}.mp4"])}
        if kind == "slow":
            how["pace"] = draw.random() * 2
        if kind == "doubles":
            how["doubles"] = 0.3
        if kind == "no size":
            how["tells_size"] = False
        if kind == "whole":
            unit = 2 * MIB
        pages = [Page(world, client, video, next(guids), unit, **how)]
        if kind == "twins":
            pages.append(Page(world, client, video, next(guids), unit, asks=False))
        elif kind == "units":
            other = world.client(draw.choice(world.honest))
            pages.append(Page(world, other, video, next(guids), unit * draw.choice([2, 3]), asks=False))
        elif kind == "guid":
            other = Video(f"{video.name}, other", draw.randrange(100, 700) * KIB)
            pages.append(Page(world, world.client(draw.choice(world.honest)), other, pages[0].guid, unit))
        await asyncio.gather(*(page.run() for page in pages))
        await asyncio.sleep(draw.random() * 0.3)


async def mix(options):
    """Everybody at once, with kill -9 of everything."""
    site = Site(options.directory, 420 * MIB, 80 * MIB, {"UPLOADS_LIMIT": 240, "OWNER_UPLOADS_LIMIT": 240}, 256, transcodes=True)
    world = World("mix", options.seed, options.seconds, options.soak, site, 240, pause=0.02, kills=True)
    draw = world.draw("mix")
    world.honest = [f"127.0.1.{number}" for number in range(1, 8)]
    await world.begin()
    until = time.monotonic() + world.seconds
    honest, others = [], []
    for address in world.honest:
        spawn(honest, visits(world, address, until), address)
    chosen = strangers.ALL
    for number, stranger in enumerate(chosen, 1):
        address = f"127.0.2.{number}"
        world.announced[address]
        spawn(others, takes_turns(world, stranger, address), f"{stranger.__name__} {address}")
    spawn(others, operators.deletes(world, world.draw("deletes"), 90 * MIB), "deletes")
    spawn(others, operators.cleans(world, world.draw("cleans")), "cleans")
    killing = [asyncio.create_task(operators.kills(world, world.draw("kills")), name="kills")]
    try:
        while time.monotonic() < until:
            await asyncio.sleep(0.3)
            ended = [task for task in honest + others if task.done() and task.exception()]
            if ended:
                raise ended[0].exception()
            if living := world.oracle.living():
                await world.oracle.verify(draw.choice(living), world.client("127.0.0.1"), "while all goes on")
    finally:
        await cancel(killing + others)
    await world.finish(honest, 150, "an address")
    # Each responder that is killed forgets how much its clients have recorded.
    await world.end(rows=20_000 + 20 * world.seconds)
    return world


async def takes_turns(world, stranger, address):
    """Comes and goes, so that not all are there at once on a machine that also runs the honest ones."""
    draw = world.draw(address)
    while True:
        await asyncio.sleep(draw.random() * 2)
        try:
            async with asyncio.timeout(1 + draw.random() * 6):
                await stranger(world.client(address), draw, world)
        except TimeoutError:
            pass


async def attacker(options):
    """Ten honest pages beside one address at full speed, in every way that takes room or numbers: none is refused."""
    big = options.soak
    size = 64 * MIB if big else 6 * MIB
    # Room for eleven times as much, and a third more: at full speed one address fills it before the others come.
    site = Site(options.directory, 100 * MIB + 15 * size + 30 * MIB, 100 * MIB)
    world = World("attacker", options.seed, options.seconds, options.soak, site, 4000, pause=0)
    world.honest = [f"127.0.3.{number}" for number in range(1, 11)]
    await world.begin()
    ways = [strangers.begins_many, strangers.announces_much, strangers.fills, strangers.no_videos]
    for number, way in enumerate(ways):
        attacking = []
        address = "127.0.4.1"
        world.announced[address]
        spawn(attacking, way(world.client(address), world.draw(way.__name__), world), way.__name__)
        await asyncio.sleep(15 if big else 1)
        honest, pages = [], []
        for client in world.honest:
            draw = world.draw(f"{client} {number}")
            video = Video(f"attacked {world.seed} {client} {number}", size + draw.randrange(KIB))
            page = Page(world, world.client(client), video, world.guid(draw), 2 * MIB if big else 512 * KIB, patience=60)
            pages.append(page)
            spawn(honest, page.run(), f"{client} beside {way.__name__}")
        spawn(attacking, world.oracle.watch_share(address, pages, way.__name__), "share")
        try:
            await world.finish(honest, 300, "an honest page")
        finally:
            await cancel(attacking)
        for task in honest:
            if not task.cancelled() and task.result() != "stored":
                world.oracle.breaks("an honest page beside an attacker has its file stored", task.get_name(), task.result())
        # 409, after which the page tries again while room is made for it.
        world.oracle.notes["replies by which honest pages were put off"] = sum(world.oracle.crowded_out[address] for address in world.honest)
        await operators.delete(world, world.oracle.living())
        # Each way has the whole disk and all numbers to take.
        await operators.expire(world)
    await world.end(rows=30_000)
    return world


async def full_disk(options):
    """Rows without end, in three ways, on 400 MB of which 100 stay free; then a disk without a free byte."""
    site = Site(options.directory, 400 * MIB, 100 * MIB)
    world = World("full-disk", options.seed, options.seconds, options.soak, site, 4000, pause=0)
    await world.begin()
    oracle, client, draw = world.oracle, world.client("127.0.5.1"), world.draw("full-disk")
    watching = [asyncio.create_task(oracle.watch())]
    guids = world.guids_of(draw)
    for number, way in enumerate([strangers.records_without_end, strangers.no_videos, strangers.guids_without_end]):
        address = f"127.0.6.{number + 1}"
        world.announced[address]
        attacking = []
        spawn(attacking, way(world.client(address), draw, world), way.__name__)
        await asyncio.sleep(30 if options.soak else max(3, options.seconds / 5))
        await Page(world, client, Video(f"beside {way.__name__} {world.seed}", 3 * MIB), next(guids), 512 * KIB).run()
        await cancel(attacking)
        oracle.check_rows(30_000, 64 * MIB)
        oracle.notes[f"MiB free after {way.__name__}"] = site.free // MIB
        if site.free < 100 * MIB:
            oracle.breaks("uploads leave the reserve free", way.__name__, f"{site.free // MIB} MiB free")
    videos = [Video(f"kept {world.seed} {number}", 2 * MIB + number) for number in range(4)]
    for video in videos:
        await Page(world, client, video, next(guids), 512 * KIB).run()
    world.keeps_reserve = False
    fill(site, oracle)
    living = oracle.living()
    await operators.delete(world, living[:1])
    fill(site, oracle)
    for arguments in (("gc",), ("check", "--repair")):
        code, output = await site.command(*arguments)
        if code != 0:
            oracle.breaks("a full disk can be cleaned up", f"`{' '.join(arguments)}`", f"exit code {code}: {output[-800:]}")
    # Once more with a responder that is started on the full disk, and with a journal that has to be begun anew.
    await cancel(world.watching)
    await site.stop("responder")
    fill(site, oracle)
    await operators.delete(world, oracle.living()[:1])
    fill(site, oracle)
    site.start("responder")
    await asyncio.sleep(2)
    await operators.delete(world, oracle.living()[:1])
    (site.data / "filler").unlink(missing_ok=True)
    await world.start_servers()
    await Page(world, client, Video(f"after {world.seed}", 3 * MIB), next(guids), 512 * KIB).run()
    await world.end(rows=60_000)
    return world


async def office(options):
    """Many pages behind one address, ten files each: nothing is refused."""
    site = Site(options.directory, 800 * MIB, 100 * MIB)
    world = World("office", options.seed, options.seconds, options.soak, site, 4000)
    client = world.client("127.0.11.1")
    await world.begin()

    async def page(number):
        draw = world.draw(number)
        guids = world.guids_of(draw)
        for file in range(10 if options.soak else 2):
            video = Video(f"office {world.seed} {number} {file}", draw.randrange(20, 200) * KIB)
            await Page(world, client, video, next(guids), 64 * KIB).run()

    tasks = [asyncio.create_task(page(number), name=f"page {number}") for number in range(200 if options.soak else 30)]
    await world.finish(tasks, 600, "the office")
    await world.end()
    world.oracle.check_no_refusals([client.address])
    return world


def fill(site, oracle):
    """Until there is not one free byte, as another program does it."""
    with contextlib.suppress(OSError):
        number = os.open(site.data / "filler", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for size in (MIB, 4096, 1):
            with contextlib.suppress(OSError):
                while os.write(number, bytes(size)) == size:
                    pass
        os.close(number)
    if site.free > 0:
        oracle.breaks("the disk can be filled", "the simulator", f"{site.free} bytes are free")


async def deletions(options):
    """Upload beside delete of the same content, 2,000 rounds: what is acknowledged after the deletion began is there."""
    rounds = 2000 if options.soak else int(min(2000, 3 * options.seconds))
    site = Site(options.directory, 400 * MIB, 50 * MIB)
    world = World("deletions", options.seed, options.seconds, options.soak, site, 4000)
    world.honest = [f"127.0.7.{number}" for number in range(1, 5)]
    await world.begin()
    video_lines = 2
    left = iter(range(rounds))

    async def line(number):
        draw = world.draw(number)
        guids = world.guids_of(draw)
        video = Video(f"deleted {world.seed} {number}", 300 * KIB)
        client = world.client(world.honest[number])
        await Page(world, client, video, next(guids), 128 * KIB, asks=False).run()
        # Seconds that the last deletion took: the upload ends at any moment of it.
        took = 0.1
        for _ in left:
            living = [record for record in world.oracle.living() if record.video is video]

            async def deletes():
                nonlocal took
                began = time.monotonic()
                if living:
                    await operators.delete(world, living)
                    took = time.monotonic() - began

            deleting = asyncio.create_task(deletes())
            await asyncio.sleep(draw.random() * took)
            await Page(world, client, video, next(guids), draw.choice([128, 512]) * KIB, asks=False, patience=30).run()
            await deleting
            for record in world.oracle.living():
                if record.video is video:
                    await world.oracle.verify(record, client, "after a round")

    await asyncio.gather(*(line(number) for number in range(video_lines)))
    await world.end()
    world.oracle.notes["rounds"] = rounds
    return world


async def descriptors(options):
    """With 64 descriptors: uploads of three clients, all of them unfinished at once."""
    count = 200 if options.soak else 60
    site = Site(options.directory, 400 * MIB, 50 * MIB, descriptors=64)
    world = World("descriptors", options.seed, options.seconds, options.soak, site, 4000)
    world.honest = [f"127.0.8.{number}" for number in range(1, 4)]
    await world.begin()
    draw = world.draw("descriptors")
    guids = world.guids_of(draw)
    pages = []
    for number in range(count):
        video = Video(f"descriptors {world.seed} {number}", 4 * 64 * KIB)
        pages.append(Page(
            world, world.client(world.honest[number % 3]), video, next(guids), 64 * KIB, asks=False, threads=1, patience=10))
    # One chunk of each, in turns, so that all are open until the last round.
    gate = [asyncio.Event() for _ in range(5)]

    async def in_turns(page):
        page.world.announced[page.client.address][page.video.md5, page.guid] = page.video.size
        for chunk in range(page.chunks):
            await gate[chunk].wait()
            if page.gave_up is None:
                async with limit:
                    await page.deliver(chunk)
            done[chunk] += 1
            if done[chunk] == count:
                gate[chunk + 1].set()
        page.waiting = []
        world.outcomes[await page.judge()] += 1
        page.world.announced[page.client.address].pop((page.video.md5, page.guid))

    limit, done = asyncio.Semaphore(9), Counter()
    gate[0].set()
    tasks = [asyncio.create_task(in_turns(page), name=page.who) for page in pages]
    await world.finish(tasks, 400, "a page")
    await world.end()
    return world


async def bombs(options):
    """Ten addresses with files that make ffprobe take gigabytes, while others ask and upload."""
    site = Site(options.directory, 400 * MIB, 50 * MIB)
    world = World("bombs", options.seed, options.seconds, options.soak, site, 4000, pause=0)
    world.memory_bounds = {"responder": 600 * MIB + 200 * MIB}
    await world.begin()
    attacking = []
    for number in range(10):
        address = f"127.0.9.{number + 1}"
        spawn(attacking, strangers.bombs(world.client(address), world.draw(address), world), address)
    client, draw = world.client("127.0.10.1"), world.draw("bombs")
    until = time.monotonic() + (10 if options.soak else 6)
    took = []
    page = asyncio.create_task(probed(world, client, draw))
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            await client.ask("determine_video_exist", md5=strangers.random_md5(draw), type=1)
        except Reset:
            pass
        took.append(time.monotonic() - began)
        await asyncio.sleep(0.02)
    await page
    await cancel(attacking)
    took.sort()
    slow = took[int(len(took) * 0.99)]
    world.oracle.notes["p99 of questions, ms"] = round(slow * 1000)
    # 100 ms on a machine of its own.
    if slow > 1:
        world.oracle.breaks("questions are answered beside probes", client.address, f"p99 {slow:.2f} s of {len(took)}")
    await world.end()
    return world


async def probed(world, client, draw):
    """An honest video's duration is known within 5 s: ten times that on a busy machine."""
    video = Video(f"probed {world.seed}", 200 * KIB, plays=True)
    await asyncio.sleep(1)
    await Page(world, client, video, world.guid(draw), 64 * KIB, asks=False).run()
    began = time.monotonic()
    while time.monotonic() < began + 50:
        reply = await client.ask("determine_video_exist", md5=video.md5, type=1)
        if reply.code == 1 and reply.data.get("duration"):
            world.oracle.notes["duration known after, ms"] = round(1000 * (time.monotonic() - began))
            return
        await asyncio.sleep(0.1)
    world.oracle.breaks("an honest video's duration becomes known", client.address, "not within 50 s")


async def slow_disk(options):
    """
    A duplicate on a disk that reads 30 MB/s and writes 30: its bytes are compared with those of the video, which are not in memory. Each
    request ends within the page's time, and with two retries the page has its file.
    """
    if missing := SlowDisk.missing():
        print(f"   skipped: {missing}")
        return None
    size = 2048 * MIB if options.soak else 96 * MIB
    disk = SlowDisk(options.directory / "disk", 2 * size + 400 * MIB)
    site = Site(options.directory, 2 * size + 400 * MIB, 100 * MIB, disk=disk)
    world = World("slow-disk", options.seed, options.seconds, options.soak, site, 4000)
    world.memory_bounds = {}
    video = Video(f"slow {world.seed}", size - 4711)
    video.md5
    await world.begin()
    oracle, guids = world.oracle, world.guids_of(world.draw("slow-disk"))
    world.honest = ["127.0.12.1", "127.0.12.2"]
    first, second = (Page(world, world.client(address), video, next(guids), 2 * MIB, asks=False, retries=2) for address in world.honest)
    await first.run()
    site.forget_files()
    disk.limit(30_000_000)
    second.began = time.monotonic()
    uploading = asyncio.create_task(second.run())
    while not uploading.done() and second.gave_up is None and (second.last is None or second.last.code == 2):
        await asyncio.sleep(0.1)
    oracle.notes["MiB of the duplicate"] = size // MIB
    oracle.notes["seconds it took"] = round(time.monotonic() - second.began)
    oracle.notes["seconds of the longest request that was not refused"] = round(
        max((reply.arrived - sent for _, sent, reply in second.replies), default=0))
    # What is looked at from here on takes no longer than it must.
    disk.limit(0)
    await uploading
    if len({record.path for record in oracle.living()}) != 1 or occupied(site.data / "upload") > 1.5 * size:
        oracle.breaks("a duplicate takes no room", "the disk", f"{occupied(site.data / 'upload') // MIB} MiB; {oracle.living()}")
    await world.end()
    return world


async def pictures(options):
    """Ten small files of one address that are hours of work for the worker, then a video of 10 s of another address."""
    site = Site(options.directory, 400 * MIB, 50 * MIB, {"PROFILE": ""}, transcodes=True)
    world = World("pictures", options.seed, options.seconds, options.soak, site, 4000)
    draw = world.draw("pictures")
    guids = world.guids_of(draw)
    bombs = [File(f"bomb {number}", one_picture(8192, 43_000, draw.randbytes(16))) for number in range(10)]
    honest = File("honest", ten_seconds(draw.randbytes(16)))
    await world.begin()
    oracle = world.oracle
    for bomb in bombs:
        await Page(world, world.client("127.0.13.1"), bomb, next(guids), 2 * MIB, asks=False).run()
    page = Page(world, world.client("127.0.13.2"), honest, next(guids), 2 * MIB, asks=False)
    await page.run()
    number = page.last.data.get("video_id")
    began = time.monotonic()

    def jobs():
        return site.select("SELECT state, attempts, error FROM job")

    state = None
    # A minute on a machine of its own.
    while state != "ready" and time.monotonic() < began + 600:
        await asyncio.sleep(0.2)
        with contextlib.suppress(Reset):
            state = (await page.client.ask("video_info", video_id=number)).data.get("state")
    oracle.notes["seconds until the honest video was ready"] = round(time.monotonic() - began)
    if state != "ready":
        oracle.breaks("an honest video does not wait for bombs", page.who, f"{state} after 600 s: {jobs()}")
    # Each is refused, or gives its slot up within 10 minutes.
    while any(state in ("queued", "running") for state, _, _ in jobs()) and time.monotonic() < began + 6000:
        await asyncio.sleep(0.5)
    oracle.notes["seconds until no job was left"] = round(time.monotonic() - began)
    for state, attempts, error in jobs():
        oracle.note(f"jobs {state} after {attempts} attempts: {(error or '')[-120:]}")
        if state not in ("done", "failed"):
            oracle.breaks("no file holds a slot for hours", "the worker", f"{state} after {attempts} attempts")
    await world.end()
    return world


ALL = {
    "mix": mix, "attacker": attacker, "full-disk": full_disk, "deletions": deletions, "descriptors": descriptors, "bombs": bombs,
    "office": office, "slow-disk": slow_disk, "pictures": pictures,
}


async def run(name, options):
    world = await ALL[name](options)
    if world is None:
        return None
    await world.site.close()
    for client in world.clients.values():
        client.close()
    return world
