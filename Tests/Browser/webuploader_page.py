"""The page with WebUploader, as the tests drive it."""

import json
import re


class WebUploaderPage:
    """`options`: of its address, see pages/webuploader/index.html. `origin`: the page's, if it is not the usual one."""

    def __init__(self, case, options="", origin="", **window):
        self.page = case.open_window(f"{origin}/test/webuploader/index.html?{options}", **window)

    def choose(self, files):
        """Adds the files and waits until they are read."""
        self.page.set_input_files("#choose input[type=file]", files)
        self.wait_for(f"document.querySelectorAll('tr[data-state=waiting]').length === {len(files)}")

    def start(self):
        self.page.click("#start")

    def stop(self):
        self.page.click("#stop")

    def upload(self, files):
        """Uploads them to the end, whatever that is."""
        self.choose(files)
        self.start()
        self.wait_for_end()

    def wait_for_end(self):
        self.wait_for("!document.querySelector('tr[data-state=reading], tr[data-state=waiting], tr[data-state=uploading]')")

    def wait_for(self, expression):
        self.page.wait_for_function(expression)

    def state(self, path):
        return self.attribute(path, "data-state")

    def attribute(self, path, name):
        return self.row(path).get_attribute(name)

    def row(self, path):
        return self.page.locator(f"tr[data-name={json.dumps(path.name, ensure_ascii=False)}]")

    def linked_video(self, path):
        """The number in the row's link."""
        match = re.search(r"video_id=(\d+)$", self.row(path).locator("a").get_attribute("href") or "")
        return int(match[1]) if match else None
