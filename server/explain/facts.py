"""Collects what is known about a piece of code; every citation is checked before it is handed out."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import replace

from indexer.api import Index
from indexer.tokens import identifiers
from indexer.types import Hit, Symbol, SymbolKind
from server.config import ExplainConfig
from server.context.modules import POSSIBLE, local_names, module_match
from server.context.receivers import enclosing_symbols
from server.context.resolution import Definition, Origin, Resolver
from server.explain.subject import Subject, find_subject
from server.explain.uses import PROSE, UsePlace, use_lines, uses_in
from server.explain.values import ExplainTarget
from server.syntax import NameUse, UseShape, bound_names, lex, name_uses, parameters
from server.types import Citation, ExplainRequest, Fact, FactKind

_MAX_MEMBERS = 12
_MAX_USES = 8
_MAX_CALLERS = 5
_MAX_COMMITS = 4
_MAX_RELATED = 3
_REFERENCES_ASKED = 100
_MAX_DOCUMENTATION = 1500
_MAX_NAMES_RESOLVED = 40
_SELVES = frozenset({"self", "this", "Self", "cls"})
_CONTAINERS = frozenset(
    {SymbolKind.CLASS, SymbolKind.STRUCT, SymbolKind.INTERFACE, SymbolKind.ENUM, SymbolKind.TRAIT, SymbolKind.MODULE}
)
DATA = PROSE | {"json", "yaml", "toml", "ini", "xml", "html", "css", "scss", "less", "csv"}
"""Languages whose names define and call nothing."""
_EVERYWHERE_TEXT = """
    add all append apply call clear clone close contains copy count delete each encode decode equals error extend filter
    find first format get index insert items join keys last length list map match name new next open parse pop print
    push put read remove replace reset run send set size sort split start stop string strip test toString trim type
    unwrap update value values wait write
"""
_EVERYWHERE = frozenset(_EVERYWHERE_TEXT.split())
"""Members that every library has: the one definition in the index is probably not the one that is called."""


class FactFinder:
    """Finds facts for explanations; safe to call from several threads."""

    def __init__(self, index: Index | None, resolver: Resolver, config: ExplainConfig) -> None:
        self._index = index
        self._resolver = resolver
        self._config = config

    def find(self, target: ExplainTarget) -> ExplainRequest:
        """Decide what ``target`` means and collect the facts, most telling first, at most ``max_facts``."""
        origin = self._resolver.origin(
            path=target.path,
            language=target.language,
            text=target.text,
            repository=target.repository,
            ref=target.ref,
            scope=target.scope,
            open_files=target.open_files,
        )
        subject = find_subject(target, origin.parsed, self._index)
        facts = _Unique(self._config.max_facts, _Check(self._index, target, origin))
        facts.extend(_own(target, subject))
        facts.extend(_members(target, subject, origin))
        facts.extend(self._uses(subject, origin))
        if subject.symbol is not None and subject.symbol.kind is not SymbolKind.HEADING:
            facts.extend(self._callers(subject.symbol, subject, origin))
        facts.extend(self._history(target, subject))
        facts.extend(self._related(target, subject, origin), at_most=_MAX_RELATED, apart=True)
        symbol = subject.symbol
        return ExplainRequest(
            path=target.path,
            language=target.language,
            text=subject.text,
            start_line=subject.start_line,
            end_line=subject.end_line,
            repository=target.repository,
            ref=target.ref,
            symbol=qualified(symbol) if symbol else "",
            facts=tuple(facts.kept),
            question=target.question,
            caller=target.caller,
        )

    def _uses(self, subject: Subject, origin: Origin) -> Iterator[Fact]:
        """Definitions of what the subject calls and mentions, in the order of the text."""
        if origin.language in DATA:
            return
        tokens = lex(subject.text, origin.language, first_line=subject.start_line)
        local = set(bound_names(tokens))
        own = subject.symbol or subject.enclosing
        if own is not None:
            local |= {parameter.name for parameter in parameters(own.signature, own.name, origin.language)}
        seen: set[tuple[str, str]] = set()
        places: set[tuple[str, str, int]] = set()
        found = 0
        for use in name_uses(tokens):
            if (use.name, use.qualifier) in seen or use.shape is UseShape.DEFINITION:
                continue
            if use.name in local and not use.shape.is_member:
                continue
            seen.add((use.name, use.qualifier))
            if found >= _MAX_USES or len(seen) > _MAX_NAMES_RESOLVED:
                return
            definition = self._sure(use, subject, origin)
            if definition is None or _place(definition) in places:
                continue
            places.add(_place(definition))
            found += 1
            if _is_in(definition, origin):
                # The document counts as unsaved to the resolver; its subject knows whether it is as indexed.
                definition = replace(definition, commit=subject.commit)
            yield definition_fact(definition)

    def _sure(self, use: NameUse, subject: Subject, origin: Origin) -> Definition | None:
        """The definition of ``use`` when there is good reason to believe that it is this one."""
        found = self._resolver.resolve(use, origin, own=True)
        found = [definition for definition in found if definition.symbol.kind is not SymbolKind.HEADING]
        if not found:
            return None
        best = found[0]
        if _is_in(best, origin):
            inside = subject.start_line <= best.symbol.start_line <= subject.end_line
            # An overload of the subject is no use of another definition.
            inside = inside or (subject.symbol is not None and best.qualified_name == qualified(subject.symbol))
            ambiguous = use.shape.is_member and use.qualifier not in _SELVES and len(found) > 1
            return None if inside or ambiguous else best
        if best.import_match >= POSSIBLE or best.of_receiver:
            return best
        beside = best.repository == origin.repository and _directory(best.path) == _directory(origin.path)
        if use.shape.is_member:
            believable = len(found) == 1 and use.name not in _EVERYWHERE and len(use.name) > 5
            believable = believable and best.language == origin.language
        else:
            clear = beside or len(found) == 1 or best.score > found[1].score + 0.5
            believable = clear and (beside or use.name not in _EVERYWHERE)
        return best if believable else None

    def _callers(self, symbol: Symbol, subject: Subject, origin: Origin) -> Iterator[Fact]:
        """Where the definition is used: first how often, then the places."""
        namesakes = self._resolver.namesakes(symbol.name, origin) - 1
        own = qualified(symbol)
        found = (
            place
            for place in self._places(symbol, subject, origin, shared=namesakes > 0)
            if not (symbol.kind in _CONTAINERS and place.path == origin.path and place.inside.startswith(f"{own}."))
        )
        places = list({(place.repository, place.path, place.line): place for place in found}.values())
        if not places:
            return
        files = {(place.repository, place.path) for place in places}
        more = "at least " if len(places) >= _REFERENCES_ASKED else ""
        yield Fact(
            FactKind.CALLER,
            f"{more}{len(places)} {_plural(len(places), 'place')} in {len(files)} {_plural(len(files), 'file')}",
            _namesakes_note(namesakes),
        )
        first_of_file = {(place.repository, place.path): place for place in reversed(places)}
        ordered = [place for place in places if first_of_file[place.repository, place.path] is place]
        ordered += [place for place in places if first_of_file[place.repository, place.path] is not place]
        for place in ordered[:_MAX_CALLERS]:
            where = f"{place.path}:{place.line}"
            title = f"`{place.inside}` in {where}" if place.inside else where
            cited = Citation(place.repository, place.path, place.line, place.line, place.commit, place.inside)
            yield Fact(FactKind.CALLER, title, place.text[:160], cited)

    def _places(self, symbol: Symbol, subject: Subject, origin: Origin, *, shared: bool) -> Iterator[UsePlace]:
        """Lines that use ``symbol``: in the document itself, then in the index, own repository first.

        When other definitions share its name, only those that import its file or stand near it count.
        """
        yield from _own_uses(symbol.name, origin, subject)
        if self._index is None:
            return
        hits = self._index.references(symbol.name, origin.scope, _REFERENCES_ASKED)
        for hit in sorted(hits, key=lambda hit: hit.repository != origin.repository):
            if hit.symbol == symbol.name or (shared and not self._may_mean(hit, origin)):
                continue
            for place in uses_in(hit, symbol.name):
                # Another class that says `self.name` means its own.
                if not (shared and place.qualifier in _SELVES and symbol.scope not in f".{place.inside}."):
                    yield place

    def _may_mean(self, hit: Hit, origin: Origin) -> bool:
        """Whether a use of a name that several definitions share may mean the document's: imported, or near."""
        if hit.repository == origin.repository and hit.path.rpartition("/")[0] == origin.path.rpartition("/")[0]:
            return True
        if self._index is None:
            return False
        imports = local_names(self._index.imports_of(hit.repository, hit.ref, hit.path), hit.language).values()
        return any(
            module_match(item, hit.path, hit.language, origin.path, origin.repository) > POSSIBLE for item in imports
        )

    def _history(self, target: ExplainTarget, subject: Subject) -> Iterator[Fact]:
        if self._index is None or subject.indexed_lines is None:
            return
        start, end = subject.indexed_lines
        history = self._index.history(target.repository, target.path, start, end, _MAX_COMMITS, ref=target.ref)
        for entry in history:
            date = datetime.datetime.fromtimestamp(entry.author_date, datetime.UTC).date().isoformat()
            yield Fact(FactKind.HISTORY, f"{date} {entry.commit[:10]}", entry.subject)

    def _related(self, target: ExplainTarget, subject: Subject, origin: Origin) -> Iterator[Fact]:
        """Code and prose that share the subject's name or, without one, its words."""
        if self._index is None:
            return
        symbol = subject.symbol
        words = {symbol.name} if symbol else _called(subject.text, origin.language)
        if not words or origin.language in DATA:
            return
        query = f"{symbol.name}\n{symbol.documentation[:300]}" if symbol else subject.text[:1000]
        for hit in self._index.search(query, origin.scope, 12):
            # Likeness alone is no claim to make: at least half of the names must be there.
            if 2 * len(words & set(identifiers(hit.text))) < len(words):
                continue
            title = f"{hit.scope}.{hit.symbol}" if hit.scope and hit.symbol else hit.symbol
            first = next((line.strip() for line in hit.text.split("\n") if line.strip()), "")
            yield Fact(
                FactKind.RELATED,
                title or hit.path.rpartition("/")[2],
                first[:160],
                Citation(hit.repository, hit.path, hit.start_line, hit.end_line, hit.commit, title),
            )


class _Check:
    """Says whether a citation exists: those lines, in the open document or in the indexed file at that commit."""

    def __init__(self, index: Index | None, target: ExplainTarget, origin: Origin) -> None:
        self._index = index
        self._open = {
            (file.repository or target.repository, file.path): file.text.count("\n") + 1 for file in origin.open_files
        }
        self._open[target.repository, target.path] = target.text.count("\n") + 1
        self._lengths: dict[tuple[str, str], int] = {}

    def __call__(self, citation: Citation) -> bool:
        place = (citation.repository, citation.path)
        if not 1 <= citation.start_line <= citation.end_line:
            return False
        if place in self._open:
            return citation.end_line <= self._open[place]
        if self._index is None or not citation.commit:
            return False
        if place not in self._lengths:
            # A commit is a ref to the index; it knows only those that are published, which is what is to be checked.
            text = self._index.file_text(citation.repository, citation.commit, citation.path)
            self._lengths[place] = len((text or "").splitlines())
        return citation.end_line <= self._lengths[place]


class _Unique:
    """Keeps facts whose citation exists and is not that of one before."""

    def __init__(self, limit: int, exists: _Check) -> None:
        self.kept: list[Fact] = []
        self._limit = limit
        self._exists = exists
        self._cited: list[Citation] = []

    def extend(self, facts: Iterator[Fact], *, at_most: int | None = None, apart: bool = False) -> None:
        """Take over ``at_most`` of them; ``apart`` also leaves out what shares a line with a citation before."""
        same = _overlap if apart else _is_same
        limit = self._limit if at_most is None else min(self._limit, len(self.kept) + at_most)
        while len(self.kept) < limit and (fact := next(facts, None)) is not None:
            cited = fact.citation
            if cited is not None:
                if any(same(cited, other) for other in self._cited) or not self._exists(cited):
                    continue
                self._cited.append(cited)
            self.kept.append(fact)


def _is_same(one: Citation, other: Citation) -> bool:
    return _overlap(one, other) and (one.start_line, one.end_line) == (other.start_line, other.end_line)


def _overlap(one: Citation, other: Citation) -> bool:
    """Whether two citations have a line in common."""
    in_one_file = (one.repository, one.path) == (other.repository, other.path)
    return in_one_file and one.start_line <= other.end_line and other.start_line <= one.end_line


def definition_fact(definition: Definition) -> Fact:
    """What a definition is: its kind and name, its signature, the first sentence of its documentation."""
    symbol = definition.symbol
    text = symbol.signature
    if symbol.documentation:
        text += f"\n{first_sentence(symbol.documentation)}"
    return Fact(
        FactKind.USES,
        f"{symbol.kind.value} {definition.qualified_name}",
        text,
        Citation(
            definition.repository, definition.path, symbol.start_line, symbol.end_line, definition.commit,
            definition.qualified_name,
        ),
    )  # fmt: skip


def qualified(symbol: Symbol) -> str:
    """The symbol's name with its enclosing definitions."""
    return f"{symbol.scope}.{symbol.name}" if symbol.scope else symbol.name


def first_sentence(documentation: str) -> str:
    """The first sentence, on one line, at most about 200 characters."""
    paragraph = " ".join(documentation.strip().split("\n\n")[0].split())
    match = re.match(r".{8,200}?[.!?](?=\s|$)", paragraph)
    if match:
        return match.group()
    return paragraph if len(paragraph) <= 200 else paragraph[:197].rsplit(" ", 1)[0] + " …"


def _own(target: ExplainTarget, subject: Subject) -> Iterator[Fact]:
    """The definition itself, or the one around the lines."""
    symbol = subject.symbol or subject.enclosing
    if symbol is None:
        return
    title = f"{symbol.kind.value} {qualified(symbol)}"
    if subject.symbol is None:
        title = f"inside {title}"
    yield Fact(
        FactKind.SIGNATURE,
        title,
        symbol.signature,
        Citation(target.repository, target.path, symbol.start_line, symbol.end_line, subject.commit, qualified(symbol)),
    )
    if symbol.documentation:
        yield Fact(FactKind.DOCUMENTATION, title, symbol.documentation[:_MAX_DOCUMENTATION])


def _members(target: ExplainTarget, subject: Subject, origin: Origin) -> Iterator[Fact]:
    outer = subject.symbol
    if outer is None or outer.kind not in _CONTAINERS:
        return
    wanted = qualified(outer)
    # Members need not stand inside: a Go method and a Rust impl follow their type.
    inside = [symbol for symbol in origin.parsed.symbols if symbol is not outer and symbol.scope == wanted]
    for symbol in inside[:_MAX_MEMBERS]:
        text = symbol.signature + (f"\n{first_sentence(symbol.documentation)}" if symbol.documentation else "")
        yield Fact(
            FactKind.MEMBER,
            f"{symbol.kind.value} {symbol.name}",
            text,
            Citation(
                target.repository, target.path, symbol.start_line, symbol.end_line, subject.commit, qualified(symbol)
            ),
        )
    if len(inside) > _MAX_MEMBERS:
        yield Fact(FactKind.MEMBER, f"{len(inside) - _MAX_MEMBERS} more", "")


def _own_uses(name: str, origin: Origin, subject: Subject) -> Iterator[UsePlace]:
    """Uses in the document outside of the subject, then in the other open documents."""
    for number, line, qualifier in use_lines(origin.text, origin.language, name):
        if not subject.start_line <= number <= subject.end_line:
            around = enclosing_symbols(origin.parsed, number)
            inside = qualified(around[-1]) if around else ""
            yield UsePlace(origin.repository, origin.path, number, subject.commit, inside, line, qualifier)
    for file in origin.open_files:
        if name in file.text and file.language not in PROSE:
            for number, line, qualifier in use_lines(file.text, file.language, name):
                yield UsePlace(file.repository or origin.repository, file.path, number, "", "", line, qualifier)


def _place(definition: Definition) -> tuple[str, str, int]:
    return definition.repository, definition.path, definition.symbol.start_line


def _is_in(definition: Definition, origin: Origin) -> bool:
    return (definition.repository, definition.path) == (origin.repository, origin.path)


def _directory(path: str) -> str:
    return path.rpartition("/")[0]


def _called(text: str, language: str) -> set[str]:
    """Names that ``text`` calls, except those that every library has."""
    shapes = {UseShape.CALL, UseShape.MEMBER_CALL}
    return {use.name for use in name_uses(lex(text, language)) if use.shape in shapes} - _EVERYWHERE


def _namesakes_note(count: int) -> str:
    if not count:
        return ""
    return f"{count} other {_plural(count, 'definition')} of that name; uses are told apart by imports and directories"


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
