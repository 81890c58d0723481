"""Checks the sources of the book: every include resolves, and programs stand in it only as includes.

A snippet of Rust or TypeScript comes from a test that is compiled and run; one that is typed into the book could be wrong.
"""

import re
import sys
from pathlib import Path

INCLUDE = re.compile(r"^\{\{#(?:rustdoc_)?include ([^:}]+)(?::(\w[\w-]*))?\}\}$")
FENCE = re.compile(r"^\s*(`{3,}|~{3,})\s*([\w+-]*)")
RUN = {"rust", "rs", "ts", "typescript", "js", "javascript", "mjs"}


def include_problem(page, line):
    """What is wrong with a line that should be an include of an anchor, or nothing."""
    found = INCLUDE.match(line.strip())
    if not found:
        return "programs stand in the book only as {{#include FILE:ANCHOR}}"
    file, anchor = found.groups()
    path = page.parent / file
    if not path.is_file():
        return f"no file {file}"
    if anchor is None:
        return f"{file}: name an anchor"
    text = path.read_text(encoding="utf-8").splitlines()
    start = [i for i, line in enumerate(text) if re.search(rf"ANCHOR:\s*{anchor}\b(?!-)", line)]
    end = [i for i, line in enumerate(text) if re.search(rf"ANCHOR_END:\s*{anchor}\b(?!-)", line)]
    if len(start) != 1 or len(end) != 1 or end[0] <= start[0] + 1:
        return f"{file} must have the anchor {anchor} once, with something in it"
    return None


def problems(page):
    """Every problem of a page with its line."""
    fence, checked, count = None, False, 0
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        opened = FENCE.match(line)
        if fence is None:
            if opened:
                fence, checked, count = opened[1], opened[2] in RUN, 0
            elif "{{#" in line:
                yield number, "an include belongs into a fence"
        elif opened and opened[1].startswith(fence) and not opened[2]:
            if checked and count != 1:
                yield number, "one include in each fence of a program"
            fence = None
        elif checked or "{{#" in line:
            count += 1
            problem = include_problem(page, line)
            if problem:
                yield number, problem
    if fence is not None:
        yield number, "a fence is not closed"


def main():
    root = Path(sys.argv[1])
    pages = sorted(root.rglob("*.md"))
    wrong = [(page, *problem) for page in pages for problem in problems(page)]
    listed = (root / "SUMMARY.md").read_text(encoding="utf-8")
    for page in pages:
        if page.name != "SUMMARY.md" and f"({page.relative_to(root)})" not in listed:
            wrong.append((page, 1, "not in SUMMARY.md"))
    for page, number, problem in wrong:
        print(f"{page}:{number}: {problem}", file=sys.stderr)
    sys.exit(1 if wrong or not pages else 0)


main()
