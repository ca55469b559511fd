"""A disk at its reserve, as those see it who look: monitoring, the journal, an operator."""

import re

from checks import Checks, must
from shop import Site

SETTINGS = "/etc/default/video-intake"


def run(site: Site, check: Checks, videos):
    machine = site.machine
    with check("ready, and /metrics is for this machine only"):
        must(site.get("/healthz?ready").json()["data"]["ready"] is True, site.get("/healthz?ready"))
        must('video_intake_build_info{version="' in site.get("/metrics").body, "no metrics")

    machine.shell(
        f"cp -p {SETTINGS} /root/settings; echo VIDEO_INTAKE_RESERVE=1024G >>{SETTINGS}; systemctl restart video-intake"
    )
    try:
        with check("/healthz?ready says 503, disk-full; /healthz 200"):
            reply = site.get("/healthz?ready")
            must(reply.status == 503 and reply.json()["data"]["reason"] == "disk-full", reply)
            must(site.get("/healthz").status == 200, "not even alive")

        with check("uploads are refused with the reason, and journalctl -p warning has one line with a count"):
            content = videos["small"].read_bytes()
            for number in range(5):
                file = site.work / "refused.mp4"
                file.write_bytes(content + (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big"))
                reply = site.try_upload(file)["reply"]
                must(reply["code"] == -3, reply)
            lines = [
                line
                for line in machine.journal("-p", "warning", "-u", "video-intake", "--since", "-1min").splitlines()
                if "disk-full" in line or "disk full" in line
            ]
            must(len(lines) == 1 and re.search(r"\b\d+\b", lines[0]), lines)

        with check("/metrics and status say so, and status what to do"):
            value = re.search(
                r'^video_intake_free_bytes_above_reserve\{file_system="data"\} (\S+)$',
                site.get("/metrics").body,
                re.MULTILINE,
            )
            must(value and float(value[1]) < 0, value)
            status = machine.run("runuser", "-u", "www-data", "--", "video-intake", "status", check=False).stdout
            must("RESERVE" in status or "reserve" in status, status)
    finally:
        machine.shell(f"cp -p /root/settings {SETTINGS}; systemctl restart video-intake")

    with check("with room again it is ready"):
        machine.wait_until("ready", lambda: site.get("/healthz?ready").status == 200, 10)
        site.upload(videos["small"])
