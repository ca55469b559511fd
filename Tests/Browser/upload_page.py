"""The upload page, as the tests drive it: by the ids and data attributes that it promises."""

import json

# States in which nothing happens any more.
ENDED = ("done", "exists", "failed")


class UploadPage:
    def __init__(self, case, server=None, lang="zh", address="", **options):
        """`address`: of the server, if it is not the usual one."""
        self.case = case
        self.page = case.open_window(f"{address}/?lang={lang}", server, **options)

    # -- What a user does --

    def choose(self, files):
        """Adds the files and waits until they are read."""
        self.page.set_input_files("#files", files)
        for path in files:
            self.wait_for_state(path, "waiting", *ENDED)

    def start(self):
        self.page.click("#start[data-state=idle]")

    def pause(self):
        self.page.click("#start[data-state=uploading]")
        self.page.wait_for_selector("#start[data-state=paused]")

    def go_on(self):
        self.page.click("#start[data-state=paused]")

    def delete(self, path):
        self.row(path).locator("button[data-delete]").click()

    def retry(self, path):
        self.row(path).locator("button[data-retry]").click()

    def close_dialog(self):
        self.page.click("dialog#exists [data-close]")

    # -- What a user sees --

    def row(self, path):
        return self.page.locator(f"[data-row][data-name={json.dumps(path.name, ensure_ascii=False)}]")

    def state(self, path):
        return self.row(path).get_attribute("data-state")

    def states(self, files):
        return [self.state(path) for path in files]

    def progress(self, path):
        return float(self.row(path).get_attribute("data-progress") or 0)

    def status(self, path):
        return self.row(path).locator("[data-status]").inner_text()

    def video_id(self, path):
        """Of the row's link, None if there is none."""
        link = self.row(path).locator("a[data-view]").get_attribute("href")
        return int(link.rpartition("=")[2]) if link else None

    def wait_for_state(self, path, *states):
        return self.case.wait_for(self.page, lambda: self.state(path) in states, f"{path.name} is {' or '.join(states)}")

    def wait_for_end(self, files):
        for path in files:
            self.wait_for_state(path, *ENDED)

    def wait_for_progress(self, path, percent):
        self.case.wait_for(self.page, lambda: self.progress(path) >= percent, f"{path.name} is at {percent} %")

    def wait_for_status(self, path, *words):
        """Waits until the row's status has one of the words in it."""
        self.case.wait_for(
            self.page, lambda: any(word in self.status(path) for word in words), f"{path.name} says {words}, not {self.status(path)!r}")
