"""What is right for the 30 files of a script that is handed over (--handed SCRIPT), as it says it."""

import os
import subprocess

from expected import Expected

SMALL, LARGE = (160, 90), (320, 180)


def whole(seconds, size=LARGE, rate=25, **more):
    """Shows testsrc2 of this size and rate from second to second, and says so in sound."""
    return Expected(duration=seconds, test_source=(size, rate, [(0, seconds, 0)]), size=size, pitch=440, **more)


def gone(start, end, seconds):
    """What is from `start` to `end` is held; it is not looked at."""
    return [(0, start, 0), (end, seconds, end)]


ALL = {
    "phone_vfr.mp4": whole(3, SMALL, 30),
    "dark.mp4": whole(8, SMALL, 30),
    "recorder_vfr.mp4": Expected(duration=6, pitch=440, size=SMALL,
                                 test_source=(SMALL, 120, [(0, 0.9, 0), (2, 2.3, 2), (3, 3.3, 3), (5.1, 6, 5.1)])),
    "still_then_motion.mp4": Expected(duration=64, size=LARGE, test_source=(LARGE, 25, [(0, 0.9, 0), (61.1, 64, 61.1)])),
    "still_spoken.mp4": Expected(duration=14, size=LARGE, pitch=440, test_source=(LARGE, 25, [(0, 0.9, 0), (13.1, 14, 13.1)])),
    "flv_offset.flv": whole(6),
    "flv_24_bits.flv": whole(6),
    "flv_says_3600.flv": whole(6),
    "flv_says_1.flv": whole(6),
    "avi_says_double.avi": whole(6),
    "elst_short.mp4": whole(2),
    "second_audio_longer.mp4": whole(3),
    "subtitle_longer.mp4": whole(3),
    "apac_first.mp4": Expected(duration=4, size=LARGE, pitch=880, test_source=(LARGE, 25, [(0, 4, 0)])),
    "mjpeg_first.mp4": whole(3),
    "flv_reschange.flv": Expected(duration=6, pitch=440, test_source=(LARGE, 25, [(3.1, 6, 0.1)]), blurred=[(0, 3.1)]),
    "lost_pictures.flv": Expected(duration=6, size=LARGE, pitch=440, test_source=(LARGE, 25, gone(1.9, 4.1, 6))),
    # Packets before 0.7 s are gone, the next key frame is at 2 s; from where its sound begins or from there.
    "mid_gop.flv": Expected(duration=4.65, duration_tolerance=0.85, size=LARGE, pitch=440),
    "picture_later.flv": Expected(duration=6, size=LARGE, pitch=440, test_source=(LARGE, 25, [(2.1, 6, 2.1)]), blurred=[(0, 2.1)]),
    "fmp4_cut.mp4": Expected(duration=4.5, duration_tolerance=0.8, size=LARGE, pitch=440, notes=("truncated",),
                             test_source=(LARGE, 25, [(0, 3.5, 0)])),
    "flv_cut.flv": Expected(duration=5.4, duration_tolerance=0.5, size=LARGE, pitch=440, notes=("truncated",),
                            test_source=(LARGE, 25, [(0, 4.8, 0)])),
    "sd_damaged.mp4": Expected(duration=6, size=LARGE, has_sound=True, notes=("damaged",), blurred=[(2, 5)],
                               test_source=(LARGE, 25, [(0, 6, 0)])),
    "one_picture.mp4": Expected(duration=20, size=LARGE, pitch=440, test_source=(LARGE, 25, [(0, 0.04, 0)])),
    "hlg.mp4": Expected(duration=2, size=LARGE, hdr=True),
    "pq.mp4": Expected(duration=2, size=LARGE, hdr=True),
    "dv.avi": Expected(duration=1, duration_tolerance=0.1),
    "ts_named.mp4": whole(6),
    "styp_first.mp4": whole(6),
    "cenc.mp4": Expected(state="failed", reason=("encrypted",)),
}
# What the script also leaves: the whole of what fmp4_cut.mp4 is cut from.
ALL["fmp4_whole.mp4"] = whole(6)
# What testsrc2 moves is taken for combs by idet: they are looked for only where the source has some.
for name, of_file in ALL.items():
    of_file.combs = name != "dv.avi"


def make(script, directory):
    """[(name, path, Expected)] of the files that the script makes; raises where one is missing, or is not known here."""
    ended = subprocess.run(["bash", script, directory], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)
    text = ended.stdout.decode(errors="replace")
    if ended.returncode != 0:
        raise SystemExit(f"{script} ended with {ended.returncode}: {text[-1000:]}")
    said = dict(line.split(maxsplit=1) for line in text.splitlines() if len(line.split(maxsplit=1)) == 2)
    found = {name: os.path.join(directory, name) for name in sorted(os.listdir(directory))}
    if missing := sorted(set(ALL) - set(found)):
        raise SystemExit(f"{script} has not made {', '.join(missing)}")
    if unknown := sorted(set(said) - set(ALL)):
        raise SystemExit(f"what is right for these files is not known here: {', '.join(unknown)}")
    for name, expected in ALL.items():
        expected.text = said.get(name, "")
    return [(name, found[name], expected) for name, expected in ALL.items()]
