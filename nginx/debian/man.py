"""Makes the manual page of the command's own help.

Reads what `video-intake --experimental-dump-help` prints from standard input and writes roff. Argument: the version.
"""

import json
import sys

LAST_SECTIONS = """
.SH FILES
.TP
.I /etc/default/video\\-intake
Settings, VIDEO_INTAKE_<NAME>=value lines; of another site \\fI/etc/default/video\\-intake\\-NAME\\fR.
.TP
.I /var/lib/video\\-intake
Videos, unfinished uploads and the catalogue.
.TP
.I /etc/nginx/snippets/video\\-intake
What a server of nginx includes; \\fIsite.conf\\fR is the one to edit.
.TP
.I /usr/share/doc/video\\-intake/examples
A shop's server in nginx, a login by PHP's session, a receiver of webhooks.
.SH EXIT STATUS
0: done. 1: it failed, and a line says why. 64: the arguments or the settings are wrong. 69: a program that
\\fBworker\\fR needs is missing. 75: \\fBserve\\fR or \\fBworker\\fR without its disk, which may come.
""".strip()


def roff(text):
    """Text that means nothing to roff, one line."""
    text = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def paragraphs(text):
    return "\n.PP\n".join(roff(part) for part in text.split("\n\n") if part.strip())


def is_shown(argument):
    return argument["shouldDisplay"] and argument.get("valueName") != "help"


def option_names(argument):
    return [("--" if name["kind"] == "long" else "-") + name["name"] for name in argument.get("names", [])]


def head(argument):
    """What stands before the explanation: `--limit N`, or `<id>`."""
    names = ", ".join(f"\\fB{roff(name)}\\fR" for name in option_names(argument))
    value = f"\\fI{roff(argument['valueName'])}\\fR"
    if argument["kind"] == "positional":
        return value + (" ..." if argument["isRepeating"] else "")
    return names if argument["kind"] == "flag" else f"{names} {value}"


def explained(argument):
    text = argument.get("abstract", "")
    if "defaultValue" in argument and argument["kind"] != "flag":
        text = f"{text} (default: {argument['defaultValue']})"
    return f".TP\n{head(argument)}\n{roff(text)}"


def walk(command, path, settings, out):
    path = path + [command["commandName"]]
    shown = [argument for argument in command.get("arguments", []) if is_shown(argument)]
    own = [argument for argument in shown if not settings.intersection(option_names(argument))]
    if len(path) > 1 and not command.get("subcommands"):
        words = [f"\\fB{roff(' '.join(path))}\\fR"]
        for argument in own:
            words.append(head(argument) if not argument["isOptional"] else f"[{head(argument)}]")
        if len(own) < len(shown):
            words.append("[\\fIsettings\\fR]")
        out.append(f".SS {' '.join(words)}")
        out.append(roff(command.get("abstract", "")))
        if command.get("discussion"):
            out.append(".PP\n" + paragraphs(command["discussion"]))
        out.extend(explained(argument) for argument in own)
    for subcommand in command.get("subcommands", []):
        if subcommand["commandName"] != "help" and subcommand.get("shouldDisplay", True):
            walk(subcommand, path, settings, out)


def main():
    version = sys.argv[1]
    command = json.load(sys.stdin)["command"]
    serve = next(item for item in command["subcommands"] if item["commandName"] == "serve")
    shown = [argument for argument in serve["arguments"] if is_shown(argument) and argument["kind"] != "positional"]
    settings = {name for argument in shown for name in option_names(argument)}
    out = [
        f'.TH VIDEO\\-INTAKE 1 "" "video\\-intake {version}" "User Commands"',
        ".nh",
        f".SH NAME\nvideo\\-intake \\- {roff(command['abstract'][0].lower() + command['abstract'][1:].rstrip('.'))}",
        ".SH SYNOPSIS\n.B video\\-intake\n.I command\n[\\fIargument\\fR ...] [\\fIsettings\\fR]",
        ".SH DESCRIPTION\n" + paragraphs(command.get("discussion", "")),
        ".SH COMMANDS",
    ]
    walk(command, [], settings, out)
    out.append(".SH SETTINGS\nThe same for every command.")
    out.extend(explained(argument) for argument in shown)
    out.append(LAST_SECTIONS)
    print("\n".join(out))


main()
