"""A second site on the same machine, by the template units."""

import re

from checks import Checks, must
from shop import Site
from topics.restart import with_version

UNITS = ["video-intake@b.socket", "video-intake@b.service", "video-intake-worker@b.service"]


def run(site: Site, check: Checks, videos):
    machine = site.machine
    with check("a second site as the README says: videos, settings, numbers and process of its own"):
        site.run_documented("second-site")
        server = site.documented.text("shop-after").replace("shop.example.com", "b.example.com")
        machine.write(
            "/etc/nginx/sites-available/b", server.replace("video-intake/site.conf;", "video-intake/site-b.conf;")
        )
        machine.shell("ln -s ../sites-available/b /etc/nginx/sites-enabled/")
        site.reload_nginx()
        site.are_active(*UNITS)
        data = site.upload(videos["small"], "--host", "b.example.com")
        must(data["video_id"] == 1 and data["video_data"]["video_url"].startswith("http://b.example.com/"), data)
        must(machine.path(f"/var/lib/video-intake-b/{data['path']}").exists(), "its file is elsewhere")

    with check("the sites do not see each other's videos"):
        output = machine.shell("runuser -u www-data -- video-intake video list --site b --json")
        must(output.count('"video_id"') == 1, output)
        must(site.get("/" + data["path"]).status == 404, "the first site has it")
        must(site.get("/" + data["path"], "-I", host="b.example.com").status == 200, "the second has not")
        must(site.show("video-intake@b", "MainPID") != site.show("video-intake", "MainPID"), "one process")

    with check("an upgrade as the README says restarts it too"):
        pid = site.show("video-intake@b", "MainPID")
        version = re.search(r"video-intake_([0-9.]+)_", site.documented.text("upgrade"))[1]
        site.copy_package(with_version(site.package, site.work, version))
        site.run_documented("upgrade")
        must(machine.shell("dpkg-query -W -f '${Version}' video-intake") == version, "it is not installed")
        site.are_active(*UNITS)
        must(site.show("video-intake@b", "MainPID") != pid, "the old process goes on")
        site.upload(videos["chunks"], "--host", "b.example.com")
