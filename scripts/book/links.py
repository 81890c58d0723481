"""Checks the built book: every relative link and image leads to a file of it, every anchor to a heading there."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """Anchors and links of a page."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links = {""}, []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("id", "name"):
                self.anchors.add(value)
            elif name in ("href", "src") and value:
                self.links.append(value)


def main():
    root = Path(sys.argv[1]).resolve()
    # The page for links that lead nowhere has addresses of its own; the printed book repeats the others.
    paths = [path for path in sorted(root.rglob("*.html")) if path.name not in ("404.html", "print.html")]
    pages = {path: Page(path) for path in paths}
    wrong = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not to.is_file():
                wrong.append(f"{path.relative_to(root)}: {link}: no such file")
            elif to in pages and unquote(parts.fragment) not in pages[to].anchors:
                wrong.append(f"{path.relative_to(root)}: {link}: no such heading")
    for line in sorted(set(wrong)):
        print(line, file=sys.stderr)
    print(f"{len(pages)} pages, {sum(len(page.links) for page in pages.values())} links")
    sys.exit(1 if wrong or not pages else 0)


main()
