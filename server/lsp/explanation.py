"""The command ``hearth.explain``: streams an explanation of a selection with the places it rests on.

For editors that make nothing of a command's answer, the code action asks that the server show it.
"""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass, replace
from typing import Any

from pygls.exceptions import JsonRpcInternalError, JsonRpcInvalidParams

from server.correlation import REQUEST_ID, new_request_id
from server.errors import EngineError
from server.explain import ExplainTarget, Explanation, NumberedCitation
from server.lsp.documents import file_path
from server.lsp.partial_results import PartialResults
from server.lsp.session import HearthLanguageServer
from server.lsp.shown_documents import Publish, show_document
from server.lsp.work_done import WorkDone
from server.principal import Work

log = logging.getLogger(__name__)

EXPLAIN_COMMAND = "hearth.explain"
_MAX_QUESTION = 4_000


@dataclass(frozen=True, slots=True)
class _Arguments:
    uri: str
    start: tuple[int, int]
    end: tuple[int, int]
    question: str
    show: bool


class Explanations:
    """Runs ``hearth.explain``.

    Args:
        server: The session.
        publish: Puts a document where the editor finds it.
    """

    def __init__(self, server: HearthLanguageServer, publish: Publish) -> None:
        self._server = server
        self._publish = publish
        self._numbers = itertools.count(1)
        server.protocol.add_command(EXPLAIN_COMMAND, self.explain)

    async def explain(self, arguments: list[Any], token: int | str | None) -> dict[str, Any]:
        """Explain; see docs/protocol.md for the argument and the result."""
        server = self._server
        wanted = _arguments(arguments)
        if not wanted.show or token is not None:
            # Whoever takes the parts shows them.
            return await self._explain(wanted, token)
        bar = WorkDone(server, f"hearth-explain-{next(self._numbers)}", "Hearth: writing an explanation")
        await bar.begin()
        try:
            value = await self._explain(wanted, None)
        finally:
            bar.end()
        # The editor may wait for this answer before it does what it is asked.
        server.run_task(show_document(server, self._publish, _as_document(value)), "showing an explanation")
        return value

    async def _explain(self, wanted: _Arguments, token: int | str | None) -> dict[str, Any]:
        server = self._server
        document, services = server.documents.get(wanted.uri), server.services
        if document is None or services is None:
            raise JsonRpcInvalidParams("the document is not open")
        server.permit(Work.EXPLAIN)
        start, end = sorted((document.place(*wanted.start), document.place(*wanted.end)))
        last_line = end.line - 1 if end.column == 0 and end.line > start.line else end.line
        moment = server.places.moment(document)
        around = await server.in_thread(server.places.surroundings, moment, services.index, server.principal)
        target = ExplainTarget(
            path=around.address.path,
            repository=around.address.repository,
            ref=around.address.ref,
            language=around.language,
            text=moment.current.text,
            start_line=start.line + 1,
            end_line=last_line + 1,
            whole_symbol=start == end,
            scope=around.scope,
            open_files=around.open_files,
            question=wanted.question,
            caller=replace(around.caller, editor=server.editor),
        )
        partial = None
        if token is not None:
            partial = PartialResults(
                lambda delta: server.send_progress(token, {"kind": "hearth/explanation", "delta": delta}),
                merge=lambda waiting, delta: waiting + delta,
                waiting_bytes=server.protocol.write_buffer_bytes,
            )
        try:
            REQUEST_ID.set(new_request_id())
            async with services.explainer.stream(target) as stream:
                async for delta in stream:
                    if partial is not None and delta:
                        partial.push(delta)
                if partial is not None:
                    partial.flush()
                return await self._result(stream.result)
        except EngineError as error:
            log.warning("no explanation: %s", error)
            raise JsonRpcInternalError(f"{error} (request {REQUEST_ID.get()})") from error
        finally:
            if partial is not None:
                partial.close()

    async def _result(self, explanation: Explanation) -> dict[str, Any]:
        uris = await self._server.in_thread(self._uris, explanation)
        citations = [_citation(item, uri) for item, uri in zip(explanation.citations, uris, strict=True)]
        value = {"markdown": explanation.markdown, "engine": explanation.engine, "citations": citations}
        return value | ({"endedEarly": explanation.ended_early} if explanation.ended_early else {})

    def _uris(self, explanation: Explanation) -> list[str | None]:
        return [
            self._server.citation_uri(item.citation.repository, item.citation.path) for item in explanation.citations
        ]


def _as_document(value: dict[str, Any]) -> str:
    """Return the text of an answer, with the places that it cites as editors go to them."""
    lines = [value["markdown"].rstrip(), ""]
    if "endedEarly" in value:
        lines += [f"**The explanation ended early.** {value['endedEarly']}", ""]
    for citation in value["citations"]:
        file = file_path(citation.get("uri", ""))
        place = f"{file if file is not None else citation['path']}:{citation['startLine']}"
        title = f" `{citation['title']}`" if citation["title"] else ""
        of = citation["repository"] + (f"@{citation['commit'][:12]}" if citation["commit"] else "")
        lines.append(f"- [{citation['number']}] {place}{title} ({of})")
    return "\n".join(lines) + "\n"


def _citation(item: NumberedCitation, uri: str | None) -> dict[str, Any]:
    citation = item.citation
    value: dict[str, Any] = {
        "number": item.number,
        "repository": citation.repository,
        "path": citation.path,
        "startLine": citation.start_line,
        "endLine": citation.end_line,
        "commit": citation.commit,
        "title": citation.title,
    }
    if uri is not None:
        value["uri"] = uri
    return value


def _arguments(arguments: list[Any]) -> _Arguments:
    """Check what the client sent.

    Raises:
        JsonRpcInvalidParams: It is not what docs/protocol.md says.
    """
    given = arguments[0] if arguments else None
    if not isinstance(given, dict) or not isinstance(given.get("uri"), str):
        raise JsonRpcInvalidParams("hearth.explain takes one argument with a uri and a range")
    question, show = given.get("question"), given.get("show", False)
    if not isinstance(question, str | None):
        raise JsonRpcInvalidParams("the question is not a string")
    if not isinstance(show, bool):
        raise JsonRpcInvalidParams("show is neither true nor false")
    try:
        points = [(given["range"][name]["line"], given["range"][name]["character"]) for name in ("start", "end")]
    except (KeyError, TypeError) as error:
        raise JsonRpcInvalidParams("the range is not an LSP range") from error
    if not all(isinstance(number, int) for point in points for number in point):
        raise JsonRpcInvalidParams("the range is not an LSP range")
    return _Arguments(given["uri"], points[0], points[1], (question or "")[:_MAX_QUESTION], show)
