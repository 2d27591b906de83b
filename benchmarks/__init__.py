"""Speed and memory, as ratios against a peer measured in the same run: `make bench`, about half an hour.

Everything runs on one thread, here and in the processes that the benchmarks start. That must be said before numpy is
imported, and this package is imported before anything in it.
"""

import os

for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
