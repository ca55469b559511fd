"""Removal and purge keep the data."""

from checks import Checks, must
from shop import SERVICES, Site

DATA = "/var/lib/video-intake"


def run(site: Site, check: Checks, videos):
    machine = site.machine
    with check("remove: nothing runs, nginx goes on, uploads get 409, settings and data stay"):
        machine.shell("apt-get remove --yes video-intake")
        states = machine.run("systemctl", "is-active", *SERVICES, check=False).stdout.split()
        must("active" not in states, states)
        site.reload_nginx()
        site.refused(videos["small"], 409)
        must(
            machine.run("cat", "/etc/default/video-intake").stdout.count("VIDEO_INTAKE_TRANSCODE=yes") == 1,
            "no settings",
        )
        must(machine.run("stat", DATA + "/video-intake.db", check=False).returncode == 0, "no catalogue")

    with check("installed again: it goes on with the same videos"):
        # An older one than before, if the upgrades were tried: the catalogue is the same.
        machine.shell(
            f"cd /root; apt-get install --yes --allow-downgrades --no-install-recommends ./{site.package.name}"
        )
        site.are_active()
        site.is_stored(site.upload(videos["small"]), videos["small"])

    with check("purge: says what of nginx's configuration has to go, keeps the data and says where it lies"):
        output = site.run_documented("purge")
        must(f"stay in {DATA}. To remove them too: rm -r {DATA}\n" in output, output)
        must("sites-enabled/shop" in output and "include snippets/video-intake/upload.conf" in output, output)
        must(machine.run("stat", DATA + "/video-intake.db", check=False).returncode == 0, "no catalogue")
        must(
            machine.run("stat", "/etc/default/video-intake", check=False).returncode != 0,
            "the settings are still there",
        )
        left = machine.shell(
            "find /etc /lib/systemd /usr/bin /usr/share -path '*video-intake*' -not -path '*/doc/*' | head"
        ).split()
        # What an operator has made himself.
        left = [
            path
            for path in left
            if "-b" not in path
            and path not in ("/etc/nginx/conf.d/video-intake-login.conf", "/etc/nginx/snippets/video-intake")
        ]
        must(not left, left)

    with check("with the shop's server as it was before, nginx -t passes and PHP has the addresses again"):
        site.put_server("shop-before")
        machine.shell("rm -f /etc/nginx/sites-enabled/b")
        site.reload_nginx()
        must(site.get("/service/upload/upload_file", "-d", "").body == "the shop's front page\n", "PHP is not asked")
