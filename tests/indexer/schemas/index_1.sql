-- hearth.sqlite as version 1 made it.
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE repository (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  source TEXT NOT NULL,
  identity TEXT NOT NULL UNIQUE,
  root TEXT NOT NULL,
  git_dir TEXT NOT NULL,
  default_ref TEXT NOT NULL
);
CREATE TABLE ref (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repository_id INTEGER NOT NULL REFERENCES repository (id),
  name TEXT NOT NULL,
  commit_id TEXT NOT NULL DEFAULT '',
  options TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL,
  files INTEGER NOT NULL DEFAULT 0,
  chunks INTEGER NOT NULL DEFAULT 0,
  skipped INTEGER NOT NULL DEFAULT 0,
  indexed_at REAL NOT NULL DEFAULT 0,
  error TEXT NOT NULL DEFAULT '',
  corpus TEXT NOT NULL DEFAULT '',
  version INTEGER NOT NULL DEFAULT 0,
  -- Indexed because HEAD pointed there, not because it was asked for.
  implicit INTEGER NOT NULL DEFAULT 0,
  UNIQUE (repository_id, name)
);
CREATE TABLE blob (
  id INTEGER PRIMARY KEY,
  oid BLOB NOT NULL,
  hint TEXT NOT NULL,
  options TEXT NOT NULL,
  language TEXT NOT NULL,
  size INTEGER NOT NULL,
  first_chunk INTEGER NOT NULL,
  chunk_count INTEGER NOT NULL,
  skip_reason TEXT NOT NULL DEFAULT '',
  skip_detail TEXT NOT NULL DEFAULT '',
  UNIQUE (oid, hint, options)
);
CREATE TABLE content (blob_id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE chunk (
  id INTEGER PRIMARY KEY,
  blob_id INTEGER NOT NULL,
  start_line INTEGER NOT NULL,
  end_line INTEGER NOT NULL,
  symbol TEXT NOT NULL,
  kind TEXT NOT NULL,
  scope TEXT NOT NULL
);
CREATE TABLE symbol (
  blob_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  lower TEXT NOT NULL,
  kind TEXT NOT NULL,
  scope TEXT NOT NULL,
  start_line INTEGER NOT NULL,
  end_line INTEGER NOT NULL,
  signature TEXT NOT NULL,
  documentation TEXT NOT NULL,
  PRIMARY KEY (blob_id, position)
) WITHOUT ROWID;
CREATE INDEX symbol_name ON symbol (name);
CREATE INDEX symbol_lower ON symbol (lower);
CREATE TABLE import (
  blob_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  module TEXT NOT NULL,
  name TEXT NOT NULL,
  alias TEXT NOT NULL,
  PRIMARY KEY (blob_id, position)
) WITHOUT ROWID;
CREATE TABLE file (
  ref_id INTEGER NOT NULL,
  path TEXT NOT NULL,
  blob_id INTEGER NOT NULL,
  PRIMARY KEY (ref_id, path)
) WITHOUT ROWID;
CREATE INDEX file_blob ON file (blob_id, ref_id);
CREATE TABLE skip (
  ref_id INTEGER NOT NULL,
  path TEXT NOT NULL,
  blob_id INTEGER,
  reason TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (ref_id, path)
) WITHOUT ROWID;
CREATE INDEX skip_blob ON skip (blob_id) WHERE blob_id IS NOT NULL;
-- The repositories that the lexical documents of a blob are tagged with.
CREATE TABLE tag (
  blob_id INTEGER NOT NULL,
  repository_id INTEGER NOT NULL,
  PRIMARY KEY (blob_id, repository_id)
) WITHOUT ROWID;
CREATE TABLE segment (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  embedder TEXT NOT NULL,
  vectors INTEGER NOT NULL
);
-- Blob ids whose lexical documents may exist though no row of ``blob`` does.
CREATE TABLE pending (first_blob INTEGER PRIMARY KEY, last_blob INTEGER NOT NULL);
-- Blobs that no publication may refer to any more, and since when.
CREATE TABLE candidate (blob_id INTEGER PRIMARY KEY, since REAL NOT NULL);
