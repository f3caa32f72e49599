/** What goes over the wire beyond LSP; docs/protocol.md says the same in words. */

import type { Command, Range } from "vscode-languageclient/node";

export const INLINE_COMPLETION = "textDocument/inlineCompletion";
export const STATUS = "hearth/status";

/** Scheme of files as they are indexed: `hearth:/PATH?REPOSITORY`. */
export const INDEXED = "hearth";

/** Commands of the server; vscode-languageclient registers them in VS Code under the same names. */
export const SERVER_EXPLAIN = "hearth.explain";
export const SERVER_ACCEPTED = "hearth.accepted";
export const SERVER_REINDEX = "hearth.reindex";

/** What may be asked, with what, and what is answered. */
export interface Requests {
  "hearth/search": {
    params: { query: string; repository?: string; limit?: number };
    result: { hits: SearchHit[] };
  };
  "hearth/why": { params: { id: string }; result: Why | null };
  "hearth/file": { params: { repository: string; path: string; ref?: string }; result: IndexedFile | null };
  "hearth/status": { params: object; result: Status };
  "workspace/executeCommand": { params: { command: string; arguments: unknown[] }; result: unknown };
}

/** What the server is told; it never answers. */
export interface Notifications {
  /** Milliseconds from asking until the first text was there. */
  "hearth/didShowCompletion": { id: string; latency?: number };
  "hearth/didAcceptCompletion": { id: string };
  /** UTF-16 code units from the start of the item's text. */
  "hearth/didPartiallyAcceptCompletion": { id: string; acceptedLength: number };
  "hearth/didRejectCompletion": { id: string };
  "hearth/didChangeRepositories": { repositories: RepositoryClaim[] };
}

/** What the server is told at `initialize` beside the standard parameters. */
export interface InitializationOptions {
  data?: string;
  config?: string;
  autoIndex?: boolean;
  repositories?: RepositoryClaim[];
}

/** A work tree on this machine: the branch that is checked out in it, and where it was cloned from. */
export interface RepositoryClaim {
  uri: string;
  remote?: string;
  head?: string;
}

export interface CompletionItem {
  insertText: string;
  range?: Range;
  command?: Command;
}

/** A whole list each time: it replaces the one before it. */
export interface CompletionList {
  items: CompletionItem[];
}

export interface ExplainArguments {
  uri: string;
  range: Range;
  question?: string;
  /** Whether the server shows it, where the client takes no parts. */
  show?: boolean;
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
  /** Why it is not all that was to be said, in a sentence. */
  endedEarly?: string;
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
  /** Where the engine found the text; empty when it wrote it. */
  source: string;
  /** Probability that the text is exactly right, where the engine has one. */
  confidence: number | null;
  /** Whether it came without asking an engine again. */
  reuse: "" | "recycled" | "cached";
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
  engine: { rung: "vllm" | "embedded" | "quiet"; detail: string; model: string; tokens: "" | "counted" | "estimated" };
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
  /** Said by `hearth connect` while the team's server is away. */
  connected?: false;
}
