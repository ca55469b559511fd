"""What the tests change in the nginx configuration that nginx/run wrote, and where things are."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = REPOSITORY / "Tests/Browser/pages"
HTML = REPOSITORY / "nginx/html"
BUILD = REPOSITORY / ".build-browser"
# webuploader.html5only.js and jquery.min.js, unpacked by Tests/browser.
LIBRARIES = BUILD / "libraries"

# The pages of the tests, at the address of the server: they upload to the same origin.
LOCATIONS = f"""
        location ^~ /test/ {{ alias {PAGES}/; types {{ text/html html; text/javascript js; }} charset utf-8; }}
        location ^~ /test/libraries/ {{ alias {LIBRARIES}/; types {{ text/javascript js; }} }}
"""


def adapt(directory, body_limit=None):
    """Adds the tests' own pages; `body_limit` replaces nginx's limit of 5m."""
    configuration = directory / "nginx/nginx.conf"
    text = configuration.read_text()
    include = "include snippets/video-intake/upload.conf;"
    assert text.count(include) == 1
    text = text.replace(include, include + LOCATIONS)
    configuration.write_text(text)
    if body_limit is not None:
        server = directory / "nginx/snippets/video-intake/upload.conf"
        text = server.read_text()
        assert text.count("client_max_body_size 5m;") == 1
        server.write_text(text.replace("client_max_body_size 5m;", f"client_max_body_size {body_limit};"))
