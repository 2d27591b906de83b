"""Result files that are odd: what a stranger's program, or a stranger, could write in place of any field.

`odd_results(text, count)` takes a valid result and yields texts that differ from it in one to three places: a value
missing, empty, ragged, extreme or of another type, text that is not plain, keys that are unknown or stand twice. Every
other one is *near* the published schema: only what it cannot say is broken, so that more of them come through. They are
the same on every machine; `Odd.what` says what was done.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

Place = tuple[Any, ...]

TEXTS = (
    "", " ", "\x1b[31mred", "\x1b]8;;http://x\x07y", "a\nb", "a\r\n::error::b", "\u202egnp", "a\u200bb", "раураl", "é",
    "=1+1", "-1", "@x", "<script>alert(1)</script>", "[x](javascript:1)", "$\\frac12$", "../../x", "a/b", "nan", "null",
    "map", "multi", "de", "zxx", "x" * 10_000, "\ud800", "\0", "1_0", "0.5", "ndcg@0", "ndcg@1e9", "recall@" + "9" * 30,
)  # fmt: skip
NUMBERS = (0, -1, 1, 2, 0.5, -0.5, 1.0000001, -1e-12, 1e-320, 1e300, -1e300, 2**31, 2**53, 10**18, 10**40, -0.0, 1e999)
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[]], [{}], {"": None}, [None], ["map"], {"map": [0, 0, 0]})


class Odd(NamedTuple):
    """A text that is no ordinary result, and what makes it odd."""

    what: str
    text: str


def odd_results(text: str, count: int, seed: int = 0) -> Iterator[Odd]:
    """That many odd texts from that of a valid result, no two of them alike."""
    seen: set[str] = set()
    number = 0
    while len(seen) < count:
        odd = _odd(text, number, Random(f"{seed} {number}"))
        if odd.text not in seen:
            seen.add(odd.text)
            yield odd
        number += 1


def _odd(text: str, number: int, rng: Random) -> Odd:
    if not number % 25:
        return Odd("a key stands twice", _twice(text, rng))
    data = json.loads(text)
    changes = NEAR if number % 2 else ANY
    done = [rng.choice(changes)(data, rng) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    return Odd("; ".join(done), json.dumps(data, ensure_ascii=rng.random() < 0.5).replace("\ud800", "\\ud800"))


def with_options(text: str) -> str:
    """The text of a valid result with all that a result need not have, so that this is odd in places as well."""
    data = json.loads(text)
    found = {"answered": 5, "unanswered": 7, "auroc": [0.5, 0.4, 0.6], "threshold": 0.1, "kept": 0.5, "rejected": 0.6}
    data["no_answer"] = {"overall": found, "languages": {data["task"]["languages"][0]: found}}
    data["model"] |= {"settings": ["query_prompt=a\nb"], "prompts": {"query": "a\nb"}, "backend": "torch"}
    data["model"] |= {"parameters": 10, "max_length": 512}
    data["run"]["rank_device"] = "cuda:0"
    return json.dumps(data)


def without_evidence(text: str) -> str:
    """The same result for a folder that has no evidence."""
    try:
        data = json.loads(text)
    except ValueError:
        return text
    return json.dumps(data | {"evidence": {}}) if isinstance(data, dict) else text


def _places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Where every value stands, itself left out."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*place, key)
        yield from _places(item, (*place, key))


def _any_place(data: Any, rng: Random) -> Place:
    """A place, each field as likely as its neighbours, however much it holds: scores are many, facts are few."""
    place: Place = ()
    value = data
    while isinstance(value, dict | list) and value and (not place or rng.random() < 0.8):
        key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
        place, value = (*place, key), value[key]
    return place


def _holder(data: Any, place: Place) -> Any:
    for key in place[:-1]:
        data = data[key]
    return data


def _said(place: Place, what: str) -> str:
    return f"{'.'.join(map(str, place))} {what}"


def replace(data: Any, rng: Random) -> str:
    """Any value becomes any other."""
    place = _any_place(data, rng)
    value = rng.choice((*TEXTS, *NUMBERS, *OTHERS))
    _holder(data, place)[place[-1]] = copy.deepcopy(value)
    return _said(place, f"became {value!r:.40}")


def remove(data: Any, rng: Random) -> str:
    """A field goes, or a place in a list."""
    place = _any_place(data, rng)
    del _holder(data, place)[place[-1]]
    return _said(place, "is missing")


def empty(data: Any, rng: Random) -> str:
    """A value becomes the empty one of its type."""
    place = _any_place(data, rng)
    holder = _holder(data, place)
    holder[place[-1]] = type(holder[place[-1]])() if holder[place[-1]] is not None else {}
    return _said(place, "is empty")


def double(data: Any, rng: Random) -> str:
    """A list has a place twice, a table a row more, or an object a key by another name."""
    place = _any_place(data, rng)
    holder = _holder(data, place)
    value = copy.deepcopy(holder[place[-1]])
    if isinstance(holder, list):
        holder.insert(place[-1], value)
    else:
        holder[rng.choice(TEXTS)] = value
    return _said(place, "stands twice")


def rename(data: Any, rng: Random) -> str:
    """A key becomes another text."""
    places = [place for place in _places(data) if isinstance(place[-1], str)]
    place = rng.choice(places)
    holder, key = _holder(data, place), rng.choice(TEXTS)
    holder[key] = holder.pop(place[-1])
    return _said(place, f"is called {key!r:.40}")


def retype(data: Any, rng: Random) -> str:
    """A number becomes its text, a text a list of it, a list an object."""
    place = _any_place(data, rng)
    holder = _holder(data, place)
    value = holder[place[-1]]
    if isinstance(value, list):
        holder[place[-1]] = {str(number): item for number, item in enumerate(value)}
    elif isinstance(value, dict):
        holder[place[-1]] = list(value.values())
    else:
        holder[place[-1]] = [value] if isinstance(value, str) else str(value)
    return _said(place, "has another type")


def move_score(data: Any, rng: Random) -> str:
    """One of the three numbers of a score is another one that a score can have."""
    scores = [place for place in _places(data) if _is_score(_holder(data, place)[place[-1]])]
    place = rng.choice(scores)
    score = _holder(data, place)[place[-1]]
    score[rng.randrange(3)] = rng.choice((0, 1, 0.5, score[0], score[1], score[2], 2, -1))
    return _said(place, f"became {score}")


def blank_cells(data: Any, rng: Random) -> str:
    """A row, a column or all of a table have no values."""
    name = rng.choice(("language_mix", "language_rank", *(f"pairs {metric}" for metric in data.get("pairs", ()))))
    table = data["pairs"].get(name[6:]) if name.startswith("pairs ") else data.get(name)
    kind = rng.randrange(3)
    if isinstance(table, list):
        for row, cells in enumerate(table):
            for column in range(len(cells) if isinstance(cells, list) else 0):
                if kind == 0 or (row if kind == 1 else column) == 0:
                    cells[column] = None
    return f"{name} has blank cells"


def drop_setting(data: Any, rng: Random) -> str:
    """A setting, a metric or a measure is missing everywhere."""
    names = ("mono", "cross", "multi", "cross_to", "bias", "map", "ndcg@10", "recall@1", "rank_distance", "kendall_w")
    name = rng.choice(names)
    for place in [place for place in _places(data) if place[-1] == name]:
        del _holder(data, place)[name]
    if name == "cross" and rng.random() < 0.5:
        data["balance"] = {}
    return f"{name} is missing everywhere"


def swap_languages(data: Any, rng: Random) -> str:
    """Languages of the task in another order, fewer, more, or by other names."""
    languages = data.get("task", {}).get("languages")
    if not (isinstance(languages, list) and languages):
        return "nothing"
    kind = rng.randrange(4)
    if kind == 0:
        languages.reverse()
    elif kind == 1:
        languages.pop()
    elif kind == 2:
        languages.append(rng.choice(("fr", "de", "zxx", "en/us", "x" * 300)))
    else:
        text = json.dumps(data).replace(f'"{languages[0]}"', json.dumps(rng.choice(("zxx", "qqq", "en/us", "日本"))))
        data |= json.loads(text)
    return "languages are changed"


def other_task(data: Any, rng: Random) -> str:
    """It is of another task, content or headline."""
    field = rng.choice(("name", "fingerprint", "headline", "queries", "candidates"))
    value: Any = {
        "name": rng.choice(("xquad-r", "emoji-t2i", "miracl-hn", "mine", "a b", "数据")),
        "fingerprint": "0" * 64,
        "headline": rng.choice(("ndcg@10", "recall@1", "ndcg@7", "mrr")),
    }.get(field, rng.choice((1, 2, 10, 1000)))
    if isinstance(data.get("task"), dict):
        data["task"][field] = value
    return f"task.{field} became {value!r}"


def other_model(data: Any, rng: Random) -> str:
    """It says something else of its model."""
    name = rng.choice(("name", "revision", "library", "licence", "note", "backend", "settings", "prompts", "precision"))
    value: Any = {
        "settings": [rng.choice(TEXTS)],
        "prompts": {"query": rng.choice(TEXTS)},
        "precision": rng.choice(("bf16", "fp8")),
    }.get(name, rng.choice((*TEXTS, "x" * 200, "org/name", "./x", "a b")))
    if isinstance(data.get("model"), dict):
        data["model"][name] = value
    return f"model.{name} became {value!r:.40}"


def one_language(data: Any, rng: Random) -> str:
    """All of it is about the first language alone."""
    first, *others = data["task"]["languages"]
    data["task"]["languages"] = [first]
    for other in others:
        data.get("languages", {}).pop(other, None)
    data["worst_language"] = first
    data["pairs"] = {metric: [[grid[0][0]]] for metric, grid in data.get("pairs", {}).items() if grid and grid[0]}
    for name in ("language_mix", "language_rank"):
        data[name] = [[1.0]]
    data["settings"].pop("cross", None)
    data["balance"] = {}
    return "it is about one language"


def only_mono(data: Any, rng: Random) -> str:
    """It claims to be of a divided task."""
    data["settings"] = {"mono": data["settings"]["mono"]} if "mono" in data.get("settings", {}) else {}
    data["balance"] = {}
    data["bias"] = {}
    return "it claims to be divided"


def new_curve(data: Any, rng: Random) -> str:
    """It has a curve of some points."""
    scores = [{}, {"multi": 0.5}, {"mono": 0.1, "cross": 0.2, "multi": 0.3}, {"normalised_rank_distance": 0.5}]
    data["curve"] = [
        {"dimension": rng.choice((1, 64, 10**7, -3, 0)), "form": rng.choice(("float32", "int8", "x")), "scores": each}
        for each in rng.sample(scores, rng.randrange(1, 4))
    ]
    return "it has a curve"


def _guarded(change: Callable[[Any, Random], str]) -> Callable[[Any, Random], str]:
    """A change that finds nothing to change, since an earlier one took it, replaces some value instead."""

    def apply(data: Any, rng: Random) -> str:
        try:
            return change(data, rng)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError):
            return replace(data, rng) if data else "nothing"

    return apply


ANY = tuple(map(_guarded, (replace, remove, empty, double, rename, retype)))
NEAR = tuple(
    map(
        _guarded,
        (
            move_score, blank_cells, drop_setting, swap_languages, other_task, other_model, one_language, only_mono,
            new_curve, remove,
        ),
    )
)  # fmt: skip


def _is_score(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(isinstance(number, float) for number in value)


def _twice(text: str, rng: Random) -> str:
    """The text with one of its keys standing twice in an object, with another value."""
    at = rng.choice([place for place, char in enumerate(text) if char == "{"])
    key = text[at + 1 :].lstrip().split('"')[1] if text[at + 1 :].lstrip().startswith('"') else "a"
    return f'{text[: at + 1]}"{key}": {rng.choice(("1", "null", "[]", "{}"))}, {text[at + 1 :]}'
