"""Completions: gathers context, asks the engines, makes the text fit, and remembers why and what became of it."""

from server.completion.bounds import bounded
from server.completion.pieces import Replacement
from server.completion.records import Outcome, Reuse, SuggestionRecord, SuggestionRecords
from server.completion.service import CompletionService
from server.completion.suggestion import SuggestionUpdate

__all__ = [
    "CompletionService",
    "Outcome",
    "Replacement",
    "Reuse",
    "SuggestionRecord",
    "SuggestionRecords",
    "SuggestionUpdate",
    "bounded",
]
