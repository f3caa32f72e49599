"""The tables of the file of accounts."""

from __future__ import annotations

from indexer.schema import Schema

ADVICE = "Check its permissions. If it is damaged, restore it from a backup; the index is not affected."
_TABLES = """
CREATE TABLE users (name TEXT PRIMARY KEY, created REAL NOT NULL) STRICT;
CREATE TABLE members (
    group_name TEXT NOT NULL, user_name TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    PRIMARY KEY (group_name, user_name)
) STRICT, WITHOUT ROWID;
CREATE TABLE grants (
    group_name TEXT NOT NULL, repository TEXT NOT NULL, PRIMARY KEY (group_name, repository)
) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (
    id TEXT PRIMARY KEY, user_name TEXT NOT NULL, label TEXT NOT NULL, digest BLOB NOT NULL UNIQUE,
    scopes TEXT NOT NULL, created REAL NOT NULL, expires REAL NOT NULL, revoked REAL NOT NULL,
    kind TEXT NOT NULL DEFAULT 'made', parent TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE identities (
    issuer TEXT NOT NULL, subject TEXT NOT NULL,
    user_name TEXT NOT NULL UNIQUE REFERENCES users (name) ON DELETE CASCADE,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX groups_of ON members (user_name);
"""
_SIGN_INS = """
ALTER TABLE tokens ADD COLUMN kind TEXT NOT NULL DEFAULT 'made';
ALTER TABLE tokens ADD COLUMN parent TEXT NOT NULL DEFAULT '';
CREATE TABLE identities (
    issuer TEXT NOT NULL, subject TEXT NOT NULL,
    user_name TEXT NOT NULL UNIQUE REFERENCES users (name) ON DELETE CASCADE,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
"""
_LOOKS = """
CREATE INDEX groups_of ON members (user_name);
"""
SCHEMA = Schema(_TABLES, (_SIGN_INS, _LOOKS), in_header=True, advice=ADVICE)
