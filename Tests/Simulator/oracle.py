"""What was acknowledged to clients, and the invariants that follow from it."""

import asyncio
import contextlib
import hashlib
import os
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass, field

from site_under_test import MIB, occupied
from wire import Reset

# What a file, a transaction or a sample of the disk may be off by.
DISK_SLACK = 12 * MIB
# Reasons for which a server that has too many clients refuses one of them.
CROWDED = ("quota", "disk-full", "expired", "unavailable")


@dataclass
class Record:
    """A video that was acknowledged with code 1."""

    number: int
    path: str
    video: object
    state: str = "there"
    # Seconds of the monotonic clock: when `video delete` had ended.
    gone: float = 0


@dataclass
class Broken:
    when: float
    who: str
    what: str


@dataclass
class Oracle:
    world: object
    records: dict = field(default_factory=dict)
    broken: list = field(default_factory=list)
    said: Counter = field(default_factory=Counter)
    notes: Counter = field(default_factory=Counter)
    # Of replies: (action, code, reason).
    replies: Counter = field(default_factory=Counter)
    # By address: replies whose reason is one of CROWDED.
    crowded_out: Counter = field(default_factory=Counter)
    lowest_free: int = 1 << 62
    # Bytes of memory, and descriptors.
    highest: dict = field(default_factory=dict)
    descriptors: dict = field(default_factory=dict)

    def breaks(self, invariant, who, what):
        """`invariant`: a few words that stay the same; each is printed a few times at most."""
        world = self.world
        self.said[invariant] += 1
        self.broken.append(Broken(world.now, who, f"{invariant}: {what}"))
        if self.said[invariant] <= world.most_said:
            print(f"BROKEN at {world.now:.1f} s, {who}: {invariant}: {what}\n    again: {world.again}", flush=True)

    def note(self, what):
        self.notes[what] += 1

    def count(self, address, action, reply):
        self.replies[action, reply.code, reply.reason] += 1
        self.crowded_out[address] += reply.code < 0 and reply.reason in CROWDED
        if reply.status == 500 or reply.reason == "internal":
            self.breaks("no request ends with HTTP 500", action, str(reply))
        elif reply.status == 200 and reply.code == 0 and action != "list_class":
            self.breaks("every reply is JSON with a code", action, str(reply.content[:200]))

    # -- Videos --

    def acknowledge(self, page, reply):
        """A page was told that its file is stored. Returns its record."""
        data, video = reply.data, page.video
        number, path = data.get("video_id"), data.get("path")
        if not number or not path:
            self.breaks("code 1 names a video", page.who, str(data))
            return None
        if data.get("size") not in (None, video.size):
            self.breaks("code 1 tells the size", page.who, f"{data.get('size')} in place of {video.size}")
        return self.remember(number, path, video, page.who, page.began)

    def remember(self, number, path, video, who, began):
        """`began`: when what led to the reply began, in seconds of the monotonic clock."""
        known = self.records.get(number)
        if known is None:
            known = self.records[number] = Record(number, path, video)
        elif known.video.md5 != video.md5 or known.path != path:
            self.breaks(
                "a number is one video", who,
                f"video {number} is {known.path} of {known.video.name}, then {path} of {video.name}")
        elif known.state == "deleted" and known.gone < began:
            self.breaks("what was deleted is not acknowledged again", who, f"video {number} was deleted before that began")
        return known

    def living(self):
        return [record for record in self.records.values() if record.state == "there"]

    async def verify(self, record, client, who):
        """Whether nginx serves exactly its bytes, if it is not deleted meanwhile."""
        for attempt in range(400):
            if record.state != "there" or record.path not in {other.path for other in self.living()}:
                return
            digest = hashlib.md5()
            try:
                reply = await client.get(record.path, digest)
            except Reset:
                await asyncio.sleep(0.2)
                continue
            if record.state != "there":
                return
            if reply.status == 200:
                if digest.hexdigest() != record.video.md5:
                    self.breaks(
                        "what is served are the bytes that were sent", who,
                        f"video {record.number}, {record.path}, is not {record.video.name}")
                return
            if reply.status < 500 and not (reply.status == 409):
                if attempt < 1:
                    await asyncio.sleep(0.2)
                    continue
                record.state = "lost"
                self.breaks(
                    "nothing acknowledged is lost", who,
                    f"video {record.number}, {record.path} ({record.video.name}): HTTP {reply.status}")
                return
            await asyncio.sleep(0.2)

    async def verify_all(self, client):
        waiting = self.living()

        async def work():
            while waiting:
                await self.verify(waiting.pop(), client, "at the end")

        await asyncio.gather(*(work() for _ in range(4)))

    # -- Shares --

    def is_entitled(self, address, page):
        """
        Whether a client that holds no more than its share asks for no more than it. Cautious: all clients that ever came hold or
        ask, and everything that a client has announced and not ended counts for it.
        """
        world = self.world
        held = world.announced[address]
        clients = max(1, len(world.announced))
        if world.site.room_of_uploads() - DISK_SLACK < clients * sum(held.values()):
            return False
        return len(held) <= world.uploads_limit // clients

    def check_no_refusals(self, addresses):
        for address in addresses:
            if count := self.crowded_out[address]:
                self.breaks("nothing is refused to a client within its share", address, f"{count} requests were refused")

    async def watch_share(self, address, pages, doing):
        """
        Of what the disk has for unfinished uploads, this address never holds more than an equal share, or than the others, whose pages these
        are, leave over. What has no record any more counts for it as well.
        """
        site, high = self.world.site, 0
        while True:
            await asyncio.sleep(0.1)
            begun = [page for page in pages if page.acknowledged and page.last.code == 2]
            room = site.room_of_uploads()
            held = site.bytes_of_uploads(address)
            # An upload that is a video already, though its page does not know yet, has taken room and asks for none.
            asked = site.bytes_asked({page.client.address for page in begun if page.last.code == 2})
            room = max(room, site.room_of_uploads())
            if asked == 0:
                continue
            bound = max(room // len(self.world.announced), room - asked)
            high = high + 1 if held > bound + DISK_SLACK else 0
            name = f"MiB of {address}, {doing}, beside others"
            self.notes[name] = max(self.notes[name], held // MIB)
            if high == 2:
                self.breaks(
                    "a client keeps to its share when others ask", address,
                    f"{held // MIB} MiB on the disk; room {room // MIB} MiB for {len(self.world.announced)} clients, "
                    f"others ask for {asked // MIB} MiB")

    def was_deleted(self, page):
        """Whether a video of the page's content was deleted since the page began, or may have been."""
        return any(
            record.video.md5 == page.video.md5 and record.state != "there"
            and (record.state == "deleting" or record.gone >= page.began) for record in self.records.values())

    def refused(self, page, reply):
        """A page's file has ended with a negative code, or its chunk gets 409 again and again."""
        if reply.reason == "expired" and self.was_deleted(page):
            self.note("files whose video was deleted before their page had heard of it")
        elif reply.reason in ("quota", "disk-full", "expired"):
            if page.was_entitled or page.was_entitled is None and self.is_entitled(page.client.address, page):
                self.breaks(
                    "a client below its share is not refused", page.who,
                    f"{page.describe()}: {reply}; room for uploads {world_room(self.world)}")
            else:
                self.note("honest files refused beyond the share")
        elif reply.reason == "md5" and page.may_be_spoiled:
            self.note("files that others spoiled")
        else:
            self.breaks("an honest file is stored", page.who, f"{page.describe()}: {reply}")

    # -- What is looked at all the time --

    async def watch(self):
        world, site = self.world, self.world.site
        low = 0
        while True:
            # The bodies before and after: they come and go.
            bodies = site.bodies
            free = site.free
            bodies = max(bodies, site.bodies)
            self.lowest_free = min(self.lowest_free, free)
            missing = site.reserve - free - bodies - DISK_SLACK
            low = low + 1 if missing > 0 else 0
            if low == 2 and world.keeps_reserve:
                self.breaks(
                    "uploads leave the reserve free", "the disk",
                    f"{free // MIB} MiB free, {bodies // MIB} MiB of bodies, reserve {site.reserve // MIB} MiB")
            self.watch_memory()
            await asyncio.sleep(0.25)

    async def measure_lag(self):
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.02)
            self.world.lag = max(self.world.lag * 0.99, time.monotonic() - began - 0.02)

    def watch_memory(self):
        sums = Counter()
        tree = processes()
        for name, process in self.world.site.processes.items():
            if name != "nginx":
                for pid in descendants(tree, process.pid):
                    sums[name] += tree[pid][1]
                with contextlib.suppress(OSError):
                    count = len(os.listdir(f"/proc/{process.pid}/fd"))
                    self.descriptors[name] = max(self.descriptors.get(name, 0), count)
                sums[f"{name} itself"] += tree.get(process.pid, (0, 0))[1]
        for name, value in sums.items():
            self.highest[name] = max(self.highest.get(name, 0), value)
            bound = self.world.memory_bounds.get(name)
            if bound and value > bound:
                self.breaks("memory is bounded", name, f"{value // MIB} MiB with all children, bound {bound // MIB} MiB")
        reap(self.world.site)

    # -- What is looked at in the end --

    def check_rows(self, bound, disk_bound):
        site = self.world.site
        with contextlib.closing(sqlite3.connect(f"file:{site.data}/video-intake.db?mode=ro", uri=True)) as catalogue:
            tables = [name for name, in catalogue.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
            rows = {name: catalogue.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}
        self.rows = {name: count for name, count in rows.items() if count}
        for name, count in rows.items():
            if count > bound:
                self.breaks("rows are bounded", "the catalogue", f"{count} rows of {name}, bound {bound}")
        size = sum(path.stat().st_size for path in site.data.glob("video-intake.db*"))
        if size > disk_bound:
            self.breaks("the catalogue's size is bounded", "the catalogue", f"{size // MIB} MiB, bound {disk_bound // MIB} MiB")

    async def check_commands(self):
        """`gc`, then `check --deep` without findings, and no trash."""
        site = self.world.site
        for arguments in (("gc",), ("check", "--deep")):
            code, output = await site.command(*arguments)
            if code != 0:
                self.breaks("`check --deep` finds nothing", f"`{' '.join(arguments)}`", f"exit code {code}: {output[-1500:]}")
        trash = site.data / "trash"
        if trash.exists() and (names := list(trash.iterdir())):
            self.breaks("the trash is empty after gc", "the disk", f"{len(names)} left, like {names[0].name}")
        for _ in range(100):
            bodies = list((site.data / "body").iterdir())
            if not bodies:
                break
            await asyncio.sleep(0.1)
        else:
            self.breaks("no request body is left", "the disk", f"{len(bodies)} files, like {bodies[0].name}")
        aside = site.data / "set-aside"
        if aside.exists():
            self.notes["files set aside"] = len(list(aside.iterdir()))

    async def check_metrics(self, client):
        """Counters of a responder that has just been started, and gauges, beside what was seen from outside."""
        site = self.world.site
        site.kill("responder")
        site.start("responder")
        await site.ready()
        before = await metrics(client)
        sent = Counter()
        for kind in range(3):
            for _ in range(kind + 2):
                if kind == 0:
                    reply = await client.ask("determine_video_exist", md5="0" * 32)
                elif kind == 1:
                    reply = await client.ask("determine_chunk_exist", md5="0" * 32, size=1, chunks=1)
                else:
                    reply = await client.ask("video_info", video_id="x")
                action = ("determine_video_exist", "determine_chunk_exist", "video_info")[kind]
                sent[action, str(reply.code), reply.reason] += 1
        after = await metrics(client)
        for (action, code, reason), count in sent.items():
            labels = f'requests_total{{action="{action}",code="{code}",reason="{reason}"}}'
            if after.get(labels, 0) - before.get(labels, 0) != count:
                self.breaks("counters in /metrics agree", "/metrics", f"{labels} grew by "
                            f"{after.get(labels, 0) - before.get(labels, 0)} in place of {count}")
        # A crash may leave the file of one that has given way.
        recorded = {f"{number}.part" for number, in site.select("SELECT upload_id FROM upload WHERE state = 'open'")}
        parts = sum(path.name in recorded for path in (site.data / "incoming").glob("*"))
        uploads = after.get("open_uploads")
        if uploads is None or uploads < parts:
            self.breaks("counters in /metrics agree", "/metrics", f"open_uploads {uploads}, files of uploads {parts}")
        held = occupied(site.data / "incoming")
        received = after.get("upload_received_bytes", -1)
        # Rounded up to pages for each chunk of each.
        if received < held / 4 - MIB:
            self.breaks(
                "counters in /metrics agree", "/metrics", f"upload_received_bytes {received}, on disk {held}")
        above = after.get("free_bytes_above_reserve")
        if above is not None and abs(max(0, above) - max(0, site.free - site.reserve)) > DISK_SLACK:
            self.breaks(
                "counters in /metrics agree", "/metrics", f"free_bytes_above_reserve {above}, {site.free - site.reserve} seen")


def world_room(world):
    room = world.site.room_of_uploads()
    return f"{room // MIB} MiB for {len(world.announced)} clients"


async def metrics(client):
    reply = await client.get("metrics")
    values = {}
    for line in reply.content.decode().splitlines():
        if line.startswith("video_intake_"):
            name, _, value = line.removeprefix("video_intake_").rpartition(" ")
            values[name] = float(value)
    return values


def processes():
    """By pid: (parent, resident bytes)."""
    page = os.sysconf("SC_PAGE_SIZE")
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError), open(f"/proc/{name}/stat") as file:
                words = file.read().rpartition(")")[2].split()
                found[int(name)] = (int(words[1]), int(words[21]) * page)
    return found


def descendants(tree, root):
    if root not in tree:
        return []
    found, children = [root], {}
    for pid, (parent, _) in tree.items():
        children.setdefault(parent, []).append(pid)
    for pid in found:
        found += children.get(pid, [])
    return found


def reap(site):
    """Children of processes that were killed: this is process 1 here."""
    if os.getpid() != 1:
        return
    known = {process.pid for process in site.processes.values()}
    with contextlib.suppress(OSError):
        with open("/proc/1/task/1/children") as file:
            children = file.read().split()
        for pid in map(int, children):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
                text = file.read()
                # Not those that asyncio waits for: they are our own commands, which have our session.
                words = text.rpartition(")")[2].split()
                if words[0] == "Z" and pid not in known and int(words[3]) != os.getsid(0):
                    os.waitpid(pid, os.WNOHANG)
    time.sleep(0)
