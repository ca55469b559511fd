"""Backup, destruction, restore."""

from checks import Checks, must
from shop import SERVICES, Site
from topics.webhook import events

DATA = "/var/lib/video-intake"


def run(site: Site, check: Checks, videos):
    machine = site.machine
    kept = site.upload(videos["chunks"])
    last_event = 0

    with check("backup while it serves"):
        machine.shell("install -d -o www-data -g www-data -m 750 /srv/backup")
        output = machine.shell("runuser -u www-data -- video-intake backup /srv/backup/1")
        must("read back" in output, output)

    with check("what came after the backup, then all of the data directory is gone"):
        lost = site.upload(videos["small"])
        machine.wait_until("its event", lambda: events(site, lost["video_id"]), 30)
        last_event = events(site, lost["video_id"])[-1]
        machine.shell(f"""
            systemctl stop {' '.join(SERVICES)}
            find {DATA} -mindepth 1 -delete
        """)
        site.refused(videos["small"], 409)

    with check("restore: the videos of the backup are there, check finds nothing"):
        machine.shell("video-intake restore /srv/backup/1")
        machine.shell(f"systemctl start {' '.join(SERVICES)}")
        site.are_active()
        site.is_stored(kept, videos["chunks"])
        output = machine.shell("runuser -u www-data -- video-intake check --deep")
        must("0 findings" in output, output)

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
