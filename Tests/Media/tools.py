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
    ended = started(arguments, content)
    if ended.returncode != 0:
        raise ToolFailed(f"{' '.join(map(str, arguments))[:600]}: {last_lines(ended.stderr)}")
    return ended.stdout


def started(arguments, content=None):
    how = {"stdin": subprocess.DEVNULL} if content is None else {"input": content}
    try:
        return subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIME_LIMIT, **how)
    except subprocess.TimeoutExpired:
        raise ToolFailed(f"{' '.join(map(str, arguments))[:600]}: takes longer than {TIME_LIMIT} s") from None


def ffmpeg(*arguments, content=None):
    return run(["ffmpeg", "-nostdin" if content is None else "-hide_banner", "-v", "error", "-y", "-threads", "2", *map(str, arguments)],
               content)


def ffprobe(path, *arguments):
    """The report as ffprobe prints it in JSON."""
    return json.loads(run(["ffprobe", "-v", "error", "-of", "json", *arguments, os.fspath(path)]))


def complaints(*arguments):
    """(what a tool said and whether it failed, what it wrote). Nothing is said of what is whole."""
    ended = started(["ffmpeg", "-nostdin", "-v", "error", "-y", "-threads", "2", *map(str, arguments)])
    said = last_lines(ended.stderr)
    if ended.returncode != 0 and not said:
        said = f"ffmpeg ended with {ended.returncode}"
    return said, ended.stdout


def last_lines(output):
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    return "; ".join(lines[:3])[:400]
