"""How far a language is, in memory and in a file."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from panglot.errors import BadData
from panglot.files import write_whole
from panglot.retrieve.columns import CandidateIds
from panglot.retrieve.ranking import Tally
from panglot.retrieve.toplists import TopLists


@dataclass(eq=False)
class State:
    """How far a language is: its tally, and where the shards begin that are done."""

    tally: Tally
    done: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Checkpoint:
    """The state of one language in a file, with the fingerprint of everything that it depends on."""

    path: Path
    fingerprint: str

    def read(self) -> State | None:
        """What was saved, if anything.

        :raises BadData: it is of another corpus, model or task, or damaged.
        """
        try:
            with np.load(io.BytesIO(self.path.read_bytes()), allow_pickle=False) as arrays:
                facts = json.loads(arrays["facts"].tobytes())
                ids = CandidateIds(arrays["named"], facts["names"])
                tally = Tally(arrays["above"], TopLists(arrays["number"], arrays["score"], ids))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise BadData(f"The checkpoint {self.path} is damaged. {error}. Delete it to start anew.") from error
        if facts["fingerprint"] != self.fingerprint:
            raise BadData(
                f"The checkpoint {self.path} is of another corpus, model or division into shards than this run. "
                "It is kept; delete it to start anew, or run again what it was made with."
            )
        return State(tally, set(facts["done"]))

    def write(self, state: State) -> None:
        """Save a state, whole or not at all."""
        content, top = io.BytesIO(), state.tally.top
        ids = top.ids.ids.tolist()
        facts = {"fingerprint": self.fingerprint, "names": ids, "done": sorted(state.done)}
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
