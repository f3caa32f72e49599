"""Secrets in text: where they are, and the same text without them."""

from indexer.secrets.allowing import Allowances
from indexer.secrets.blanking import blank, mostly_secret
from indexer.secrets.rules import Rule, rules
from indexer.secrets.scanner import Finding, find_secrets

__all__ = ["Allowances", "Finding", "Rule", "blank", "find_secrets", "mostly_secret", "rules"]
