"""Debian's ffmpeg and ffprobe, as the generator and the checkers run them."""

import json
import os
import subprocess

# Seconds that one call may take.
TIME_LIMIT = 300


class ToolFailed(Exception):
    """A tool ended with an error; the text is its last lines."""


def run(arguments, content=None):
    """What the tool wrote to standard output."""
    ended = subprocess.run(arguments, input=content, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIME_LIMIT,
                           stdin=subprocess.DEVNULL if content is None else None)
    if ended.returncode != 0:
        raise ToolFailed(f"{' '.join(map(str, arguments))[:600]}: {last_lines(ended.stderr)}")
    return ended.stdout


def ffmpeg(*arguments, content=None):
    return run(["ffmpeg", "-nostdin" if content is None else "-hide_banner", "-v", "error", "-y", "-threads", "2", *map(str, arguments)],
               content)


def ffprobe(path, *arguments):
    """The report as ffprobe prints it in JSON."""
    return json.loads(run(["ffprobe", "-v", "error", "-of", "json", *arguments, os.fspath(path)]))


def complaints(*arguments):
    """(what a tool said and whether it failed, what it wrote). Nothing is said of what is whole."""
    ended = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", "-threads", "2", *map(str, arguments)], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIME_LIMIT)
    said = last_lines(ended.stderr)
    if ended.returncode != 0 and not said:
        said = f"ffmpeg ended with {ended.returncode}"
    return said, ended.stdout


def last_lines(output):
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    return "; ".join(lines[:3])[:400]
