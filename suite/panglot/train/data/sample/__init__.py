"""A sample of NTREX and of captioned emoji that ships with the package, to train a first model without a download.

It is made by `docs/sample.py`; `README.md` in this folder lists sources and licences.
"""

from pathlib import Path

SAMPLE = Path(__file__).parent
