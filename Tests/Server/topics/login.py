"""The example of a login: PHP's session, asked by nginx."""

import re

from checks import Checks, must
from shop import Site

LOGIN = "/etc/nginx/snippets/video-intake/login.conf"
SCRIPT = "/usr/local/share/video-intake/login.php"


def cookie(site: Site) -> str:
    reply = site.get("/login.php", "-d", "user=7&password=secret")
    must(reply.body == "logged in\n", reply)
    return re.search(r"PHPSESSID=\w+", reply.headers["set-cookie"])[0]


def must_log_in(site: Site, reply):
    must(reply.status == 401 and reply.headers.get("x-intake-reason") == "login" and reply.json()["code"] == -4, reply)


def run(site: Site, check: Checks, videos):
    machine = site.machine
    try:
        with check("set up as the example says"):
            machine.shell(f"cp -p {LOGIN} /root/login.conf")
            site.run_documented("login")
            machine.shell(f"""
                sed -i '0,/^#auth_request/s/^#auth_request/auth_request/' {LOGIN}
                sed -i 's|^;*access.log.*||' /etc/php/8.2/fpm/pool.d/www.conf
                echo 'access.log = /var/log/php-requests.log' >>/etc/php/8.2/fpm/pool.d/www.conf
                systemctl restart php8.2-fpm
            """)
            site.reload_nginx()

        with check("without a login: 401 as JSON, before the body; the shop's own pages are open"):
            must_log_in(site, site.ask("list_class"))
            site.refused(videos["small"], 401, "login")
            for path in ("/", "/login.php", "/healthz"):
                must(site.get(path).status == 200, path)

        with check("logged in: an upload of many requests, for which PHP is asked once or twice") as notes:
            session = cookie(site)
            machine.shell(": >/var/log/php-requests.log")
            site.upload(videos["chunks"], "--header", f"Cookie: {session}")
            for _ in range(20):
                must(site.get("/service/upload/list_class", "-d", "", "-b", session).status == 200, "refused")
            asked = machine.shell("grep -c video-intake-login /var/log/php-requests.log || true")
            notes.append(f"PHP was asked {asked} times")
            must(1 <= int(asked) <= 3, asked)

        with check("logged out: refused 10 s later at the latest"):
            site.get("/login.php?logout", "-b", session)
            machine.wait_until(
                "401", lambda: site.get("/service/upload/list_class", "-d", "", "-b", session).status == 401, 15, 1
            )

        with check("a script that redirects counts as 401"):
            machine.shell(
                f"echo '<?php header(\"Location: /login.php\", true, 302);' >{SCRIPT}; sleep 1; "
                "systemctl restart php8.2-fpm"
            )
            must_log_in(site, site.get("/service/upload/list_class", "-d", "", "-b", "PHPSESSID=unknown"))
    finally:
        machine.shell(f"cp -p /root/login.conf {LOGIN}")
        site.reload_nginx()
