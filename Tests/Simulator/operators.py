"""Those who run the site: they delete, clean up, and everything is killed and started again."""

import asyncio

from site_under_test import MIB, occupied


async def deletes(world, draw, limit):
    """Deletes videos, more when they take more than `limit` bytes; now and then the command is killed."""
    oracle, site = world.oracle, world.site
    while True:
        await asyncio.sleep(draw.random() * 0.6)
        living = oracle.living()
        if not living:
            continue
        crowded = occupied(site.data / "upload") > limit
        chosen = draw.sample(living, min(len(living), draw.randrange(10, 40) if crowded else draw.randrange(1, 4)))
        await delete(world, chosen, 0.01 + draw.random() * 0.2 if world.kills and draw.random() < 0.15 else None)


async def delete(world, records, kill_after=None):
    if not records:
        return
    for record in records:
        record.state = "deleting"
    code, output = await world.site.command(
        "video", "delete", "--yes", *(str(record.number) for record in records), kill_after=kill_after)
    for record in records:
        # Of a command that was killed it is not known.
        record.state = "deleted" if code == 0 else "unknown"
        record.gone = world.clock()
    if code > 0:
        world.oracle.breaks(
            "`video delete` works", "an operator", f"videos {[record.number for record in records]}: exit code {code}: {output[-600:]}")


async def expire(world):
    """Removes unfinished uploads, as if no chunk had come for longer than they live."""
    world.site.change("UPDATE upload SET update_time = 1 WHERE state = 'open'")
    code, output = await world.site.command("gc")
    if code != 0:
        world.oracle.breaks("`gc` works", "an operator", f"exit code {code}: {output[-600:]}")
    # The responder may have the files open.
    for _ in range(100):
        if (held := world.site.bytes_without_name) < 32 * MIB:
            break
        await asyncio.sleep(0.1)
    else:
        world.oracle.breaks("what `gc` removed is off the disk within 10 s", "an operator", f"{held // MIB} MiB are in use and have no name")


async def cleans(world, draw):
    """`gc`, `check --repair` and `status` at any time."""
    while True:
        await asyncio.sleep(1 + draw.random() * 4)
        arguments = draw.choice([("gc",), ("gc", "--dry-run"), ("check", "--repair"), ("check", "--deep", "--repair"), ("status",)])
        kill_after = 0.02 + draw.random() * 0.3 if world.kills and draw.random() < 0.2 else None
        code, output = await world.site.command(*arguments, kill_after=kill_after)
        if code > 0 and arguments[0] == "gc":
            world.oracle.breaks("`gc` works", "an operator", f"exit code {code}: {output[-600:]}")
        elif code > 0 and arguments[0] == "check":
            world.oracle.breaks("`check --repair` finds nothing lost", "an operator", f"exit code {code}: {output[-900:]}")


async def kills(world, draw):
    """kill -9, of one or of all, and a start as systemd does it: at once or a little later."""
    site = world.site
    names = ["responder", "nginx", *(["worker"] if site.transcodes else [])]
    try:
        while True:
            await asyncio.sleep(0.5 + draw.random() * world.kill_interval * 2)
            chosen = names if draw.random() < 0.2 else [draw.choice([*names, "responder"])]
            for name in chosen:
                site.kill(name)
                world.oracle.note(f"kill -9 of the {name}")
            await asyncio.sleep(draw.choice([0, 0.1, 1]) * draw.random())
            for name in chosen:
                site.start(name)
    finally:
        for name in names:
            if not site.is_running(name):
                site.start(name)


async def supervises(world):
    """What ends by itself is started again, and counted."""
    site = world.site
    while True:
        await asyncio.sleep(0.5)
        for name, process in list(site.processes.items()):
            if process.poll() is not None:
                log = (site.directory / "log" / f"{name}.log").read_text(errors="replace")[-400:]
                world.oracle.breaks("processes end only when they are told to", name, f"status {process.returncode}: {log}")
                site.start(name)
