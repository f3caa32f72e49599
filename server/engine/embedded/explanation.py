"""Writes an explanation from facts alone: no model, no claim that the facts or the code do not back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from server.engine.embedded.body import Body, read_body
from server.syntax import parameters, return_type
from server.types import ExplainRequest, Fact, FactKind

_CALLABLE = frozenset({"function", "method", "macro"})
_MAX_SIGNATURE = 400
_MAX_DOCUMENTATION = 700
_MAX_LISTED = 6
_FORMATS = {
    "markdown": "Markdown",
    "restructuredtext": "reStructuredText",
    "asciidoc": "AsciiDoc",
    "yaml": "YAML configuration",
    "toml": "TOML configuration",
    "json": "JSON data",
    "ini": "INI configuration",
    "xml": "XML",
    "html": "HTML",
    "css": "a style sheet",
    "text": "plain text",
    "plaintext": "plain text",
}


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A fact and the number of its citation, 0 without one."""

    fact: Fact
    number: int

    @property
    def mark(self) -> str:
        return f" [{self.number}]" if self.number else ""

    @property
    def kind_and_name(self) -> tuple[str, str]:
        """``("method", "Index.search")`` of the title ``"method Index.search"``."""
        kind, _, name = self.fact.title.removeprefix("inside ").partition(" ")
        return (kind, name) if name else ("", kind)


def compose_explanation(request: ExplainRequest) -> str:
    """Compose Markdown from ``request.facts``; ``[n]`` is the n-th fact that has a citation, counted from 1."""
    facts = _by_kind(request.facts)
    parts = [*_opening(request, facts), *_purpose(request, facts)]
    if request.language not in _FORMATS:
        parts += _members(facts[FactKind.MEMBER])
    parts += _uses(facts[FactKind.USES])
    parts += _callers(facts[FactKind.CALLER])
    parts += _history(facts[FactKind.HISTORY])
    parts += _related(facts[FactKind.RELATED])
    if request.question:
        parts.append("*Written from the index without a model, so the question itself is not answered.*")
    return "\n\n".join(parts) + "\n"


def _by_kind(facts: Sequence[Fact]) -> dict[FactKind, list[_Numbered]]:
    sorted_facts: dict[FactKind, list[_Numbered]] = {kind: [] for kind in FactKind}
    number = 0
    for fact in facts:
        number += fact.citation is not None
        sorted_facts[fact.kind].append(_Numbered(fact, number if fact.citation is not None else 0))
    return sorted_facts


def _opening(request: ExplainRequest, facts: dict[FactKind, list[_Numbered]]) -> Iterator[str]:
    """What it is and where it stands."""
    place = f"`{request.path}`, {_lines(request)}"
    own = facts[FactKind.SIGNATURE]
    format_name = _FORMATS.get(request.language)
    if format_name:
        inside = f", section {_code(own[0].kind_and_name[1])}{own[0].mark}" if own else ""
        yield f"{place}{inside}: {format_name}."
        return
    if request.symbol and own:
        kind, name = own[0].kind_and_name
        yield f"**{_code(name)}** is {_article(kind)} in {place}{own[0].mark}."
        signature = own[0].fact.text.strip()
        if signature:
            yield f"```{request.language}\n{signature[:_MAX_SIGNATURE]}\n```"
        return
    if own:
        kind, name = own[0].kind_and_name
        yield f"{place}, inside the {kind} {_code(name)}{own[0].mark}."
        return
    yield f"{place}."


def _purpose(request: ExplainRequest, facts: dict[FactKind, list[_Numbered]]) -> Iterator[str]:
    """What it does: in its documentation's words where there are some, then what the code shows."""
    documentation = facts[FactKind.DOCUMENTATION]
    if request.language in _FORMATS:
        outline = _outline(request)
        if outline:
            yield outline
        return
    if documentation:
        words = _shortened(documentation[0].fact.text.strip())
        if not request.symbol:
            words = words.split("\n\n")[0]
            yield f"The documentation of the code around them says: {words}"
        else:
            yield _quoted(words)
    name = request.symbol.rpartition(".")[2]
    kind = facts[FactKind.SIGNATURE][0].kind_and_name[0] if facts[FactKind.SIGNATURE] else ""
    if request.symbol and kind not in _CALLABLE:
        return
    body = read_body(request.text, request.language, name if request.symbol else "")
    statements = list(_parameters_and_result(request, facts, name)) if request.symbol else []
    statements += _body_statements(body, facts[FactKind.USES], is_definition=bool(request.symbol))
    if not statements:
        return
    if request.symbol:
        lead = "From the code:" if documentation else "It has no documentation. From the code:"
    else:
        lead = "These lines:"
    yield lead + "\n" + "\n".join(f"- {statement}" for statement in statements)


def _parameters_and_result(request: ExplainRequest, facts: dict[FactKind, list[_Numbered]], name: str) -> Iterator[str]:
    own = facts[FactKind.SIGNATURE]
    if not own:
        return
    signature = own[0].fact.text
    taken = parameters(signature, name, request.language)
    if taken:
        described = []
        for parameter in taken[:_MAX_LISTED]:
            text = _code(parameter.name)
            if parameter.type:
                text += f" ({_code(parameter.type)})"
            if parameter.default:
                text += f", {_code(parameter.default)} by default"
            described.append(text)
        if len(taken) > _MAX_LISTED:
            described.append(f"{len(taken) - _MAX_LISTED} more")
        yield f"takes {'; '.join(described)}"
    declared = return_type(signature, name, request.language)
    if declared and declared not in {"void", "None", "Unit", "()"}:
        yield f"is declared to return {_code(declared)}"


def _body_statements(body: Body, uses: Sequence[_Numbered], *, is_definition: bool) -> Iterator[str]:
    if body.assigned and not is_definition:
        yield f"set {_listed(map(_code, body.assigned), limit=_MAX_LISTED)}"
    verb = "calls" if is_definition else "call"
    if body.calls:
        marks = {use.kind_and_name[1].rpartition(".")[2]: use.mark for use in uses}
        called = [f"{_code(name)}{marks.get(name.rpartition('.')[2].rpartition('::')[2], '')}" for name in body.calls]
        yield f"{verb} {_listed(called, limit=10)}"
    counted = [
        f"{count} {noun if count == 1 else plural}"
        for count, noun, plural in (
            (body.loops, "loop", "loops"),
            (body.conditions, "condition", "conditions"),
            (body.awaits, "`await`", "`await`s"),
        )
        if count
    ]
    if counted:
        yield f"{'contains' if is_definition else 'contain'} {_listed(counted, limit=3)}"
    if body.returns:
        yield f"{'returns' if is_definition else 'return'} {_listed(map(_code, body.returns), limit=4, last='or')}"
    if body.yields:
        yield "yields values one by one" if is_definition else "yield values one by one"
    if body.raises:
        verb = "panic with" if body.raises[0].endswith("!") else "raise"
        yield f"can {verb} {_listed(map(_code, body.raises), limit=_MAX_LISTED, last='or')}"
    if body.propagated:
        times = "once" if body.propagated == 1 else f"{body.propagated} times"
        yield f"passes errors on with `?`, {times}"
    if body.recursive:
        yield "calls itself"


def _members(members: Sequence[_Numbered]) -> Iterator[str]:
    if not members:
        return
    rows = []
    more = ""
    for member in members:
        if not member.number:
            more = f"\n- {member.fact.title}"
            continue
        kind, name = member.kind_and_name
        sentence = _second_line(member.fact.text)
        rows.append(f"- {_code(name)} ({kind}){member.mark}" + (f": {sentence}" if sentence else ""))
    yield "**Made of**\n" + "\n".join(rows) + more


def _uses(uses: Sequence[_Numbered]) -> Iterator[str]:
    if not uses:
        return
    rows = []
    for use in uses:
        kind, name = use.kind_and_name
        where = f" from `{use.fact.citation.path}`" if use.fact.citation else ""
        sentence = _second_line(use.fact.text)
        rows.append(f"- {_code(name)} ({kind}){where}{use.mark}" + (f": {sentence}" if sentence else ""))
    yield "**Uses**\n" + "\n".join(rows)


def _callers(callers: Sequence[_Numbered]) -> Iterator[str]:
    if not callers:
        return
    count, note = next(((caller.fact.title, caller.fact.text) for caller in callers if not caller.number), ("", ""))
    shown = [caller for caller in callers if caller.number]
    rows = [f"- {caller.fact.title}{caller.mark}: {_code(caller.fact.text)}" for caller in shown]
    if not rows:
        return
    partly = count and not count.startswith(f"{len(rows)} ")
    lead = f"**Used by** {count}" + (", among them" if partly else "") + (f" ({note})" if note else "")
    yield lead + ("\n" if count else " others\n") + "\n".join(rows)


def _history(commits: Sequence[_Numbered]) -> Iterator[str]:
    if commits:
        rows = [f"- {commit.fact.title}: {commit.fact.text}" for commit in commits]
        yield "**Last changes to these lines**\n" + "\n".join(rows)


def _related(related: Sequence[_Numbered]) -> Iterator[str]:
    if related:
        places = [
            f"{_code(item.fact.title)} in `{item.fact.citation.path}`{item.mark}"
            for item in related
            if item.fact.citation is not None
        ]
        yield f"**See also** {_listed(places, limit=4)}."


def _outline(request: ExplainRequest) -> str:
    """Headings, or the keys at the outermost level, as they stand in the text."""
    lines = request.text.split("\n")
    if request.language == "markdown":
        found = [line.lstrip("# ").strip() for line in lines if line.startswith("#")]
        what = "Headings"
    elif request.language in {"toml", "ini"}:
        found = [line.strip().strip("[]") for line in lines if line.startswith("[")]
        what = "Tables"
    elif request.language == "yaml":
        found = [line.partition(":")[0] for line in lines if line[:1].isalpha() and ":" in line]
        what = "Keys"
    else:
        return ""
    return f"{what}: {_listed(map(_code, found), limit=10)}." if found else ""


def _lines(request: ExplainRequest) -> str:
    if request.start_line == request.end_line:
        return f"line {request.start_line}"
    return f"lines {request.start_line} to {request.end_line}"


def _code(text: str) -> str:
    """A code span, with a fence that the text itself does not hold."""
    flat = " ".join(text.split())
    return f"`` {flat} ``" if "`" in flat else f"`{flat}`"


def _article(kind: str) -> str:
    return f"an {kind}" if kind[:1] in set("aeiou") else f"a {kind}"


def _listed(items: Iterable[str], *, limit: int, last: str = "and") -> str:
    found = list(items)
    if len(found) > limit:
        return ", ".join(found[:limit]) + f" and {len(found) - limit} more"
    if len(found) < 2:
        return "".join(found)
    return ", ".join(found[:-1]) + f" {last} {found[-1]}"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def _shortened(text: str) -> str:
    """Whole paragraphs up to the limit; a first one that is longer is cut between words."""
    if len(text) <= _MAX_DOCUMENTATION:
        return text
    kept = ""
    for paragraph in text.split("\n\n"):
        if len(kept) + len(paragraph) > _MAX_DOCUMENTATION:
            break
        kept += ("\n\n" if kept else "") + paragraph
    return kept or text[:_MAX_DOCUMENTATION].rsplit(" ", 1)[0] + " …"


def _second_line(text: str) -> str:
    """The sentence of documentation that follows a signature."""
    return text.partition("\n")[2].strip()
