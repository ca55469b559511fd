"""The data on another disk, a disk that is late, and another path."""

from checks import Checks, must
from shop import SERVICES, Site

DATA = "/var/lib/video-intake"


def move(site: Site, check: Checks, videos):
    machine = site.machine
    kept = site.upload(videos["small"])
    with check("the data moves to another disk, as the README says; nothing is lost"):
        site.run_documented("move-copy")
        later = site.upload(videos["other"])
        output = site.run_documented("move-switch")
        must("0 findings" in output, output)
        must(machine.shell(f"findmnt -no FSTYPE {DATA}") == "ext4", "it is not on the disk")
        site.are_active()
        site.is_stored(kept, videos["small"])
        site.is_stored(later, videos["other"])
        site.upload(videos["chunks"])


def late(site: Site, check: Checks, videos, devices):
    machine = site.machine
    number = int(site.sql("SELECT max(video_id) FROM video_info"))
    with check("a boot without the disk: nginx starts, the shop is there, uploads get 409"):
        machine.power_off()
        machine.boot(devices=devices)
        # Nobody in a container tells systemd that the disk is there: it is late until somebody mounts it.
        must(machine.run("findmnt", DATA, check=False).stdout == "", "the disk is there")
        must(machine.run("systemctl", "is-active", "nginx").stdout.strip() == "active", "no nginx")
        must(site.get("/").status == 200, "no shop")
        machine.wait_until("409, unavailable", lambda: site.refused(videos["small"], 409, "unavailable"), 30)
        must(not machine.path(DATA + "/video-intake.db").exists(), "there is a new catalogue")
        must("is the disk mounted?" in machine.journal("-u", "video-intake"), machine.journal("-u", "video-intake"))

    with check("commands say so too, and make nothing"):
        done = machine.run("runuser", "-u", "www-data", "--", "video-intake", "video", "list", check=False)
        must(done.returncode == 64 and "is the disk mounted?" in done.stdout, done)
        done = machine.run("video-intake", "init", check=False)
        must(done.returncode == 64 and "mount it first" in done.stdout, done)
        must(not machine.path(DATA + "/video-intake.db").exists(), "there is a new catalogue")

    with check("after half a minute it still looks for the disk, and goes on by itself when it is mounted"):
        machine.shell("sleep 20")
        machine.run("mount", DATA)
        machine.wait_until(
            "an upload",
            lambda: (site.try_upload(videos["small"], "--retries", "0")["reply"] or {}).get("code") == 1,
            30,
            1,
        )
        machine.wait_until("the worker", lambda: site.show("video-intake-worker", "ActiveState") == "active", 30)
        must(int(site.sql("SELECT max(video_id) FROM video_info")) > number, "another catalogue")


def other_path(site: Site, check: Checks, videos):
    """One setting, the paths in site.conf, and one drop-in."""
    machine = site.machine
    with check("another path: one setting and the drop-in of the README; and back"):
        drop_in = site.documented.text("other-path")
        machine.shell(f"""
            systemctl stop {' '.join(SERVICES)}
            mkdir -p /srv/videos; cp -a {DATA}/. /srv/videos/
            chown www-data:www-data /srv/videos; chmod 750 /srv/videos
            cp -p /etc/default/video-intake /root/settings
            echo VIDEO_INTAKE_DATA_DIRECTORY=/srv/videos >>/etc/default/video-intake
            cp -p /etc/nginx/snippets/video-intake/site.conf /root/site.conf
            sed -i 's|{DATA}|/srv/videos|' /etc/nginx/snippets/video-intake/site.conf
        """)
        for unit in SERVICES[1:]:
            machine.write(f"/etc/systemd/system/{unit}.d/override.conf", drop_in)
        machine.shell(f"systemctl daemon-reload; systemctl start {' '.join(SERVICES)}")
        site.reload_nginx()
        site.are_active()
        data = site.upload(videos["small"])
        site.is_stored(data, videos["small"])
        must(machine.path(f"/srv/videos/{data['path']}").exists(), "it is elsewhere")
        machine.shell(f"""
            systemctl stop {' '.join(SERVICES)}
            rm -r /etc/systemd/system/video-intake*.service.d; cp -p /root/settings /etc/default/video-intake
            cp -p /root/site.conf /etc/nginx/snippets/video-intake/site.conf
            systemctl daemon-reload; systemctl start {' '.join(SERVICES)}
        """)
        site.reload_nginx()
        site.upload(videos["small"])
