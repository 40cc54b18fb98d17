"""Named things: the one mechanism behind ``signbit list``, the conformance tests and the generated docs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from signbit.errors import ConfigError, UnknownNameError

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One registered thing.

    Attributes
    ----------
    name : what users type; lower case with dashes.
    summary : one line for lists and docs.
    target : the thing itself.
    reference : authors, title, year; empty where there is no publication.
    """

    name: str
    summary: str
    target: T
    reference: str = ""


class Registry(Generic[T]):
    """A table of :class:`Entry` by name. Registering a name twice is an error.

    >>> colours = Registry[str]("colour")
    >>> colours.add("red", "like a brick", "#f00")
    '#f00'
    >>> colours["red"].summary
    'like a brick'
    >>> colours["rde"]
    Traceback (most recent call last):
        ...
    signbit.errors.UnknownNameError: unknown colour 'rde'; did you mean red? known: red
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry[T]] = {}

    def add(self, name: str, summary: str, target: T, reference: str = "") -> T:
        """Register ``target`` under ``name`` and return it."""
        if name in self._entries:
            raise ConfigError(f"{self.kind} {name!r} is already registered; choose another name")
        self._entries[name] = Entry(name, summary, target, reference)
        return target

    def register(self, name: str, summary: str, reference: str = "") -> Callable[[T], T]:
        """Decorator form of :meth:`add`."""
        return lambda target: self.add(name, summary, target, reference)

    def __getitem__(self, name: str) -> Entry[T]:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownNameError(self.kind, name, self._entries) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[Entry[T]]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def names(self) -> list[str]:
        """Registered names in order of registration."""
        return list(self._entries)
