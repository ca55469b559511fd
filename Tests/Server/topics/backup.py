"""Backup, destruction, restore."""

from checks import Checks, must
from shop import Site
from topics.webhook import events


def run(site: Site, check: Checks, videos):
    machine = site.machine
    kept = site.upload(videos["chunks"])
    last_event = 0

    with check("backup while it serves, and a second one that shares what has not changed"):
        output = site.run_documented("backup")
        must(output.count("read back") == 2 and kept["path"] in output, output)

    with check("what came later, and then all of the data, is lost; the drill of the README brings back what can be"):
        lost = site.upload(videos["small"])
        machine.wait_until("its event", lambda: events(site, lost["video_id"]), 30)
        last_event = events(site, lost["video_id"])[-1]
        output = site.run_documented("restore-drill")
        must("videos go on above number" in output and " 0 findings" in output, output)
        site.are_active()
        site.is_stored(kept, videos["chunks"])

    with check(
        "a new video has a number and an event that nothing had before; a receiver that drops by id keeps both"
    ) as notes:
        new = site.upload(videos["small"])
        must(new["video_id"] > lost["video_id"], f"{new['video_id']} after {lost['video_id']}")
        machine.wait_until("its event", lambda: events(site, new["video_id"]), 30)
        event = events(site, new["video_id"])[0]
        must(event["id"] > last_event["id"] and event["epoch"] != last_event["epoch"], (event, last_event))
        must(events(site, lost["video_id"])[-1] == last_event, "the old event is gone")
        notes.append(f"video {lost['video_id']} then {new['video_id']}, event {last_event['id']} then {event['id']}")
