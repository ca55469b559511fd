"""The package on a machine where 0.1, which had none, was installed by hand as its README said."""

import re
from pathlib import Path

from checks import Checks, must
from shop import Site

# 0.1's own files; its program is played by the present one, from the same place.
FILES = Path(__file__).parent.parent / "by-hand"
SCHEMA = Path(__file__).parents[3] / "Sources/SQLiteCatalogue/Schema.swift"
# A video that was taken over.
OLD_VIDEO = """
    INSERT INTO video_info (video_id, owner, video_name, path, size, duration, md5, class_id, create_time, update_time)
    VALUES (41, '', 'Old', 'upload/mp4/2019/05/original/1.mp4', 1, 1, '9e107d9d372bb6826bd81d3542a419d6', NULL, 1, 1);
"""
OWN_FILE = "# Somebody's own.\n"
SETTINGS = "VIDEO_INTAKE_VIDEO_DOMAIN=https://kept.example.com\n"


def older_catalogue() -> str:
    """The statements that make a catalogue as 0.1 left it, with schema 4: migrations are never changed."""
    migrations = re.findall(r'// [1-4]\n +"""\n(.*?)\n +"""', SCHEMA.read_text(), re.DOTALL)
    must(len(migrations) == 4, "the first four migrations are not there")
    applied = "CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);"
    applied += "INSERT INTO grdb_migrations VALUES ('1'), ('2'), ('3'), ('4');"
    return "\n".join(["PRAGMA journal_mode = WAL;", *migrations, applied, OLD_VIDEO])


def install_by_hand(site: Site, program: Path):
    machine = site.machine
    target = machine.path("/usr/local/bin/video-intake")
    target.write_bytes(program.read_bytes())
    target.chmod(0o755)
    machine.write("/etc/default/video-intake", SETTINGS)
    for file in FILES.glob("*.service"):
        machine.write(f"/etc/systemd/system/{file.name}", file.read_text())
    for file in FILES.glob("*.conf"):
        machine.write(f"/etc/nginx/{file.name}", file.read_text())
    machine.shell("""
        install -d -o www-data -g www-data -m 750 /var/lib/video-intake
        runuser -u www-data -- /usr/local/bin/video-intake init
    """)
    machine.shell("rm /var/lib/video-intake/video-intake.db*")
    site.sql(older_catalogue())
    machine.shell("systemctl daemon-reload; systemctl enable --now --no-block video-intake video-intake-worker")
    server = site.documented.text("shop-before").replace(
        "server {\n", "include video-intake-http.conf;\n\nserver {\n", 1
    )
    machine.write(
        "/etc/nginx/sites-available/shop",
        server.replace("    location / {", "    include video-intake.conf;\n\n    location / {"),
    )
    site.reload_nginx()
    # Of somebody who had the later files too.
    machine.write("/etc/nginx/snippets/video-intake/site.conf", OWN_FILE)
    machine.write("/etc/nginx/snippets/video-intake/site-own.conf", OWN_FILE)


def run(site: Site, check: Checks, videos, program: Path):
    machine = site.machine
    site.set_up_shop()
    install_by_hand(site, program)
    output = ""

    with check("0.1's units do not let one byte be stored, and the log says which line of them"):
        machine.wait_until("a line in the journal", lambda: "RestrictSUIDSGID" in machine.journal("-u", "video-intake"))
        must(site.get("/healthz").status != 200, "it is content")
        site.refused(videos["small"])

    with check("the package installs beside it, without a question") as notes:
        site.copy_package()
        # Standard input is empty: a question would be an error.
        output = machine.shell(f"cd /root; apt-get install --yes --no-install-recommends ./{site.package.name}")
        must("Configuration file" not in output, output)
        notes.append(f"{len(output.splitlines())} lines")

    with check("nginx -t passes, with 0.1's files and the package's"):
        site.reload_nginx()
        must(site.get("/").status == 200, "the shop is not there")

    with check("the settings are kept, readable by root and www-data, and own files of nginx too"):
        must(machine.run("cat", "/etc/default/video-intake").stdout == SETTINGS, "they are others")
        state = machine.run("stat", "-c", "%a %U %G", "/etc/default/video-intake").stdout.strip()
        must(state == "640 root www-data", state)
        left = machine.shell("find /etc -name '*.kept' -o -name '*.dpkg-*' | grep video-intake || true")
        must(left == "", left)
        for name in ("site.conf", "site-own.conf"):
            must(
                machine.run("cat", f"/etc/nginx/snippets/video-intake/{name}").stdout == OWN_FILE, f"{name} is another"
            )

    with check("nothing of the package has been started beside 0.1"):
        for unit in ("video-intake.socket",):
            must(
                machine.run("systemctl", "is-active", unit, check=False).stdout.strip() == "inactive",
                f"{unit} is active",
            )
            must(
                machine.run("systemctl", "is-enabled", unit, check=False).stdout.strip() == "disabled",
                f"{unit} is enabled",
            )
        must(
            site.show("video-intake", "FragmentPath") == "/etc/systemd/system/video-intake.service",
            "0.1's unit is not the one",
        )

    with check("it says exactly what to remove"):
        for file in FILES.iterdir():
            place = "/etc/systemd/system" if file.suffix == ".service" else "/etc/nginx"
            must(
                re.search(rf"^\$ rm .*{place}/{re.escape(file.name)}( |$)", output, re.MULTILINE),
                f"not {file.name}:\n{output}",
            )
        must("/usr/local/bin/video-intake" in output, output)
        must(re.search(r"sites-enabled/shop:1:include video-intake-http.conf", output), output)
        must(re.search(r"sites-enabled/shop:\d+: +include video-intake.conf", output), output)

    with check("after what it says has been done, the package runs"):
        name = "etc/nginx/snippets/video-intake/site.conf"
        machine.shell(
            f"dpkg-deb --fsys-tarfile /root/{site.package.name} | tar --extract --to-stdout ./{name} >/{name}"
        )
        site.put_server()
        for line in output.splitlines():
            if line.startswith("$ "):
                machine.shell(line[2:])
        site.are_active()
        data = site.upload(videos["small"])
        site.is_stored(data, videos["small"])
        must(data["video_data"]["video_url"].startswith("https://kept.example.com/"), data)

    with check("the catalogue has the new schema, a copy of the old one lies beside it, and numbers go on"):
        must(site.sql("SELECT max(CAST(identifier AS INTEGER)) FROM grdb_migrations") == "8", "the schema is another")
        copy = "/var/lib/video-intake/video-intake.db.schema-4.backup"
        query = "SELECT max(CAST(identifier AS INTEGER)), (SELECT max(video_id) FROM video_info) FROM grdb_migrations"
        must(machine.run("sqlite3", copy, query).stdout.strip() == "4|41", f"{copy} is another")
        must(int(site.sql("SELECT max(video_id) FROM video_info")) == 42, "numbers do not go on")

    with check("the next installation finds nothing of 0.1 and keeps quiet"):
        output = machine.shell(
            f"cd /root; apt-get install --yes --reinstall --no-install-recommends ./{site.package.name}"
        )
        must("by hand" not in output and "To switch over" not in output, output)
        site.are_active()
        must(machine.run("cat", "/etc/default/video-intake").stdout == SETTINGS, "the settings are others")
