"""A sample of NTREX and of captioned emoji that comes with the package, so that a first model needs no download.

`docs/sample.py` makes it; `README.md` beside it names sources and licences.
"""

from pathlib import Path

SAMPLE = Path(__file__).parent
