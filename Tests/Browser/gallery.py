"""The upload page with a row in each state, to be looked at."""

import videos
from upload_page import UploadPage


def show_states(case, lang="zh", **options):
    """Rows that are done, exist, have failed, are being uploaded (for as long as the window is open) and wait. No dialog."""
    mark = f"{case.id()} {lang} {options}"
    small, directory = videos.small(), case.directory / lang
    directory.mkdir()
    old = videos.variant(small, directory / "旧视频 old.mp4", seed=mark)
    first = UploadPage(case, lang=lang, **options)
    first.choose([old])
    first.start()
    first.wait_for_end([old])
    first.page.context.close()

    new = videos.variant(small, directory / "new video.mp4", seed=mark)
    junk = videos.junk(directory / "notes.mp4")
    going = videos.variant(videos.middle(), directory / "斗罗大陆 第1集 - 名字很长很长很长很长很长很长.mp4", seed=mark)
    later = videos.variant(small, directory / "later.mp4", seed=mark)
    page = UploadPage(case, lang=lang, **options)
    page.choose([new, old, junk])
    page.start()
    page.wait_for_end([new, old, junk])
    page.close_dialog()
    page.choose([going, later])
    case.slow_down(page.page, 2 << 20)
    page.start()
    page.wait_for_progress(going, 15)
    return page
