"""Begins the next request as soon as a suggestion is taken, before the editor asks for it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from server.completion.continuation import Start, plain
from server.completion.running import Task

_MAX_DOCUMENTS = 64


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished suggestion: what it was asked with, and its text as the editor would insert it."""

    id: str
    task: Task
    text: str


class Speculation:
    """The latest finished suggestion of each document, until it is taken or the user writes something else."""

    def __init__(self) -> None:
        self._finished: OrderedDict[str, Finished] = OrderedDict()

    def finished(self, document: str, suggestion: Finished) -> None:
        """A suggestion is complete and may be taken."""
        self._finished[document] = suggestion
        self._finished.move_to_end(document)
        if len(self._finished) > _MAX_DOCUMENTS:
            self._finished.popitem(last=False)

    def waits(self, document: str) -> bool:
        """Whether a change of the document may turn out to take its suggestion."""
        return document in self._finished

    def accepted(self, identifier: str) -> tuple[str, Finished] | None:
        """Return the suggestion that an editor says was taken, with its document; once."""
        for document, suggestion in self._finished.items():
            if suggestion.id == identifier:
                return document, self._finished.pop(document)
        return None

    def changed(self, document: str, text: str) -> Finished | None:
        """Return the suggestion that is in the document now, whether it was taken or typed; once."""
        suggestion = self._finished.get(document)
        if suggestion is None:
            return None
        inserted = Start.of(suggestion.task.request).inserted(text)
        said = plain(suggestion.text)
        if inserted is None or not said.startswith(inserted):
            del self._finished[document]
        elif inserted == said:
            return self._finished.pop(document)
        return None

    def forget(self, document: str) -> None:
        """Nothing of the document will be taken any more."""
        self._finished.pop(document, None)
