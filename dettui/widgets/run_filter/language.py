"""The grammar of the filter, and its parser.  Pure: no run is looked at here.

    query   = all ("or" all)*                     also written |
    all     = one ("and"? one)*                   neighbours are joined by and
    one     = ("not" | "!" | "-") one | "(" query ")" | term
    term    = text | field ":" text | name relation value
    relation = "<" | "<=" | ">" | ">=" | "=" | "!="

Text may be quoted, and holds * and ? as wildcards.  Words have no case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias, cast

Field: TypeAlias = Literal["name", "host", "state", "group", "cause", "finding", "severity", "has"]
Relation: TypeAlias = Literal["<", "<=", ">", ">=", "=", "!="]

FIELDS: Final[tuple[Field, ...]] = ("state", "cause", "finding", "severity", "host", "group", "name", "has")


class FilterError(Exception):
    """What is wrong with a query, in one line, and at which character."""

    def __init__(self, text: str, at: int) -> None:
        super().__init__(text)
        self.at = at


@dataclass(frozen=True)
class Text:
    """The run's name, host, group, state, worst finding or its cause holds *text*."""

    text: str


@dataclass(frozen=True)
class Has:
    """One field of the run holds *text*."""

    field: Field
    text: str


@dataclass(frozen=True)
class Compare:
    """The newest value of a metric, a vital sign or a setting stands in *relation* to *value*."""

    name: str
    relation: Relation
    value: str


@dataclass(frozen=True)
class Not:
    """The run is none of *part*."""

    part: Query


@dataclass(frozen=True)
class All:
    """Every one of *parts*."""

    parts: tuple[Query, ...]


@dataclass(frozen=True)
class Any:
    """At least one of *parts*."""

    parts: tuple[Query, ...]


Query: TypeAlias = "Text | Has | Compare | Not | All | Any"

EVERYTHING: Final = All(())


Kind: TypeAlias = Literal["word", "quoted", "relation", "colon", "open", "close", "not", "or"]


class Token(NamedTuple):
    """A piece of a query."""

    kind: Kind
    text: str
    at: int
    end: int


_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<quoted>"[^"]*"|'[^']*')
      | (?P<relation><=|>=|!=|<|>|=)
      | (?P<colon>:)
      | (?P<open>\()
      | (?P<close>\))
      | (?P<or>\|)
      | (?P<not>[!-](?=[^\s<>=:()|]|$|\())
      | (?P<word>[^\s"'<>=:()|!][^\s<>=:()|!]*)
      | (?P<unclosed>["'])
    )""",
    re.VERBOSE,
)
_NUMBER: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$")
_NESTED: Final = 50
"""Deeper nobody writes, and recursion has an end."""


def parse(text: str) -> Query:
    """The query that *text* means; everything where it is blank.  Raises FilterError."""
    return _Parser(tokens_of(text), len(text)).parse()


def tokens_of(text: str) -> list[Token]:
    """The pieces of *text*.  Raises FilterError."""
    tokens: list[Token] = []
    at = 0
    while text[at:].strip():
        # a sign belongs to the number that a relation asks for
        number = re.match(r"\s*([-+]?[.\d][^\s()|]*)", text[at:]) if tokens and tokens[-1].kind == "relation" else None
        found = None if number else _TOKEN.match(text, at)
        if number:
            start = at + number.start(1)
            tokens.append(Token("word", number[1], start, at + number.end()))
            at += number.end()
            continue
        if found is None or found.lastgroup == "unclosed":
            start = at + len(text[at:]) - len(text[at:].lstrip())
            raise FilterError("the quotation is not closed" if found else f"{text[start]} cannot stand here", start)
        kind = cast(Kind, found.lastgroup)
        said = found[kind].strip("\"'") if kind == "quoted" else found[kind]
        tokens.append(Token(kind, said, found.start(kind), found.end()))
        at = found.end()
    return tokens


class _Parser:
    """Recursive descent over tokens."""

    def __init__(self, tokens: list[Token], length: int) -> None:
        self._tokens = tokens
        self._length = length
        self._at = 0
        self._depth = 0

    def parse(self) -> Query:
        if not self._tokens:
            return EVERYTHING
        query = self._any()
        if self._peek is not None:
            raise FilterError("there is no ( for this )", self._peek.at)
        return query

    @property
    def _peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _is(self, word: str) -> bool:
        token = self._peek
        return token is not None and (token.kind == word or (token.kind == "word" and token.text.lower() == word))

    def _any(self) -> Query:
        parts = [self._all()]
        while self._is("or"):
            self._take()
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Any(tuple(parts))

    def _all(self) -> Query:
        parts = [self._one()]
        while self._peek is not None and not self._is("or") and self._peek.kind != "close":
            if self._is("and"):
                self._take()
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self) -> Query:
        self._depth += 1
        if self._depth > _NESTED:
            raise FilterError(f"more than {_NESTED} levels", self._peek.at if self._peek else self._length)
        query = self._negated() if self._is("not") else self._group() if self._is("open") else self._term()
        self._depth -= 1
        return query

    def _negated(self) -> Query:
        self._take()
        return Not(self._one())

    def _group(self) -> Query:
        opened = self._take()
        query = self._any()
        if not self._is("close"):
            raise FilterError("the ( is not closed", opened.at)
        self._take()
        return query

    def _term(self) -> Query:
        token = self._peek
        if token is None:
            raise FilterError("something should follow", self._length)
        if token.kind not in ("word", "quoted") or (token.kind == "word" and token.text.lower() in ("and", "or")):
            raise FilterError(f"{token.text} cannot stand here", token.at)
        self._take()
        following = self._peek
        if following is not None and following.kind == "colon":
            return self._field(token)
        if following is not None and following.kind == "relation":
            return Compare(token.text, cast(Relation, self._take().text), self._value(token).text)
        return Text(token.text)

    def _field(self, name: Token) -> Query:
        self._take()
        field = name.text.lower()
        if field not in FIELDS:
            raise FilterError(f"no field {name.text}; there are {', '.join(FIELDS)}", name.at)
        return Has(field, self._value(name).text)

    def _value(self, name: Token) -> Token:
        token = self._peek
        if token is None or token.kind not in ("word", "quoted"):
            raise FilterError(f"{name.text} of what?", token.at if token else self._length)
        return self._take()


def written(query: Query) -> str:
    """*query* as text that parses to it."""
    if isinstance(query, Text):
        return _quoted(query.text)
    if isinstance(query, Has):
        return f"{query.field}:{_quoted(query.text)}"
    if isinstance(query, Compare):
        return f"{_quoted(query.name)}{query.relation}{_quoted(query.value)}"
    if isinstance(query, Not):
        return f"not {_bracketed(query.part)}"
    joint = " and " if isinstance(query, All) else " or "
    return joint.join(_bracketed(part) for part in query.parts)


def _bracketed(query: Query) -> str:
    return f"({written(query)})" if isinstance(query, All | Any) else written(query)


def _quoted(text: str) -> str:
    return f'"{text}"' if '"' not in text else f"'{text}'"


def as_number(value: str) -> float | None:
    """*value* as a number; None where it is none."""
    return float(value) if _NUMBER.match(value) else None
