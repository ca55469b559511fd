"""A simulator of hostile and honest clients; see Tests/simulator. It runs as process 1 of its own namespaces."""

import argparse
import asyncio
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import scenarios
from site_under_test import MIB


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--soak", action="store_true")
    parser.add_argument("--only", action="append", choices=list(scenarios.ALL))
    parser.add_argument("--keep", action="store_true")
    return parser.parse_args()


class Options:
    def __init__(self, directory, seed, seconds, soak):
        self.directory, self.seed, self.seconds, self.soak = directory, seed, seconds, soak


def run(name, seed, seconds, arguments):
    """Returns how many invariants were broken."""
    directory = Path(tempfile.mkdtemp(prefix=f"video-intake-simulator.{name}."))
    began = time.monotonic()
    print(f"== {name}, seed {seed}", flush=True)
    site = None
    try:
        world = asyncio.run(scenarios.run(name, Options(directory, seed, seconds, arguments.soak)))
        if world is None:
            shutil.rmtree(directory)
            return 0
        site = world.site
    except BaseException:
        print(f"FAIL {name}, seed {seed}: the logs are in {directory}/log", flush=True)
        raise
    oracle = world.oracle
    said = ", ".join(f"{count} {what}" for what, count in sorted(world.outcomes.items()))
    print(f"   {time.monotonic() - began:.0f} s; pages: {said or 'none'}; {len(oracle.records)} videos; "
          f"{sum(oracle.replies.values())} replies; least free {oracle.lowest_free // MIB} MiB, reserve {site.reserve // MIB}")
    refusals = {}
    for (_, code, reason), count in oracle.replies.items():
        if code < 0:
            refusals[reason or "?"] = refusals.get(reason or "?", 0) + count
    print("   refusals:", ", ".join(f"{reason} {count}" for reason, count in sorted(refusals.items())) or "none")
    print("   memory:", ", ".join(f"{what} {value // MIB} MiB" for what, value in sorted(oracle.highest.items())) or "not looked at")
    print("   descriptors:", ", ".join(f"{what} {value}" for what, value in sorted(oracle.descriptors.items())))
    print("   rows:", ", ".join(f"{table} {count}" for table, count in sorted(oracle.rows.items())))
    if oracle.notes:
        print("   notes:", ", ".join(f"{what} {count}" for what, count in sorted(oracle.notes.items())))
    for invariant, count in oracle.said.most_common():
        print(f"FAIL {name}, seed {seed}: {invariant}: {count} times")
    if not oracle.broken and not arguments.keep:
        shutil.rmtree(directory, ignore_errors=True)
    else:
        print(f"   logs: {directory}/log")
    sys.stdout.flush()
    return len(oracle.broken)


def main():
    arguments = parse()
    # As Ctrl-C: process 1 of a namespace has no other way to end of a signal.
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    seed = random.SystemRandom().randrange(10 ** 6) if arguments.seed is None else arguments.seed
    broken = 0
    for name in arguments.only or list(scenarios.ALL):
        if name == "mix" and arguments.soak and arguments.seed is None:
            broken += sum(run(name, seed + more, 600, arguments) for more in range(3))
        else:
            broken += run(name, seed, 600 if arguments.soak else arguments.seconds, arguments)
    print(f"{broken} broken invariants" if broken else "no invariant is broken", flush=True)
    sys.exit(1 if broken else 0)


main()
