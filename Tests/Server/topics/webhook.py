"""The receiver of the README: PHP-FPM and MariaDB."""

import json

from checks import Checks, must
from shop import Site
from topics.uploads import transcoded


def events(site: Site, video: int) -> list[dict]:
    """What the shop was told of the video, in order."""
    output = site.machine.shell(
        "mariadb --batch --skip-column-names --raw shop -e "
        f"'SELECT event FROM video_event WHERE video_id = {video} ORDER BY id'"
    )
    return [json.loads(line) for line in output.splitlines()]


def run(site: Site, check: Checks, videos):
    machine = site.machine
    with check("set up as the README says; without a secret the receiver refuses"):
        site.run_documented("receiver")
        reply = site.get("/hook.php", "-d", "{}", "-H", "X-Video-Intake-Signature: t=1,v1=" + "0" * 64)
        must(reply.status == 503, reply)

    with check("with one, which a reload brings, it refuses what is not signed with it"):
        pid = site.show("video-intake", "MainPID")
        site.run_documented("receiver-secret")
        reply = site.get("/hook.php", "-d", "{}", "-H", "X-Video-Intake-Signature: t=1,v1=" + "0" * 64)
        must(reply.status == 403, reply)
        must(site.show("video-intake", "MainPID") == pid, "that needed a restart")

    with check("the shop hears of an upload and that it is transcoded"):
        # Other bytes each time, so that it is transcoded anew.
        file = site.work / "told.mp4"
        content = videos["small"].read_bytes()
        file.write_bytes(content + (16).to_bytes(4, "big") + b"freetold" + bytes(4))
        number = site.upload(file)["video_id"]
        transcoded(site, number)
        machine.wait_until(
            "two events",
            lambda: [event["kind"] for event in events(site, number)] == ["upload.completed", "video.ready"],
            30,
        )
        for event in events(site, number):
            must(event["id"] > 0 and event["epoch"] and event["path"].startswith("upload/mp4/"), event)
        errors = machine.journal("-p", "err", "-u", "video-intake-worker", "--since", "-2min")
        must(errors == "", errors)
