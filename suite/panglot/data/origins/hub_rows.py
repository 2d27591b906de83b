"""Rows of data sets on the Hugging Face Hub, over networks that fail.

Only Parquet, JSON, CSV and the like are read, by the library `datasets` 4 and later, which runs no code of a data set.
Nothing is stored here: rows are streamed, and only the columns that are asked for are transferred from Parquet files.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from panglot.errors import MissingData, require
from panglot.files import DATA_VARIABLE

_ELSEWHERE = f"set --data-dir or {DATA_VARIABLE} to a folder that contains the data"
PATIENCE = 4.0
"""Seconds in which a connection to the Hub must be made."""
WAITS = (0.25, 0.5, 1, 2, 4, 8, 8)
"""Seconds between attempts, beyond those of the libraries, which try most requests several times."""

_LOGIN = "log in with: hf auth login"
REFUSALS = {
    "RepoNotFound": f"The Hugging Face Hub has no data set of this name, or it is private. Check the name, or {_LOGIN}",
    "GatedRepo": f"Its terms must be accepted on https://huggingface.co/datasets/{{path}}; then {_LOGIN}",
    "RevisionNotFound": "The data set has no revision '{revision}'.",
}
"""What the error codes of the Hub mean."""

Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class HubData:
    """A data set of the Hub at a revision; `extra` is the extra of Panglot that installs what reads it."""

    path: str
    revision: str
    extra: str = "st"

    def rows(
        self, config: str | None, split: str, columns: Sequence[str] = (), skipped: int = 0
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of one split, beginning at index `skipped`; without names, all columns; images as files.

        After a failure, reading goes on with the next row.

        :raises MissingExtra: the library datasets is not installed.
        :raises MissingData: the Hub cannot be reached, or does not have the data, configuration, split or columns.
        """
        count, failures = skipped, 0
        while True:
            try:
                for row in self._open(config, split, columns, count):
                    yield row
                    count, failures = count + 1, 0
                return
            except Exception as error:
                failures += 1
                if failures > len(WAITS) or not is_transient(error):
                    raise self._error(config, error) from error
                time.sleep(WAITS[failures - 1])

    def splits(self, config: str | None) -> list[str]:
        """Return the names of the splits of a configuration.

        :raises MissingExtra: the library datasets is not installed.
        :raises MissingData: the Hub cannot be reached, or does not have the data or the configuration.
        """
        from datasets import get_dataset_split_names

        def names() -> list[str]:
            return [str(split) for split in get_dataset_split_names(self.path, config, revision=self.revision)]

        return self._patiently(names, config)

    def configs(self) -> list[str]:
        """Return the names of the configurations.

        :raises MissingExtra: the library datasets is not installed.
        :raises MissingData: the Hub cannot be reached, or does not have the data.
        """
        from datasets import get_dataset_config_names

        return self._patiently(lambda: list(get_dataset_config_names(self.path, revision=self.revision)), None)

    def commit(self) -> str:
        """Return the commit hash of the revision, which can be a branch or a tag.

        :raises MissingExtra: the library datasets is not installed.
        :raises MissingData: the Hub cannot be reached, or does not have the data or the revision.
        """
        from huggingface_hub import HfApi

        return self._patiently(lambda: str(HfApi().dataset_info(self.path, revision=self.revision).sha), None)

    def _open(self, config: str | None, split: str, columns: Sequence[str], skipped: int) -> Any:
        """Return the rows of a split, beginning at index `skipped`."""
        self._check()
        from datasets import load_dataset

        data = load_dataset(self.path, config, split=split, revision=self.revision, streaming=True)
        if columns:
            data = data.select_columns(list(columns))
        return data.decode(False).skip(skipped)

    def _patiently(self, call: Callable[[], Outcome], config: str | None) -> Outcome:
        self._check()
        for wait in (*WAITS, None):
            try:
                return call()
            except Exception as error:
                if wait is None or not is_transient(error):
                    raise self._error(config, error) from error
                time.sleep(wait)
        raise AssertionError("unreachable")

    def _check(self) -> None:
        """Check what `datasets` would take for something else, or find out after a minute only."""
        require("datasets", self.extra, f"The data set {self.path}")
        if os.path.isabs(self.path):
            return
        if os.path.exists(self.path):
            raise MissingData(
                f"The working folder contains '{self.path}', which would be read in place of the data set on the Hub. "
                "Work in another folder."
            )
        check_reachable(self.path)

    def _error(self, config: str | None, error: Exception) -> MissingData:
        response = next((cause.response for cause in _causes(error) if getattr(cause, "response", None)), None)
        code = response.headers.get("X-Error-Code", "") if response is not None else ""
        if code in REFUSALS:
            return MissingData(f"{self.path}: {REFUSALS[code].format(path=self.path, revision=self.revision)}")
        named = f"{self.path} ({config})" if config else self.path
        reason = " ".join(str(error).split())[:300]
        advice = " Try again later: what was fetched completely is kept." if is_transient(error) else ""
        return MissingData(
            f"{named} at revision {self.revision} cannot be read from the Hugging Face Hub "
            f"({type(error).__name__}: {reason}).{advice}"
        )


def _causes(error: BaseException | None) -> Iterator[Any]:
    """Yield an exception and what caused it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def is_transient(error: BaseException) -> bool:
    """Whether the same request can succeed later: a failing connection or server, or too many requests."""
    for cause in _causes(error):
        status = getattr(getattr(cause, "response", None), "status_code", None)
        if status is not None:
            return status in (408, 429) or status >= 500
        if type(cause).__module__.split(".")[0] in ("httpx", "httpx2", "httpcore", "httpcore2"):
            return True
        if isinstance(cause, ConnectionError | TimeoutError) and not (cause.__cause__ or cause.__context__):
            return True
    return False


def check_reachable(name: str) -> None:
    """Check within `PATIENCE` seconds that a connection to the Hub, or to the proxy before it, can be made.

    :raises MissingData: it cannot, or the environment forbids it.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise MissingData(f"{name} is on the Hugging Face Hub, but HF_HUB_OFFLINE is set. Unset it, or {_ELSEWHERE}.")
    endpoint = urlsplit(constants.ENDPOINT)
    proxy = getproxies().get(endpoint.scheme) or getproxies().get("all")
    if proxy and not proxy_bypass(endpoint.hostname or ""):
        endpoint = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    address = endpoint.hostname or "", endpoint.port or (80 if endpoint.scheme == "http" else 443)
    fault = _connect(address)
    if fault:
        raise MissingData(
            f"{name} is on the Hugging Face Hub, which cannot be reached: {address[0]}: {fault}. Check the network, or "
            f"{_ELSEWHERE}."
        )


def _connect(address: tuple[str, int]) -> str:
    """Return why no connection can be made; empty if it can. Looking up a name can block for long, so a thread does."""
    outcome = [f"no answer in {PATIENCE:g} seconds"]

    def connect() -> None:
        try:
            socket.create_connection(address, PATIENCE).close()
            outcome.append("")
        except OSError as error:
            outcome.append(error.strerror or str(error))

    thread = Thread(target=connect, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return outcome[-1]
