"""Videos to upload, made by ffmpeg once and kept in .build-browser/videos."""

import hashlib
import os
import random
import shutil
import subprocess
from base64 import b64encode

import configuration

DIRECTORY = configuration.BUILD / "videos"
MIB = 1 << 20
CHUNK_SIZE = 2 * MIB

H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-movflags", "+faststart"]
NOISE = "testsrc2=size=1280x720:rate=25,noise=alls=80:allf=t+u"
CALM = "testsrc2=size=640x360:rate=25"


def made(name, *arguments):
    """The file, made by ffmpeg with these arguments unless it is there."""
    path = DIRECTORY / name
    if not path.exists():
        DIRECTORY.mkdir(parents=True, exist_ok=True)
        unfinished = DIRECTORY / f"unfinished.{os.getpid()}.{name}"
        subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments, unfinished], check=True, timeout=300)
        unfinished.rename(path)
    return path


def big():
    """About 70 MiB, mp4."""
    return made("big.mp4", "-f", "lavfi", "-i", NOISE, "-t", "6", "-b:v", "90M", "-maxrate", "120M", "-bufsize", "60M", *H264)


def middle():
    """About 20 MiB, mp4."""
    return made("middle.mp4", "-f", "lavfi", "-i", NOISE, "-t", "2", "-b:v", "80M", "-maxrate", "100M", "-bufsize", "40M", *H264)


def small():
    """Less than a chunk, mp4, with sound."""
    return made("small.mp4", "-f", "lavfi", "-i", CALM, "-f", "lavfi", "-i", "sine=440", "-t", "3", "-shortest", "-c:a", "aac", *H264)


def small_avi():
    return made("small.avi", "-f", "lavfi", "-i", CALM, "-t", "3", "-c:v", "mpeg4")


def small_flv():
    return made("small.flv", "-f", "lavfi", "-i", CALM, "-t", "3", "-c:v", "flv1")


# Four seconds each of red, green and blue: a picture tells its time. With sound.
COLORS = ["-f", "lavfi", "-i", ";".join(f"color={name}:s=640x360:r=25:d=4[{name}]" for name in ("red", "lime", "blue"))
          + ";[red][lime][blue]concat=n=3", "-f", "lavfi", "-i", "sine=440:r=44100:d=12"]


def colors():
    """Twelve seconds, mp4."""
    return made("colors.mp4", *COLORS, "-c:a", "aac", *H264)


def colors_hevc():
    return made("colors-hevc.mp4", *COLORS, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none",
                "-c:a", "aac")


def colors_avi():
    return made("colors.avi", *COLORS, "-c:v", "mpeg4", "-q:v", "5", "-c:a", "libmp3lame")


def colors_flv():
    return made("colors.flv", *COLORS, "-c:v", "flv1", "-q:v", "5", "-c:a", "libmp3lame")


def silent():
    return made("silent.mp4", "-f", "lavfi", "-i", CALM, "-t", "1", *H264)


def sound_only():
    return made("sound-only.mp4", "-f", "lavfi", "-i", "sine=440", "-t", "2", "-c:a", "aac")


def encrypted():
    """By ISO/IEC 23001-7, as shops of films deliver them."""
    key, name = "00112233445566778899aabbccddeeff", "0123456789abcdef0123456789abcdef"
    return made("encrypted.mp4", "-f", "lavfi", "-i", CALM, "-t", "2", *H264, "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", key,
                "-encryption_kid", name)


def too_large():
    """Wider than any picture may be."""
    return made("too-large.avi", "-f", "lavfi", "-i", "color=red:size=8224x16:rate=5", "-t", "1", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p")


def junk(path, length=200_000):
    """A file that is not a video, whatever its name says."""
    path.write_bytes(b"This is not a video.\n" * (length // 21))
    return path


def junk_mp4(path):
    """A file that begins like an mp4, and is none."""
    path.write_bytes(small().read_bytes()[:32] + b"This is not a video.\n" * 1000)
    return path


def variant(base, path, length=None, seed=0):
    """A copy of an mp4 that plays the same and has another md5: with a `free` box at its end. `length` is that of the whole file."""
    shutil.copyfile(base, path)
    space = 64 if length is None else length - path.stat().st_size
    assert space >= 16
    filling = random.Random(f"{path.name} {seed}").randbytes(space - 8)
    with path.open("ab") as file:
        file.write(space.to_bytes(4, "big") + b"free" + filling)
    return path


def base64(path):
    return b64encode(path.read_bytes()).decode()


def md5(path):
    return digest(path, "md5")


def sha256(path):
    return digest(path, "sha256")


def digest(path, algorithm):
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
