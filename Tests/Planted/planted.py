"""Plants faults, one at a time, in a copy of the sources, and sees whether a suite of tests fails. See Tests/planted --help."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LISTS = Path(__file__).parent
# Seconds for one build, or one run of a suite.
LIMIT = 3600


def faults(name):
    """The suite and the faults of a list."""
    content = json.loads((LISTS / f"{name}.json").read_text())
    return content["suite"], content["faults"]


def check():
    """Says which faults no longer fit the sources. Returns whether all do."""
    bad = []
    for path in sorted(LISTS.glob("*.json")):
        for fault in faults(path.stem)[1]:
            file = REPOSITORY / fault["file"]
            count = file.read_text().count(fault["text"]) if file.is_file() else 0
            if count != 1:
                bad.append(f"{path.name}: {fault['name']}: its text is {count} times in {fault['file']}")
    print("\n".join(bad) or "every fault fits")
    return not bad


def swift(directory, *arguments):
    """Runs swift in the copy. Returns the exit status and the output."""
    process = subprocess.run(
        ["swift", *arguments], cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", timeout=LIMIT, check=False)
    return process.returncode, process.stdout


def errors(directory):
    """Builds the suite. Returns the first error, nothing if there is none."""
    status, output = swift(directory, "build", "--build-tests")
    return next((line for line in output.splitlines() if "error:" in line), output) if status != 0 else ""


def failed_tests(directory, suite):
    """How many tests of the suite fail, and the first of them; at least one if it does not end well."""
    status, output = swift(directory, "test", "--skip-build", "--filter", f"^{suite}\\.")
    names = [line.split("✘ Test ")[1] for line in output.splitlines() if "✘ Test " in line and " failed after " in line]
    names = [name.split(" failed after ")[0] for name in names if not name.startswith("run with")]
    if status == 0:
        return 0, ""
    return max(1, len(names)), names[0] if names else output.strip().splitlines()[-1]


def plant(name, words):
    """Plants the faults of a list whose names contain all words. Returns whether the suite saw every one."""
    suite, chosen = faults(name)
    chosen = [fault for fault in chosen if all(word in fault["name"] for word in words)]
    with tempfile.TemporaryDirectory(prefix="planted-") as place:
        copy = Path(place) / "video-intake"
        shutil.copytree(
            REPOSITORY, copy, symlinks=True, ignore=shutil.ignore_patterns(".git", ".build*", "docc-build"))
        # Nothing but the suite is built, and a fault may leave a warning.
        with (copy / "Package.swift").open("a") as manifest:
            manifest.write(
                "package.products = []\n"
                "package.targets.removeAll { $0.type == .executable "
                f'|| $0.type == .test && $0.name != "{suite}" }}\n'
                "for target in package.targets { target.swiftSettings = nil }\n")
        first = errors(copy) or failed_tests(copy, suite)[1]
        if first:
            sys.exit(f"{suite} fails without a fault: {first}")
        unseen = 0
        for fault in chosen:
            file = copy / fault["file"]
            text = file.read_text()
            file.write_text(text.replace(fault["text"], fault["replacement"]))
            error = errors(copy)
            # What does not build was not seen.
            count, first = (0, error) if error else failed_tests(copy, suite)
            file.write_text(text)
            unseen += count == 0
            print(f"{'seen' if count else 'UNSEEN':6} {count:3} tests  {fault['name']}  ({first})", flush=True)
    print(f"{len(chosen) - unseen} of {len(chosen)} faults were seen by {suite}")
    return unseen == 0


if __name__ == "__main__":
    succeeded = check() and (sys.argv[1:] == ["--check"] or plant(sys.argv[1], sys.argv[2:]))
    sys.exit(0 if succeeded else 1)
