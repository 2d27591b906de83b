"""Whether a tag may be published: `python .ci/release.py v1.2.3 https://github.com/owner/panglot`.

The tag, CITATION.cff, the changelog, the built files and the addresses in the package's metadata must agree.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile


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
    wheel, archive = f"panglot-{version}-py3-none-any.whl", f"panglot-{version}.tar.gz"
    built = {path.name for path in (root / "dist").glob("*")}
    if built == {wheel, archive}:
        if f"Project-URL: Repository, {repository}" not in _metadata(root / "dist" / wheel, version):
            yield f"The metadata of {wheel} does not name {repository}. Build it in the repository's workflow."
    else:
        yield f"dist holds {', '.join(sorted(built)) or 'nothing'} instead of the two files of version {version}."


def _metadata(wheel: Path, version: str) -> list[str]:
    with ZipFile(wheel) as content:
        return content.read(f"panglot-{version}.dist-info/METADATA").decode().splitlines()


if __name__ == "__main__":
    sys.exit("\n".join(faults(Path(__file__).parents[1], *sys.argv[1:])) or None)
