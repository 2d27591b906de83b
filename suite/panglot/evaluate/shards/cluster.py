"""The same shards on many processes, by Ray: one encoder an actor, tallies merged as they come (extra `scale`).

Ray starts the actors anew and tries a shard again where a worker is lost; the checkpoint holds what was merged.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any

from panglot.data.corpus import Corpus
from panglot.errors import PanglotError, require
from panglot.evaluate.shards.checkpoint import Checkpoint, State
from panglot.evaluate.shards.counting import Asked
from panglot.evaluate.shards.gathering import evidence_of
from panglot.evaluate.shards.streaming import Shard, ShardVectors, read_shard
from panglot.progress import Progress, silent
from panglot.retrieve.evidence import Evidence
from panglot.retrieve.ranking import DEPTH, Tally

RETRIES = 3
"""Times that a shard is tried again when its worker is lost."""

CONNECT_SECONDS = 5.0


class Cluster:
    """Workers of a Ray cluster: of this machine, or of the one at an address."""

    def __init__(self, workers: int | None = None, address: str | None = None, gpus: float = 0) -> None:
        """`workers` are as many as the cluster has processors or, with `gpus` for each, as it has of those.

        :raises MissingExtra: ray is not installed.
        :raises PanglotError: there is no cluster at the address.
        """
        require("ray", "scale", "--engine ray")
        import ray

        self._ray: Any = ray
        if not ray.is_initialized():
            try:
                _check_reachable(address)
                ray.init(address=address, log_to_driver=False, include_dashboard=False, logging_level="ERROR")
            except (OSError, ValueError, RuntimeError) as error:
                raise PanglotError(
                    f"There is no Ray cluster at {address or 'this machine'} ({type(error).__name__}: "
                    f"{str(error)[:200]}). Start one with ray start --head. Checkpoints are kept."
                ) from error
        resources = ray.cluster_resources()
        self._gpus = gpus
        self.workers = workers or max(1, int(resources.get("GPU", 0) / gpus if gpus else resources.get("CPU", 1)))

    def stream(
        self,
        asked: Asked,
        corpus: Corpus,
        shards: Sequence[Shard],
        load: Callable[[], ShardVectors],
        checkpoint: Checkpoint | None = None,
        progress: Progress = silent,
        depth: int = DEPTH,
    ) -> Evidence:
        """Count all shards of one language; `load` is called once in each worker.

        :raises PanglotError: a shard was lost more often than `RETRIES`, or failed; the checkpoint is kept.
        """
        state = (checkpoint.read() if checkpoint else None) or State(asked.tally(depth))
        left = [shard for shard in shards if shard.start not in state.done]
        with progress(f"streaming {asked.pool.languages[0]}", shards[-1].stop) as advance:
            advance(sum(shard.stop - shard.start for shard in shards if shard.start in state.done))
            for shard, tally in self._results(asked, corpus, left, load, depth):
                state.tally.merge(tally)
                state.done.add(shard.start)
                if checkpoint:
                    checkpoint.write(state)
                advance(shard.stop - shard.start)
        return evidence_of(asked.pool, asked.score, state, shards[-1].stop)

    def _results(
        self, asked: Asked, corpus: Corpus, shards: Sequence[Shard], load: Callable[[], ShardVectors], depth: int
    ) -> Any:
        """Shards as they are done; each worker has one, and one more waits for it."""
        ray = self._ray
        shared = ray.put(asked)
        options = {"num_cpus": 1, "num_gpus": self._gpus, "max_restarts": -1, "max_task_retries": RETRIES}
        actors = [
            ray.remote(_Worker).options(**options).remote(shared, corpus, load, depth)
            for _ in range(min(self.workers, len(shards)))
        ]
        waiting = list(reversed(shards))
        running: dict[Any, tuple[Shard, Any]] = {}
        try:
            for actor in [*actors, *actors]:
                self._start(running, waiting, actor)
            while running:
                (done,), _ = ray.wait(list(running), num_returns=1)
                shard, actor = running.pop(done)
                self._start(running, waiting, actor)
                yield shard, self._value(done, shard)
        finally:
            for actor in actors:
                ray.kill(actor)

    def _start(self, running: dict[Any, tuple[Shard, Any]], waiting: list[Shard], actor: Any) -> None:
        if waiting:
            shard = waiting.pop()
            running[actor.count.remote(shard)] = shard, actor

    def _value(self, reference: Any, shard: Shard) -> Tally:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, PanglotError):
                raise error.cause from error
            raise
        except self._ray.exceptions.RayError as error:
            raise PanglotError(
                f"{shard.language}, passages {shard.start:,} to {shard.stop:,}: the worker was lost {RETRIES + 1} "
                f"times. {type(error).__name__}. The checkpoint is kept; run it again to go on."
            ) from error


def _check_reachable(address: str | None) -> None:
    """Ask at the address whether anyone is there: Ray itself waits for minutes."""
    host, separator, port = (address or "").rpartition(":")
    if separator and port.isdigit():
        socket.create_connection((host.removeprefix("ray://"), int(port)), timeout=CONNECT_SECONDS).close()


class _Worker:  # pragma: no cover - lives in processes of Ray, which are killed, not ended
    """One encoder, and what every shard is held against."""

    def __init__(self, asked: Asked, corpus: Corpus, load: Callable[[], ShardVectors], depth: int) -> None:
        self._asked, self._corpus, self._vectors_of, self._depth = asked, corpus, load(), depth

    def count(self, shard: Shard) -> Tally:
        """Read, encode and count one shard."""
        passages = read_shard(self._corpus, shard)
        tally = self._asked.tally(self._depth)
        vectors = self._vectors_of(passages, shard.language)
        self._asked.count(tally, passages, vectors, shard.start)
        return tally
