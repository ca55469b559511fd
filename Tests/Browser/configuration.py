"""What the tests change in the nginx configuration that nginx/run wrote, and where things are."""

import os
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = REPOSITORY / "Tests/Browser/pages"
HTML = REPOSITORY / "nginx/html"
BUILD = REPOSITORY / ".build-browser"
# webuploader.html5only.js and jquery.min.js, unpacked by Tests/browser.
LIBRARIES = BUILD / "libraries"
# webuploader.html5only.js of version 0.1.5, if Tests/browser was told where it is.
WEBUPLOADER_0_1_5 = os.environ.get("VIDEO_INTAKE_TEST_WEBUPLOADER_0_1_5", "")

# The pages of the tests, at the address of the server.
LOCATIONS = f"""
        location ^~ /test/ {{ alias {PAGES}/; types {{ text/html html; text/javascript js; }} charset utf-8; }}
        location ^~ /test/libraries/ {{ alias {LIBRARIES}/; types {{ text/javascript js; }} }}
"""
if WEBUPLOADER_0_1_5:
    LOCATIONS += f"""
        location = /test/webuploader-0.1.5.js {{ alias {WEBUPLOADER_0_1_5}; types {{ text/javascript js; }} }}
"""

# The cookie of who is logged in.
SESSION = "session=in"

# A shop's login: two pages that begin and end a session, and the address by which nginx asks for it.
LOGIN = """
        set $session_attributes "";
        if ($https) { set $session_attributes "; SameSite=None; Secure"; }
        location = /test/login {
            add_header Set-Cookie "session=in; Path=/; HttpOnly$session_attributes";
            return 200 "in";
        }
        location = /test/logout {
            add_header Set-Cookie "session=out; Path=/; HttpOnly$session_attributes";
            return 200 "out";
        }
"""
LOGIN_SERVER = """
location = /video-intake-login {
    internal;
    client_max_body_size 0;
    if ($cookie_session != in) { return 401; }
    return 204;
}
"""


def adapt(directory, body_limit=None, login=False, origins="", secure_port=None):
    """
    Adds the tests' own pages. `body_limit` replaces nginx's limit of 5m; `login`: whether one is needed; `origins`: hosts
    whose pages may upload; `secure_port`: also there, by TLS and HTTP/2.
    """
    snippets = directory / "nginx/snippets/video-intake"
    additions = LOCATIONS
    if login:
        replace(snippets / "login.conf", "#auth_request /video-intake-login;\n", "auth_request /video-intake-login;\n")
        (snippets / "login-server.conf").write_text(LOGIN_SERVER)
        additions += LOGIN
    if origins:
        with (snippets / "site.conf").open("a") as site:
            site.write(f'set $video_intake_origins "{origins}";\n')
    if secure_port is not None:
        make_certificate(directory / "nginx")
        additions += f"""
        listen 127.0.0.1:{secure_port} ssl http2;
        ssl_certificate certificate.pem;
        ssl_certificate_key key.pem;
"""
    include = "include snippets/video-intake/upload.conf;"
    replace(directory / "nginx/nginx.conf", include, include + additions)
    if body_limit is not None:
        replace(snippets / "upload.conf", "client_max_body_size 5m;", f"client_max_body_size {body_limit};")


def replace(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path}"
    path.write_text(text.replace(old, new))


def make_certificate(directory):
    """Of nobody: the browser is told not to look."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test",
         "-keyout", directory / "key.pem", "-out", directory / "certificate.pem"],
        check=True, capture_output=True, timeout=60)
