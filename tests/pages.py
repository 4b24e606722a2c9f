"""The pages of the documentation, and the blocks of code that they show."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
}


def block(name: str, language: str) -> str:
    """The fenced block behind `<!-- snippet: name -->`, on whichever page it stands."""
    pattern = rf"<!-- snippet: {name} -->\n```{language}\n(.*?)```"
    found = [match for text in PAGES.values() for match in re.findall(pattern, text, re.DOTALL)]
    assert len(found) == 1, f"{len(found)} snippets are named {name}"
    return found[0]
