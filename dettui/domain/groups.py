"""Which runs are seeds of one experiment: the same name but for a seed, and the same configuration but for a seed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from dettui.domain.run import RunInfo

_SEED_IN_NAME: Final = re.compile(r"(?:^|[-_./ ]+)(?:seed|s)[-_=:]?\d+(?=$|[-_./ ])", re.IGNORECASE)
_SEED_KEYS: Final = frozenset({"seed", "random_seed", "manual_seed", "rng_seed"})


class GroupKey(NamedTuple):
    """What the members of a group have in common."""

    name: str  # without the seed
    setting: tuple[tuple[str, str], ...] = ()  # the configuration without the seed, sorted


def group_of(info: RunInfo) -> GroupKey:
    """The group of one run.  A name that the user gave it decides alone."""
    named = group_named(info)
    if named:
        return GroupKey(named)
    return GroupKey(seedless(info), tuple(sorted(_setting(info.config))))


def group_named(info: RunInfo) -> str:
    """The group that the user named, or put into ``config["group"]`` as other trackers have it; "" where nobody did."""
    configured = info.config.get("group")
    return info.group or (configured if isinstance(configured, str) else "")


def seedless(info: RunInfo) -> str:
    """The name of a run without its seed, and without the random end that an unnamed run is given."""
    name = info.name
    if name == info.id:
        name = re.sub(r"-[0-9a-f]{4}$", "", name)
    return _SEED_IN_NAME.sub("", name).strip("-_./ ") or name


def _setting(config: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        if key.lower().rpartition(".")[2] not in _SEED_KEYS:
            yield key, repr(value)


def group_names(keys: Sequence[GroupKey]) -> dict[GroupKey, str]:
    """A name for each of *keys*; those of the same name are told apart by the settings in which they differ."""
    names: dict[GroupKey, str] = {}
    for key in dict.fromkeys(keys):
        rivals = [other for other in dict.fromkeys(keys) if other.name == key.name]
        shared = set.intersection(*(set(rival.setting) for rival in rivals))
        own = [f"{name} {value.strip(chr(39))}" for name, value in key.setting if (name, value) not in shared]
        names[key] = f"{key.name} ({', '.join(own[:2])})" if len(rivals) > 1 and own else key.name
    return names
