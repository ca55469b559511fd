"""Links within the documents lead somewhere, and README says where everything is."""

import re
import unittest

from configuration import REPOSITORY
from samples import DOCUMENTS

LINK = re.compile(r"\]\(([^)\s]+)\)")


def prose(document):
    """The lines outside of code blocks."""
    is_code = False
    for line in document.read_text().splitlines():
        if line.startswith("```"):
            is_code = not is_code
        elif not is_code:
            yield line


def anchors(document):
    """As GitHub makes them of headings, and those that are written down."""
    found = set()
    for line in prose(document):
        found.update(re.findall(r'<a id="([^"]+)">', line))
        if line.startswith("#"):
            heading = line.lstrip("#").strip().lower()
            found.add(re.sub(r"[^\w\- ]", "", heading).replace(" ", "-"))
    return found


class Links(unittest.TestCase):
    def test_every_link_leads_somewhere(self):
        count = 0
        for document in DOCUMENTS:
            for line in prose(document):
                for link in LINK.findall(re.sub(r"`[^`]*`", "", line)):
                    if re.match(r"[a-z]+:", link):
                        continue
                    count += 1
                    path, _, anchor = link.partition("#")
                    target = (document.parent / path).resolve() if path else document
                    with self.subTest(document=document.name, link=link):
                        self.assertTrue(target.exists(), "there is no such file")
                        if anchor:
                            self.assertIn(anchor, anchors(target))
        self.assertGreater(count, 50)

    def test_readme_is_short_and_names_every_article(self):
        readme = REPOSITORY / "README.md"
        if DOCUMENTS[0] != readme:
            self.skipTest("a draft is tested, not README.md")
        text = readme.read_text()
        self.assertLessEqual(len(text.splitlines()), 200)
        for article in DOCUMENTS[1:]:
            self.assertIn(f"({article.relative_to(REPOSITORY)})", text, "README does not name it")


if __name__ == "__main__":
    unittest.main()
