"""Uploads through nginx in both body modes, transcoded and played."""

from checks import Checks, must
from shop import Site

HANDOFF = "/etc/nginx/snippets/video-intake/handoff.conf"


def transcoded(site: Site, number: int) -> dict:
    """What is known of the video once its worker is done."""

    def answer():
        data = site.ask("video_info", video_id=number).json()["data"]
        must(data["state"] != "failed", data)
        return data if data["state"] == "ready" else None

    return site.machine.wait_until(f"video {number} is transcoded", answer, 120)


def run(site: Site, check: Checks, videos):
    machine = site.machine
    kept = {}

    with check("a small video in one request, one in chunks, with body files (hand-off)"):
        for name in ("small", "chunks"):
            kept[name] = site.upload(videos[name])
            site.is_stored(kept[name], videos[name])
        must(kept["small"]["video_data"]["video_url"].startswith("http://shop.example.com/upload/mp4/"), kept["small"])

    with check("the same with bodies over FastCGI's own stream"):
        machine.shell(f"cp {HANDOFF} /root/handoff.conf; : >{HANDOFF}")
        site.reload_nginx()
        kept["other"] = site.upload(videos["other"])
        site.is_stored(kept["other"], videos["other"])
        machine.shell(f"cp /root/handoff.conf {HANDOFF}")
        site.reload_nginx()

    with check("instant upload knows them, and a file that is not what was announced is refused"):
        md5 = machine.shell(f"md5sum </var/lib/video-intake/{kept['chunks']['path']} | cut -c 1-32")
        reply = site.ask("determine_video_exist", md5=md5, type=1).json()
        must(reply["code"] == 1 and reply["data"]["video_id"] == kept["chunks"]["video_id"], reply)
        reply = site.get(
            "/service/upload/upload_file",
            "-F",
            "guid=1",
            "-F",
            "file_name=x",
            "-F",
            f"md5={'0' * 32}",
            "-F",
            "file=@/var/lib/video-intake/" + kept["small"]["path"],
        )
        must(reply.json()["code"] == -3 and reply.headers.get("x-intake-reason") == "md5", reply)

    with check("they are transcoded, and play: MP4 with ranges, HLS, poster, thumbnails"):
        for name in ("small", "chunks", "other"):
            data = transcoded(site, kept[name]["video_id"])
            for field, kind in (
                ("mp4_url", "video/mp4"),
                ("hls_url", "application/vnd.apple.mpegurl"),
                ("poster_url", "image/jpeg"),
                ("thumbnails_url", "text/vtt"),
            ):
                path = data[field].removeprefix("http://shop.example.com")
                reply = site.get(path, "-r", "0-3", "--output", "-") if field == "mp4_url" else site.get(path, "-I")
                must(reply.headers["content-type"] == kind and reply.status in (200, 206), lambda: f"{path}: {reply}")
        master = data["hls_url"].removeprefix("http://shop.example.com")
        duration = machine.shell(
            "ffprobe -v error -show_entries format=duration -of csv=p=0 "
            f"-headers 'Host: shop.example.com' http://127.0.0.1{master}"
        )
        must(6.5 < float(duration) < 7.5, duration)

    with check("no error in the journal"):
        errors = machine.journal("-p", "err", "-u", "video-intake", "-u", "video-intake-worker")
        must(errors == "", errors)
