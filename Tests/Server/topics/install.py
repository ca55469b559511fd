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


def take_over(site: Site, check: Checks, videos):
    """Numbers, categories and videos from before, as the README says."""
    machine = site.machine
    with check("numbers go on above the shop's, categories keep theirs"):
        site.run_documented("numbers")
        output = site.run_documented("categories")
        must("1\t攻略\t斗罗大陆\n7\t直播\t斗罗大陆\n8\t教程" in output, output)
        must(site.upload(videos["other"], "--name", "take over")["video_id"] == 100001, "another number")

    with check("an old video that gets a record is known to instant upload; its number is never given out again"):
        old = "/var/www/shop/upload/mp4/2019/05/original"
        machine.shell(f"mkdir -p {old}; truncate -s 52428800 {old}/15570000000001.mp4")
        must(site.run_documented("old-videos") == "", "nginx cannot read these")
        site.run_documented("old-records")
        reply = site.ask("determine_video_exist", md5="9e107d9d372bb6826bd81d3542a419d6", type=1).json()
        must(reply["code"] == 1 and reply["data"]["video_id"] == 4711, reply)
        must(reply["data"]["class_id"] == 7 and reply["data"]["game_name"] == "斗罗大陆", reply)
        must(site.get("/upload/mp4/2019/05/original/15570000000001.mp4", "-I").status == 200, "it is not served")

    with check("what was taken over can be taken away again"):
        machine.shell("runuser -u www-data -- video-intake video delete 4711 100001 --yes")
        machine.shell("rm -r /var/lib/video-intake/upload/2019 /var/www/shop/upload/mp4")
        output = machine.shell("runuser -u www-data -- video-intake check")
        must(" 0 findings" in output, output)
