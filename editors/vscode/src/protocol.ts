/** What goes over the wire beyond LSP; docs/protocol.md says the same in words. */

import type { Range } from "vscode-languageclient/node";

export const INLINE_COMPLETION = "textDocument/inlineCompletion";
export const SEARCH = "hearth/search";
export const WHY = "hearth/why";
export const STATUS = "hearth/status";
export const FILE = "hearth/file";
export const DID_SHOW = "hearth/didShowCompletion";
export const DID_PARTIALLY_ACCEPT = "hearth/didPartiallyAcceptCompletion";
export const DID_REJECT = "hearth/didRejectCompletion";

/** Commands of the server; vscode-languageclient registers them in VS Code under the same names. */
export const SERVER_EXPLAIN = "hearth.explain";
export const SERVER_ACCEPTED = "hearth.accepted";
export const SERVER_REINDEX = "hearth.reindex";

export interface CompletionItem {
  insertText: string;
  range?: Range;
  command?: { command: string; arguments?: unknown[] };
}

/** A whole list each time: it replaces the one before it. */
export interface CompletionList {
  items: CompletionItem[];
}

export interface ExplainArguments {
  uri: string;
  range: Range;
  question?: string;
}

export interface ExplanationPart {
  kind: "hearth/explanation";
  delta: string;
}

export interface Citation {
  number: number;
  repository: string;
  path: string;
  /** Lines count from 1, and the last one belongs to it. */
  startLine: number;
  endLine: number;
  commit: string;
  title: string;
  uri?: string;
}

export interface Explanation {
  markdown: string;
  engine: string;
  citations: Citation[];
}

export interface SearchHit {
  repository: string;
  path: string;
  startLine: number;
  endLine: number;
  commit: string;
  symbol: string;
  language: string;
  score: number;
  text: string;
  uri?: string;
}

export interface SearchResult {
  hits: SearchHit[];
}

/** A file as indexed. */
export interface IndexedFile {
  text: string;
  language: string;
  commit: string;
}

export interface Why {
  /** Names the request in the logs of Hearth and of the model server. */
  requestId: string;
  engine: string;
  model: string;
  snippets: {
    repository: string;
    path: string;
    commit: string;
    startLine: number;
    endLine: number;
    score: number;
    reason: string;
  }[];
  dropped: { repository: string; path: string; reason: string }[];
  /** Milliseconds. */
  stages: Record<string, number>;
}

export interface Status {
  engine: { rung: "vllm" | "embedded" | "quiet"; detail: string; model: string };
  index: {
    state: "ready" | "indexing" | "empty" | "failed";
    repositories: {
      name: string;
      ref: string;
      commit: string;
      state: string;
      files: number;
      chunks: number;
      behind: number | null;
    }[];
  };
}
