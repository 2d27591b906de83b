"""Count shards in parallel with Ray: one encoder per actor, tallies merged as they arrive (extra `scale`).

If a worker is lost, Ray restarts the actor and retries its shard. The checkpoint holds everything merged so far.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any

from panglot.data.corpus import Corpus
from panglot.errors import PanglotError, require
from panglot.evaluate.shards.checkpoint import Checkpoint, State
from panglot.evaluate.shards.counting import ShardCounter
from panglot.evaluate.shards.gathering import evidence_of
from panglot.evaluate.shards.streaming import Shard, ShardVectors, read_shard
from panglot.progress import Progress, silent
from panglot.retrieve.counting import Tally
from panglot.retrieve.evidence import Evidence
from panglot.retrieve.ranking import DEPTH

RETRIES = 3
"""Retries of a shard whose worker was lost."""

CONNECT_SECONDS = 5.0
"""Timeout of the check whether a cluster is reachable."""


class Cluster:
    """Workers of a Ray cluster, on this machine or at an address."""

    def __init__(self, workers: int | None = None, address: str | None = None, gpus: float = 0) -> None:
        """Connect to a cluster, or start one on this machine if there is no address.

        :param workers: number of workers; by default as many as the cluster has CPUs or, with `gpus`, GPUs for.
        :param gpus: GPUs of each worker.
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
        counter: ShardCounter,
        corpus: Corpus,
        shards: Sequence[Shard],
        load: Callable[[], ShardVectors],
        checkpoint: Checkpoint | None = None,
        progress: Progress = silent,
        depth: int = DEPTH,
    ) -> Evidence:
        """Count all shards of one language; `load` is called once in each worker.

        :raises PanglotError: a shard failed, or its workers were lost more than `RETRIES` times. The checkpoint is
            kept.
        """
        state = (checkpoint.read() if checkpoint else None) or State(counter.tally(depth))
        left = [shard for shard in shards if shard.start not in state.done]
        with progress(f"streaming {counter.pool.languages[0]}", shards[-1].stop) as advance:
            advance(sum(shard.stop - shard.start for shard in shards if shard.start in state.done))
            for shard, tally in self._results(counter, corpus, left, load, depth):
                state.tally.merge(tally)
                state.done.add(shard.start)
                if checkpoint:
                    checkpoint.write(state)
                advance(shard.stop - shard.start)
        return evidence_of(counter.pool, counter.score, state, shards[-1].stop)

    def _results(
        self,
        counter: ShardCounter,
        corpus: Corpus,
        shards: Sequence[Shard],
        load: Callable[[], ShardVectors],
        depth: int,
    ) -> Any:
        """Finished shards with their tallies; each worker runs one shard and has another queued."""
        ray = self._ray
        shared = ray.put(counter)
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
                f"times ({type(error).__name__}). The checkpoint is kept; repeat the command to resume."
            ) from error


def _check_reachable(address: str | None) -> None:
    """Check quickly that something listens at the address; Ray itself waits for minutes."""
    host, separator, port = (address or "").rpartition(":")
    if separator and port.isdigit():
        socket.create_connection((host.removeprefix("ray://"), int(port)), timeout=CONNECT_SECONDS).close()


class _Worker:  # pragma: no cover - runs in Ray's processes, which are killed rather than exited
    """A Ray actor: one encoder and the counter of a language."""

    def __init__(self, counter: ShardCounter, corpus: Corpus, load: Callable[[], ShardVectors], depth: int) -> None:
        self._counter, self._corpus, self._vectors_of, self._depth = counter, corpus, load(), depth

    def count(self, shard: Shard) -> Tally:
        """Read, encode and count one shard."""
        passages = read_shard(self._corpus, shard)
        tally = self._counter.tally(self._depth)
        vectors = self._vectors_of(passages, shard.language)
        self._counter.count(tally, passages, vectors, shard.start)
        return tally
