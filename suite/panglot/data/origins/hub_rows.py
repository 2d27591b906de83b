"""Rows of data sets on the Hugging Face Hub, over networks that fail.

Only Parquet, JSON, CSV and the like are read, by the library `datasets` 4 and later, which runs no code of a data set.
Nothing is stored here: rows are streamed, and only the columns that are asked for are transferred from Parquet files.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from panglot.errors import BadData, MissingData, require
from panglot.hub import WAITS, check_reachable, is_transient, patiently, refusal

Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class HubData:
    """A data set of the Hub at a revision; `extra` is the extra of Panglot that installs what reads it."""

    path: str
    revision: str
    extra: str = "st"
    _opened: dict[str | None, Mapping[str, Any]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def rows(
        self, config: str | None, split: str, columns: Sequence[str] = (), skipped: int = 0
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of one split, beginning at index `skipped`; without names, all columns; images as files.

        After a failure, reading goes on with the next row.

        :raises MissingExtra: the library datasets is not installed.
        :raises MissingData: the Hub cannot be reached, or does not have the data, configuration, split or columns.
        """
        self.check()
        count, failures = skipped, 0
        while True:
            try:
                for row in self._stream(config, split, columns, count):
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
        return list(self._patiently(lambda: self._open(config), config))

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

    def file(self, name: str, folder: Path, largest: int) -> Path:
        """Download a file into a folder and return its path; a download that was interrupted goes on.

        :raises MissingExtra: the library datasets is not installed.
        :raises MissingData: the Hub cannot be reached, or does not have the data or the file.
        :raises BadData: the file has more than `largest` bytes.
        """
        from huggingface_hub import HfApi, hf_hub_download

        place: Mapping[str, Any] = {"repo_id": self.path, "repo_type": "dataset", "revision": self.revision}
        found = self._patiently(lambda: HfApi().get_paths_info(paths=[name], **place), None)
        size = next((getattr(entry, "size", None) for entry in found), None)
        if size is None:
            raise MissingData(f"{self.path} has no file '{name}' at revision {self.revision}.")
        if size > largest:
            raise BadData(f"{self.path}: '{name}' has {size:,} bytes, more than the limit of {largest:,}.")
        return Path(self._patiently(lambda: hf_hub_download(filename=name, local_dir=folder, **place), None))

    def _open(self, config: str | None) -> Mapping[str, Any]:
        """Return the splits of a configuration as streams of rows; the files of the data set are listed once."""
        from datasets import load_dataset

        if config not in self._opened:
            self._opened[config] = load_dataset(self.path, config, revision=self.revision, streaming=True)
        return self._opened[config]

    def _stream(self, config: str | None, split: str, columns: Sequence[str], skipped: int) -> Iterator[dict[str, Any]]:
        splits = self._open(config)
        if split not in splits:
            raise ValueError(f"it has no split '{split}', but {', '.join(splits)}")
        rows = splits[split].select_columns(list(columns)) if columns else splits[split]
        if rows.features is not None:  # else they are of JSON or CSV, which have no images to leave undecoded
            rows = rows.decode(False)
        return iter(rows.skip(skipped))

    def _patiently(self, call: Callable[[], Outcome], config: str | None) -> Outcome:
        self.check()
        try:
            return patiently(call)
        except Exception as error:
            raise self._error(config, error) from error

    def check(self) -> None:
        """Check what `datasets` would take for something else, or find out after a minute only.

        :raises MissingExtra: the library datasets is not installed.
        :raises MissingData: the Hub cannot be reached, or a folder hides the data set.
        """
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
        if said := refusal(error, self.path, self.revision) or self._refusal():
            return MissingData(f"{self.path}: {said}")
        named = f"{self.path} ({config})" if config else self.path
        reason = " ".join(str(error).split())[:300]
        advice = " Try again later: what was fetched completely is kept." if is_transient(error) else ""
        return MissingData(
            f"{named} at revision {self.revision} cannot be read from the Hugging Face Hub "
            f"({type(error).__name__}: {reason}).{advice}"
        )

    def _refusal(self) -> str:
        """Return why the Hub refuses the data set; empty if it does not. `datasets` does not pass the reason on."""
        from huggingface_hub import HfApi

        try:
            HfApi().dataset_info(self.path, revision=self.revision, timeout=10)
        except Exception as error:
            return refusal(error, self.path, self.revision)
        return ""
