"""Honest pages: what WebUploader does with a file, and the ways in which pages get into each other's way."""

import asyncio
import itertools
import time

from wire import Reset, Reply

# Seconds in which one chunk has to get through, while processes are killed.
PATIENCE = 120
GETS_THROUGH = "an honest chunk gets through"


class Page:
    """
    One file of one page. It sends three chunks at once, sends again after 4xx and resets, takes HTTP 200 for stored whatever the code
    is, and the reply that arrives last decides.

    `asks`: determine_video_exist, beside the first chunks. `leaves_after`: chunks after which it is closed. `has`: chunks that it need
    not send. `pace`: seconds that each chunk takes. `doubles`: share of chunks that it sends twice at once. `retries`: how often it sends a
    chunk again, if that is what ends its patience: twice is what WebUploader does.
    """

    def __init__(self, world, client, video, guid, chunk_size, *, name=None, asks=True, tells_size=True, leaves_after=None,
                 has=(), pace=0, doubles=0, may_be_spoiled=False, threads=3, patience=PATIENCE, retries=None):
        self.world, self.client, self.video, self.guid, self.chunk_size = world, client, video, guid, chunk_size
        self.name = name or f"{video.name}.mp4"
        self.asks, self.tells_size, self.leaves_after = asks, tells_size, leaves_after
        self.has, self.pace, self.doubles = set(has), pace, doubles
        self.may_be_spoiled, self.threads, self.patience, self.retries = may_be_spoiled, threads, patience, retries
        self.chunks = max(1, -(-video.size // chunk_size))
        self.waiting = [chunk for chunk in range(self.chunks) if chunk not in self.has] or [self.chunks - 1]
        self.acknowledged = set()
        # Requests without a reply.
        self.lost_replies = 0
        self.last = None
        # Those with HTTP 200: (chunk, when it was sent, reply).
        self.replies = []
        self.gave_up = None
        # Whether its client asked for no more than its share when a chunk was first refused; `None` if none was.
        self.was_entitled = None
        self.known = None
        self.began = time.monotonic()
        self.who = f"{type(self).__name__.lower()} {guid} of {client.address}"

    def describe(self):
        return (f"{self.video.name}, {self.video.size} bytes in {self.chunks} chunks of {self.chunk_size}"
                f"{'' if self.tells_size else ', no size'}")

    def history(self):
        """The last replies with HTTP 200; seconds since the page began."""
        return "; ".join(
            f"chunk {chunk} sent at {sent - self.began:.3f}, answered at {reply.arrived - self.began:.3f}: code {reply.code} {reply.reason}"
            for chunk, sent, reply in self.replies[-8:])

    def fields(self, chunk):
        fields = {
            "guid": self.guid, "file_name": self.name, "id": f"WU_FILE_{self.guid[13:]}", "name": "video.mp4",
            "type": "video/mp4", "lastModifiedDate": "Mon Mar 02 2026 10:00:00 GMT+0800",
            "size": self.video.size if self.tells_size else None,
        }
        if self.chunks > 1:
            fields |= {"chunks": self.chunks, "chunk": chunk}
        return fields | {"md5": self.video.md5, "class_id": "0", "unsize_change": "1"}

    async def run(self):
        """`stored`, `known`, `left`, `refused`, `gave up` or `exists`; what may not be is said to the oracle."""
        world = self.world
        key = (self.video.md5, self.guid)
        world.announced[self.client.address][key] = self.video.size
        world.guids.append(self.guid)
        self.sending = [asyncio.create_task(self.work()) for _ in range(min(self.threads, len(self.waiting)))]
        tasks = [*self.sending, *([asyncio.create_task(self.ask())] if self.asks else [])]
        try:
            await asyncio.gather(*tasks)
        except asyncio.CancelledError:
            if self.known is None:
                raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        outcome = await self.judge()
        # What was left, or broken off, lives on in the server; what was sent and not answered may.
        if outcome == "stored" or not (self.acknowledged or self.lost_replies):
            world.announced[self.client.address].pop(key, None)
        world.outcomes[outcome] += 1
        return outcome

    async def judge(self):
        oracle, last = self.world.oracle, self.last
        # Replies that came nearly at once on several connections: their order is not known here.
        if last is not None and last.code == 2:
            for _, _, reply in self.replies:
                if reply.code != 2 and last.arrived - reply.arrived < 0.02 + 2 * self.world.lag:
                    oracle.note("last replies of which the order is not known")
                    last = reply
                    break
        if self.known is not None:
            await oracle.verify(self.known, self.client, self.who)
            return "known"
        if self.leaves_after is not None and len(self.acknowledged) >= self.leaves_after and (last is None or last.code == 2):
            return "left"
        if self.gave_up is not None:
            if isinstance(self.gave_up, Reply) and self.gave_up.reason in ("quota", "disk-full"):
                oracle.refused(self, self.gave_up)
            else:
                oracle.breaks(GETS_THROUGH, self.who, f"{self.describe()}: after many tries only {self.gave_up}; {self.history()}")
            return "gave up"
        if last.code == 1:
            record = oracle.acknowledge(self, last)
            if record is not None:
                await oracle.verify(record, self.client, self.who)
            return "stored"
        if last.code == 2:
            oracle.breaks(
                "an honest file never ends in 视频已存在", self.who, f"{self.describe()}: the last reply is code 2; {self.history()}")
            return "exists"
        oracle.refused(self, last)
        return "refused"

    async def ask(self):
        """determine_video_exist; on code 1 the page aborts what it sends, as WebUploader does."""
        try:
            reply = await self.client.ask("determine_video_exist", md5=self.video.md5, type=1)
        except Reset:
            return
        if reply.code != 1 or (self.last is not None and not self.waiting):
            return
        record = self.world.oracle.records.get(reply.data.get("video_id"))
        if reply.data.get("size") != self.video.size:
            self.world.oracle.breaks(
                "determine_video_exist tells of the same file", self.who, f"{reply.data} for {self.describe()}")
        if record is None or record.state != "there":
            # Not acknowledged by us yet, or about to be deleted: the page goes on.
            return
        self.known = record
        self.waiting.clear()
        for task in self.sending:
            task.cancel()

    async def work(self):
        while self.waiting and not self.has_left():
            chunk = self.waiting.pop(0)
            if self.world.random.random() < self.doubles:
                await asyncio.gather(self.deliver(chunk), self.deliver(chunk))
            else:
                await self.deliver(chunk)

    def has_left(self):
        return self.leaves_after is not None and len(self.acknowledged) >= self.leaves_after

    async def deliver(self, chunk):
        """Until it counts as stored, or the patience ends: soon where the run has failed anyway."""
        deadline = time.monotonic() + (self.patience if self.world.oracle.said[GETS_THROUGH] <= 3 else 3)
        content = self.video.piece(chunk * self.chunk_size, self.chunk_size)
        for attempt in itertools.count():
            try:
                sent = time.monotonic()
                answer = await self.client.upload(self.fields(chunk), content, pace=self.pace)
                if answer.status == 200:
                    return self.take(chunk, sent, answer)
                if answer.reason == "length" and not self.may_be_spoiled:
                    self.world.oracle.breaks("an honest chunk has the right length", self.who, f"{self.describe()}: {answer}")
                    self.gave_up = answer
                    self.waiting.clear()
                    return None
            except Reset as error:
                self.lost_replies += 1
                answer = error
            if time.monotonic() > deadline if self.retries is None else attempt == self.retries:
                self.gave_up = answer
                self.waiting.clear()
                return None
            await asyncio.sleep(min(1.5, 0.1 * 2 ** min(attempt, 6)) * (0.5 + self.world.random.random()))

    def take(self, chunk, sent, reply):
        self.replies.append((chunk, sent, reply))
        # What comes later is told the same refusal, whatever the client holds by then.
        if reply.reason in ("quota", "disk-full", "expired") and self.was_entitled is None:
            self.was_entitled = self.world.oracle.is_entitled(self.client.address, self)
        if self.last is None or reply.arrived >= self.last.arrived:
            self.last = reply
        if reply.code in (1, 2):
            self.acknowledged.add(chunk)
            if reply.code == 1 and reply.data.get("guid") not in (None, self.guid):
                self.world.oracle.breaks("code 1 names the page's guid", self.who, str(reply.data))


async def resume(world, client, video, guids, chunk_size, random):
    """A page that is closed in the middle and opened again, on this address: nothing that was acknowledged comes again."""
    chunks = -(-video.size // chunk_size)
    first = Page(world, client, video, next(guids), chunk_size, leaves_after=random.randrange(1, max(2, chunks)))
    if await first.run() != "left":
        return
    await asyncio.sleep(random.random())
    for _ in range(200):
        try:
            reply = await client.ask(
                "determine_chunk_exist", md5=video.md5, size=video.size, chunks=chunks, chunk_size=chunk_size)
            if reply.code in (1, 2):
                break
        except Reset:
            pass
        await asyncio.sleep(0.3)
    else:
        world.oracle.breaks("questions are answered", first.who, "determine_chunk_exist did not answer in 60 s")
        return
    received = chunk_set(reply.data.get("received", "")) if reply.code == 1 else set()
    missing = first.acknowledged - received
    if missing and (reply.code == 1 or not await is_known(client, video)):
        if world.oracle.is_entitled(client.address, first):
            world.oracle.breaks(
                "no acknowledged chunk is lost", first.who,
                f"{first.describe()}: chunks {sorted(missing)} were acknowledged; determine_chunk_exist: code {reply.code} {reply.data}")
        else:
            world.oracle.note("honest uploads evicted beyond the share")
    await Page(world, client, video, next(guids), chunk_size, has=received).run()
    for key in [key for key in world.announced[client.address] if key == (video.md5, first.guid)]:
        del world.announced[client.address][key]


async def instant(world, client, video, guid, name):
    """Instant upload of what somebody has uploaded: a record of its own, and the same one when it is asked again."""
    who = f"instant upload {guid} of {client.address}"
    numbers = set()
    for _ in range(2):
        try:
            reply = await client.ask(
                "determine_video_exist", md5=video.md5, type=1, file_name=name, guid=guid, size=video.size)
        except Reset:
            continue
        if reply.code < 0 and reply.status == 200:
            world.oracle.breaks("an instant upload is not refused", who, str(reply))
        if reply.code != 1:
            continue
        path = reply.data.get("video_url", "").partition("/upload/")[2]
        record = world.oracle.remember(reply.data.get("video_id"), f"upload/{path}", video, who, world.clock())
        if record.state == "there":
            numbers.add(record.number)
    world.outcomes["instant"] += bool(numbers)
    for number in numbers:
        await world.oracle.verify(world.oracle.records[number], client, who)
    living = [number for number in numbers if world.oracle.records[number].state == "there"]
    if len(living) > 1:
        world.oracle.breaks("an instant upload that is repeated makes one record", who, f"videos {sorted(living)}")


async def is_known(client, video):
    for _ in range(50):
        try:
            return (await client.ask("determine_video_exist", md5=video.md5, type=1)).code == 1
        except Reset:
            await asyncio.sleep(0.3)
    return False


def chunk_set(text):
    found = set()
    for part in text.split(","):
        if part:
            first, _, last = part.partition("-")
            found |= set(range(int(first), int(last or first) + 1))
    return found
