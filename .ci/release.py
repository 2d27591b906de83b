"""Whether a tag may be published: `python .ci/release.py v1.2.3 https://github.com/owner/panglot`.

The tag, CITATION.cff, the changelog, the built files and the addresses in the package's metadata must agree.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path


def faults(root: Path, tag: str, repository: str) -> Iterator[str]:
    """What has to change before the tag is published."""
    version = tag.removeprefix("v")
    if not re.fullmatch(r"v\d+\.\d+\.\d+((a|b|rc)\d+)?", tag):
        yield f"The tag {tag} is not a version such as v1.2.3 or v1.2.3rc1."
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    if not re.search(rf"^version: {re.escape(version)}$", citation, re.MULTILINE):
        yield f"CITATION.cff is not of version {version}."
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)$", changelog, re.MULTILINE):
        yield f"CHANGELOG.md has no heading '## {version} (YYYY-MM-DD)'."
    urls = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    if urls["Repository"] != repository or any("OWNER" in url for url in urls.values()):
        yield f"[project.urls] in pyproject.toml does not name {repository}."
    built = {path.name for path in (root / "dist").glob("*")}
    if built != {f"panglot-{version}-py3-none-any.whl", f"panglot-{version}.tar.gz"}:
        yield f"dist holds {', '.join(sorted(built)) or 'nothing'} instead of the two files of version {version}."


if __name__ == "__main__":
    sys.exit("\n".join(faults(Path(__file__).parents[1], *sys.argv[1:])) or None)
