"""From a name in an open document to its definitions, the right one first."""

from __future__ import annotations

import posixpath
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from indexer.api import Index
from indexer.types import Import, ParsedFile, Scope, Symbol, SymbolHit, SymbolKind
from server.context.documents import ParseCache
from server.context.modules import (
    CERTAIN,
    POSSIBLE,
    is_within_repository,
    local_names,
    module_match,
    module_words,
    path_words,
)
from server.context.receivers import enclosing_symbols, receiver_types
from server.syntax import NameUse, UseShape
from server.types import OpenFile

_CANDIDATES = 50
_DOCUMENTS_REMEMBERED = 64
_NAMES_REMEMBERED = 4096
_RESOLVED = 8
"""Meanings of a name that are remembered; a completion asks for no more."""
_UNPARSED = ParsedFile("", ())
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_TYPE_KINDS = frozenset(
    {SymbolKind.CLASS, SymbolKind.STRUCT, SymbolKind.INTERFACE, SymbolKind.ENUM, SymbolKind.TRAIT, SymbolKind.TYPE}
)
_CALLABLE_KINDS = frozenset({SymbolKind.FUNCTION, SymbolKind.METHOD, SymbolKind.MACRO})
_MEMBER_KINDS = frozenset({SymbolKind.METHOD, SymbolKind.FIELD})
_EXPLICIT_RECEIVER = frozenset({"python", "javascript", "typescript", "tsx", "jsx", "go", "rust", "php", "c"})
"""Languages in which a member is never named without its receiver."""
_OPEN_CLASSES = frozenset({"ruby", "csharp", "cpp"})
"""Languages in which a member named alone may be inherited or defined in another file of the same class."""
_IMPORTS_ALL = frozenset({"python", "javascript", "typescript", "tsx", "jsx", "rust"})
"""Languages in which a name from another file is always imported."""
_PACKAGE_IS_DIRECTORY = frozenset({"go", "java", "kotlin", "scala"})
_FAMILIES = {
    "typescript": "javascript",
    "tsx": "javascript",
    "jsx": "javascript",
    "vue": "javascript",
    "kotlin": "java",
    "cpp": "c",
}


@dataclass(frozen=True, slots=True)
class Origin:
    """The document in which names are resolved. ``parsed`` is its open text; ``scope`` excludes the open documents."""

    path: str
    language: str
    text: str
    parsed: ParsedFile
    repository: str = ""
    ref: str = ""
    scope: Scope = field(default_factory=Scope)
    open_files: tuple[OpenFile, ...] = ()
    imports: Mapping[str, Import] = field(default_factory=dict)
    """Local name → import."""
    priors: dict[tuple[str, str], float] = field(default_factory=dict)
    """What :meth:`import_prior` found; shared by all states of a document that have the same imports."""
    known: dict[str, tuple[SymbolHit, ...]] = field(default_factory=dict)
    """Definitions by name; shared while the index and what may be read stay the same."""

    resolved: dict[Hashable, tuple[Definition, ...]] = field(default_factory=dict)
    """What the index has for a name used in some way, best first; shared while the above and the imports stay."""

    def import_prior(self, repository: str, path: str) -> float:
        """How well ``path`` fits the best of the document's imports, 0.0 to 1.0."""
        key = (repository, path)
        if key not in self.priors:
            words = path_words(path)
            # Most imports have no word in common with most paths; a Go package at the root is named by its repository.
            named_by_repository = self.language == "go" and "/" not in path
            self.priors[key] = max(
                (
                    module_match(item, self.path, self.language, path, repository)
                    for item in dict.fromkeys(self.parsed.imports)
                    if named_by_repository or not words.isdisjoint(module_words(item, self.path, self.language))
                ),
                default=0.0,
            )
        return self.priors[key]


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition that a name may mean. ``commit`` is empty where it stands in unsaved text.

    ``import_match`` says how well its file fits the import that brought the name in (0.0 without one).
    """

    repository: str
    ref: str
    commit: str
    path: str
    language: str
    symbol: Symbol
    score: float
    import_match: float = 0.0
    of_receiver: bool = False
    """Whether it is a member of the type that the receiver is known to have."""
    text: str | None = None
    """The whole open document, for definitions in open documents."""

    @property
    def qualified_name(self) -> str:
        """Name with its enclosing definitions."""
        return f"{self.symbol.scope}.{self.symbol.name}" if self.symbol.scope else self.symbol.name


class Resolver:
    """Resolves names through imports, the symbol index and open documents; safe to call from several threads."""

    def __init__(self, index: Index | None, parses: ParseCache | None = None) -> None:
        self._index = index
        self._parses = parses or ParseCache()
        self._lock = threading.Lock()
        self._priors: OrderedDict[Hashable, dict[tuple[str, str], float]] = OrderedDict()
        self._known: OrderedDict[Hashable, dict[str, tuple[SymbolHit, ...]]] = OrderedDict()
        self._resolved: OrderedDict[Hashable, dict[Hashable, tuple[Definition, ...]]] = OrderedDict()

    def origin(
        self,
        *,
        path: str,
        language: str,
        text: str,
        repository: str,
        ref: str,
        scope: Scope,
        open_files: Sequence[OpenFile],
        cursor_line: int = 0,
    ) -> Origin:
        """Parse the document and shadow it, and the other open ones, in the scope."""
        parsed = self._parses.parse(text, language, cursor_line=cursor_line)
        shadowing = _shadowing(scope, repository, path, open_files)
        generation = self._index.generation() if self._index is not None else -1
        return Origin(
            path=path,
            language=language,
            text=text,
            parsed=parsed,
            repository=repository,
            ref=ref,
            scope=shadowing,
            open_files=tuple(
                file for file in open_files if (file.repository or repository, file.path) != (repository, path)
            ),
            imports=local_names(parsed.imports, language),
            priors=self._remembered(self._priors, (repository, path, language, parsed.imports)),
            known=self._remembered(self._known, (generation, repository, ref, shadowing)),
            resolved=self._remembered(
                self._resolved, (generation, repository, ref, shadowing, path, language, parsed.imports)
            ),
        )

    def any_defined(
        self,
        names: Iterable[str],
        *,
        repository: str,
        ref: str,
        path: str,
        scope: Scope,
        open_files: Sequence[OpenFile],
    ) -> bool:
        """Whether the index or an open file defines one of ``names`` outside of the document; it is not parsed."""
        wanted = list(names)
        if any(name in file.text for file in open_files for name in wanted):
            return True
        if self._index is None:
            return False
        shadowing = _shadowing(scope, repository, path, open_files)
        known = self._remembered(self._known, (self._index.generation(), repository, ref, shadowing))
        origin = Origin(path, "", "", _UNPARSED, repository, ref, shadowing, known=known)
        self.prefetch(wanted, origin)
        return any(self._in_index(name, origin) for name in wanted)

    def _remembered(self, memory: OrderedDict[Hashable, dict[_Key, _Value]], key: Hashable) -> dict[_Key, _Value]:
        """What was found under ``key`` before; single operations on it are safe in several threads."""
        with self._lock:
            found = memory.setdefault(key, {})
            memory.move_to_end(key)
            if len(memory) > _DOCUMENTS_REMEMBERED:
                memory.popitem(last=False)
            return found

    def resolve(self, use: NameUse, origin: Origin, *, own: bool = False, limit: int = 5) -> list[Definition]:
        """Definitions of the name in ``use``, best first.

        ``own`` is for hovers and explanations: it includes those of the document itself, which completions must not
        see, and leaves out what the document cannot see (a completion may be about to import it). When the name is
        imported and no file fits the import, the list is empty: the name comes from outside of the index.
        """
        brought_in = origin.imports.get(use.qualifier) if use.shape.is_member else origin.imports.get(use.name)
        name = use.name
        if brought_in is not None and not use.shape.is_member and brought_in.name:
            name = brought_in.name
        unsaved = [*(self._in_document(name, origin) if own else ()), *self._in_open_files(name, origin)]
        receivers = receiver_types(use, origin.text, origin.language, origin.parsed)
        # Where the name stands matters only for definitions of the document itself.
        key = None if own or unsaved or limit > _RESOLVED else (use.name, use.qualifier, use.shape, receivers)
        known = None if key is None else origin.resolved.get(key)
        if known is None:
            found = [*unsaved, *self._in_index(name, origin)]
            if not use.shape.is_member:
                found = [item for item in found if _reachable_alone(item, use, origin)]
            ranked = self._ranked(found, use, brought_in, receivers, origin, own=own)
            if key is None:
                return ranked[:limit]
            if len(origin.resolved) > _NAMES_REMEMBERED:
                origin.resolved.clear()
            known = origin.resolved[key] = tuple(ranked[:_RESOLVED])
        return list(known[:limit])

    def _ranked(
        self,
        found: Sequence[Definition],
        use: NameUse,
        brought_in: Import | None,
        receivers: frozenset[str],
        origin: Origin,
        *,
        own: bool,
    ) -> list[Definition]:
        """Those of ``found`` that the use can mean, best first."""
        scored = [self._score(definition, use, brought_in, receivers, origin) for definition in found]
        elsewhere = not any(_is_own(item, origin) for item in scored)
        if brought_in is not None and elsewhere and _says_where(brought_in, use):
            fitting = [item for item in scored if item.import_match >= POSSIBLE]
            # A module of the repository may hand on what another file defines; then only the name can tell.
            handed_on = is_within_repository(brought_in) and (not own or len(scored) == 1)
            scored = fitting or (scored if handed_on else [])
        elif own and brought_in is None and not use.shape.is_member:
            scored = [item for item in scored if _is_own(item, origin) or _visible(item, origin)]
        return sorted(scored, key=lambda item: (-item.score, item.repository, item.path, item.symbol.start_line))

    def prefetch(self, names: Iterable[str], origin: Origin) -> None:
        """Look up the definitions of many names at once, in the document's own repository first."""
        if self._index is None:
            return
        wanted = [name for name in dict.fromkeys(names) if name not in origin.known]
        found: dict[str, list[SymbolHit]] = {name: [] for name in wanted}
        if origin.repository:
            own = origin.scope.only(origin.repository, origin.ref)
            for hit in self._index.definitions_of(wanted, own, _CANDIDATES):
                found[hit.symbol.name].append(hit)
        missing = [name for name in wanted if not found[name]]
        if missing:
            for hit in self._index.definitions_of(missing, origin.scope, _CANDIDATES):
                found[hit.symbol.name].append(hit)
        if len(origin.known) > _NAMES_REMEMBERED:
            origin.known.clear()
        origin.known.update((name, tuple(hits)) for name, hits in found.items())

    def namesakes(self, name: str, origin: Origin) -> int:
        """How many definitions of ``name`` there are in the document, the open ones and the index, at most about 50."""
        found = [*self._in_document(name, origin), *self._in_open_files(name, origin), *self._in_index(name, origin)]
        return len(found)

    def _in_document(self, name: str, origin: Origin) -> list[Definition]:
        return [
            Definition(origin.repository, origin.ref, "", origin.path, origin.language, symbol, 0.0, text=origin.text)
            for symbol in origin.parsed.symbols
            if symbol.name == name
        ]

    def _in_open_files(self, name: str, origin: Origin) -> list[Definition]:
        found = []
        for file in origin.open_files:
            if name not in file.text:
                continue
            repository = file.repository or origin.repository
            found += [
                Definition(repository, origin.ref, "", file.path, file.language, symbol, 0.0, text=file.text)
                for symbol in self._parses.parse(file.text, file.language).symbols
                if symbol.name == name
            ]
        return found

    def _in_index(self, name: str, origin: Origin) -> list[Definition]:
        if self._index is None:
            return []
        if name not in origin.known:
            self.prefetch([name], origin)
        hits = origin.known.get(name, ())
        return [
            Definition(hit.repository, hit.ref, hit.commit, hit.path, hit.language, hit.symbol, 0.0)
            for hit in hits
            if hit.symbol.kind is not SymbolKind.HEADING and (hit.repository, hit.path) not in origin.scope.exclude
        ]

    def _score(
        self,
        definition: Definition,
        use: NameUse,
        brought_in: Import | None,
        receivers: frozenset[str],
        origin: Origin,
    ) -> Definition:
        same_repository = definition.repository == origin.repository
        same_file = same_repository and definition.path == origin.path
        match = 0.0
        if brought_in is not None and not same_file:
            match = module_match(brought_in, origin.path, origin.language, definition.path, definition.repository)
        score = 3.0 * match
        # Without an import of the name itself, a file that is imported for anything is still the likelier place.
        if match < CERTAIN and not same_file:
            score += origin.import_prior(definition.repository, definition.path)
        score += (1.5 if same_repository else 0.0) + _nearness(origin.path, definition.path)
        score += _kind_fit(use, definition.symbol.kind)
        of_receiver = definition.symbol.scope.rpartition(".")[2] in receivers
        score += 2.0 if of_receiver else 0.0
        score -= 0.0 if _family(origin.language) == _family(definition.language) else 2.0
        score -= 0.4 if _is_test(definition.path) and not _is_test(origin.path) else 0.0
        if same_file:
            score += 2.0 + _same_file_fit(use, definition.symbol, origin.parsed)
        return replace(definition, score=score, import_match=match, of_receiver=of_receiver)


def _shadowing(scope: Scope, repository: str, path: str, open_files: Sequence[OpenFile]) -> Scope:
    """Return the scope without what the editor has open."""
    shadowed = {(file.repository or repository, file.path) for file in open_files} | {(repository, path)}
    return Scope(scope.repositories, scope.ref, scope.exclude | shadowed)


def _says_where(brought_in: Import, use: NameUse) -> bool:
    """Whether the import settles where the name is defined: a member of an imported *object* may be anywhere."""
    return not use.shape.is_member or not brought_in.name


def _is_own(definition: Definition, origin: Origin) -> bool:
    return (definition.repository, definition.path) == (origin.repository, origin.path)


def _reachable_alone(definition: Definition, use: NameUse, origin: Origin) -> bool:
    """Whether the definition can be meant by its name alone, without something before a dot."""
    if definition.symbol.kind not in _MEMBER_KINDS:
        return True
    own = _is_own(definition, origin)
    if own and definition.symbol.start_line <= use.line <= definition.symbol.end_line:
        # The name in its own declaration.
        return use.shape is UseShape.DEFINITION or definition.symbol.start_line == use.line
    return origin.language not in _EXPLICIT_RECEIVER and (own or origin.language in _OPEN_CLASSES)


def _visible(definition: Definition, origin: Origin) -> bool:
    """Whether a name that is neither imported nor defined in the document can mean ``definition`` elsewhere."""
    if any(item.name == "*" or item.module.endswith("*") for item in origin.parsed.imports):
        return True
    if origin.language in _IMPORTS_ALL:
        return definition.symbol.kind is SymbolKind.MACRO
    if origin.language in _PACKAGE_IS_DIRECTORY:
        return definition.repository == origin.repository and _package(definition.path) == _package(origin.path)
    return True


def _package(path: str) -> str:
    """The directory of ``path`` below its source root: tests of a Java package stand in a tree of their own."""
    directory = f"/{posixpath.dirname(path)}/"
    for root in ("/java/", "/kotlin/", "/scala/", "/commonMain/"):
        _, found, below = directory.rpartition(root)
        if found:
            return below
    return directory


def _same_file_fit(use: NameUse, symbol: Symbol, parsed: ParsedFile) -> float:
    if symbol.start_line == use.line:
        return 3.0
    around = enclosing_symbols(parsed, use.line)
    classes = {outer.name for outer in around if outer.kind in _TYPE_KINDS}
    owner = symbol.scope.rpartition(".")[2]
    if use.qualifier in {"self", "this", "cls", "Self", "super"}:
        return 2.0 if owner in classes else -1.0
    return 1.0 if use.qualifier and use.qualifier == owner else 0.0


def _kind_fit(use: NameUse, kind: SymbolKind) -> float:
    if use.shape is UseShape.CALL:
        return 0.8 if kind is SymbolKind.FUNCTION or kind in _TYPE_KINDS else 0.2 if kind in _CALLABLE_KINDS else 0.0
    if use.shape is UseShape.MEMBER_CALL:
        return 0.8 if kind in _CALLABLE_KINDS else 0.3 if kind in _TYPE_KINDS else 0.0
    if use.shape is UseShape.MEMBER:
        return 0.8 if kind in _MEMBER_KINDS else 0.4
    if use.shape is UseShape.TYPE:
        return 1.0 if kind in _TYPE_KINDS else 0.0
    return 0.3 if kind not in _MEMBER_KINDS else 0.0


def _nearness(origin: str, path: str) -> float:
    """0.0 to 1.0: the share of directories that both paths have in common; 1.0 within one directory."""
    left, right = posixpath.dirname(origin).split("/"), posixpath.dirname(path).split("/")
    common = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        common += 1
    return common / max(len(left), len(right))


def _family(language: str) -> str:
    return _FAMILIES.get(language, language)


def _is_test(path: str) -> bool:
    return any(part.startswith(("test", "spec", "__tests__")) or "_test." in part for part in path.lower().split("/"))
