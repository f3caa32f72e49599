/** What the panel and its webview say to each other. */

export type ToWebview =
  | { kind: "start"; title: string; question: string }
  | { kind: "text"; html: string }
  | { kind: "end"; html: string; sources: Source[]; note: string };

export interface Source {
  number: number;
  /** Title, repository, path and lines, for people. */
  title: string;
  place: string;
}

export type FromWebview =
  | { kind: "ready" }
  | { kind: "open"; number: number }
  | { kind: "stop" }
  | { kind: "copy" }
  /** Go back to the code. */
  | { kind: "leave" }
  | { kind: "ask"; question: string };
