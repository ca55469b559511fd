"""The production path of the README, command by command, on a shop that runs."""

from checks import Checks, must
from shop import SERVICES, Site


def run(site: Site, check: Checks, videos):
    machine = site.machine
    with check("the shop runs, as before"):
        site.set_up_shop()
        must(site.get("/upload/2019/05/old.png").headers["content-type"] == "image/png", "its pictures are not there")

    with check("apt-get installs the package; socket, service and worker are active"):
        site.copy_package()
        output = site.run_documented("install")
        must(output.endswith("active\nactive\nactive\n"), output)
        site.are_active()

    with check("a catalogue was made, in a directory that only the service and nginx may enter"):
        output = machine.shell("stat -c '%a %U %G' /var/lib/video-intake /var/lib/video-intake/video-intake.db")
        must(output == "750 www-data www-data\n640 www-data www-data", output)

    with check("the settings are a conffile, 0640 root:www-data"):
        must(
            "/etc/default/video-intake" in machine.shell("dpkg-query -W -f '${Conffiles}' video-intake"), "no conffile"
        )
        output = machine.shell("stat -c '%a %U %G' /etc/default/video-intake")
        must(output == "640 root www-data", output)

    with check("the units start at the next boot too, and systemd finds no fault in them"):
        output = machine.run("systemctl", "is-enabled", *SERVICES).stdout.split()
        must(output == ["enabled"] * 3, output)
        templates = "video-intake@b.socket video-intake@b.service video-intake-worker@b.service"
        output = machine.shell(f"systemd-analyze verify --man=no {' '.join(SERVICES)} {templates} 2>&1")
        must(output == "", output)

    with check("the example of a shop's server is the README's"):
        example = machine.shell("cat /usr/share/doc/video-intake/examples/shop.conf")
        must(example.endswith(site.documented.text("shop-after").rstrip("\n")), example)

    with check("configured, and two lines in the shop's server"):
        output = site.run_documented("configure")
        must("VIDEO_INTAKE_TRANSCODE=yes" in output, output)
        site.put_server()
        output = site.run_documented("switch")
        must("test is successful" in output, output)
        answer = '{"code":1,"msg":"ok","data":null}'
        machine.wait_until("the service's answer", lambda: site.run_documented("healthz") == answer, 10)

    with check("manual page and completions have every command"):
        names = machine.shell("video-intake --help | sed -n '/^SUBCOMMANDS/,$s/^  \\([a-z]\\+\\) .*/\\1/p'").split()
        must(len(names) > 8, names)
        page = machine.shell("zcat /usr/share/man/man1/video-intake.1.gz")
        must(not [name for name in names if f"video\\-intake {name}" not in page], names)
        for file in (
            "bash-completion/completions/video-intake",
            "zsh/vendor-completions/_video-intake",
            "fish/vendor_completions.d/video-intake.fish",
        ):
            text = machine.shell(f"cat /usr/share/{file}")
            must(not [name for name in names if name not in text], file)
        machine.shell("bash -n /usr/share/bash-completion/completions/video-intake")

    with check(
        "every command of an operator looks at the service's catalogue; who may not read the settings is told so"
    ):
        output = machine.shell("runuser -u www-data -- video-intake config check")
        must("/etc/default/video-intake" in output and "/var/lib/video-intake" in output, output)
        machine.shell("runuser -u www-data -- video-intake video list")
        output = machine.run("runuser", "-u", "nobody", "--", "video-intake", "video", "list", check=False)
        must(output.returncode == 64 and "run this as root or as www-data" in output.stdout, output)


def front(site: Site, check: Checks, videos):
    """What the shop had is still there."""
    machine = site.machine
    with check("front page, login page and /healthz are open to everybody"):
        must(site.get("/").body == "the shop's front page\n", lambda: site.get("/"))
        must(site.get("/login.php").body == "the shop's login page\n", lambda: site.get("/login.php"))
        must(site.get("/healthz").status == 200, lambda: site.get("/healthz"))

    with check("the shop's old files below /upload/ have their types, once site.conf says where they are"):
        machine.shell("""
            cd /etc/nginx/snippets/video-intake
            sed -i 's|^set $video_intake_old_root "";|set $video_intake_old_root /var/www/shop;|' site.conf
        """)
        site.reload_nginx()
        for name, kind in (("old.png", "image/png"), ("list.pdf", "application/pdf")):
            reply = site.get(f"/upload/2019/05/{name}")
            must(reply.status == 200 and reply.headers["content-type"] == kind, reply)
        must(site.get("/upload/2019/05/none.png").status == 404, "a file that is not there")
