"""Progress within one language, in memory and as a checkpoint file."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from panglot.arrays import read_arrays
from panglot.errors import BadData
from panglot.files import write_whole
from panglot.retrieve.columns import CandidateIds
from panglot.retrieve.counting import Tally
from panglot.retrieve.toplists import TopLists


@dataclass(eq=False)
class State:
    """Progress within one language: its tally, and the start offsets of the finished shards."""

    tally: Tally
    done: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Checkpoint:
    """The file that stores one language's state, with a fingerprint of everything the state depends on."""

    path: Path
    fingerprint: str

    def read(self) -> State | None:
        """The saved state; None if there is no file.

        :raises BadData: the checkpoint is damaged, or belongs to another corpus, model or task.
        """
        try:
            stored, named, above, number, score = read_arrays(
                self.path.read_bytes(), "facts", "named", "above", "number", "score"
            )
            facts = json.loads(stored.tobytes())
            fingerprint, done = facts["fingerprint"], set(facts["done"])
            tally = Tally(above, TopLists(number, score, CandidateIds(named, facts["names"])), facts.get("close"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadData(f"The checkpoint {self.path} is damaged: {error}. Delete it to start over.") from error
        if fingerprint != self.fingerprint:
            raise BadData(
                f"The checkpoint {self.path} belongs to a run with another corpus, model or number of shards. "
                "Delete it to start over, or repeat that run to resume."
            )
        return State(tally, done)

    def write(self, state: State) -> None:
        """Save a state atomically."""
        content, top = io.BytesIO(), state.tally.top
        ids = top.ids.ids.tolist()
        facts = {
            "fingerprint": self.fingerprint,
            "names": ids,
            "done": sorted(state.done),
            "close": state.tally.close,
        }
        np.savez(
            content,
            facts=np.frombuffer(json.dumps(facts).encode(), np.uint8),
            above=state.tally.above,
            number=top.number,
            score=top.score,
            named=top.ids.numbers,
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, lambda unfinished: unfinished.write_bytes(content.getvalue()))
