/** Tells the server what became of its suggestions. */

import type * as vscode from "vscode";
import type { Connection } from "./connection";

/** Shorter than this nobody has read it (docs/protocol.md). */
const SHOWN_AFTER_MS = 750;

export class Reports implements vscode.Disposable {
  private readonly shown = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  private waiting = "";

  /** The id of the suggestion that was on screen last. */
  lastId = "";

  constructor(private readonly connection: Connection) {}

  dispose(): void {
    this.hidden();
  }

  /** VS Code was given this suggestion to show. */
  given(id: string): void {
    this.lastId = id;
    if (this.waiting === id || this.shown.has(id)) {
      return;
    }
    this.hidden();
    this.waiting = id;
    this.timer = setTimeout(() => this.note(id), SHOWN_AFTER_MS);
  }

  /** Nothing is on screen any more. */
  hidden(): void {
    clearTimeout(this.timer);
    this.waiting = "";
  }

  wasShown(id: string): boolean {
    return this.shown.has(id);
  }

  /** `length` UTF-16 code units from the start are in the document. */
  partlyTaken(id: string, length: number): void {
    this.note(id);
    this.connection.notify("hearth/didPartiallyAcceptCompletion", { id, acceptedLength: length });
  }

  /** All of it was taken; the command of the item tells the server so. */
  taken(id: string): void {
    this.note(id);
  }

  private note(id: string): void {
    this.hidden();
    if (id !== "" && !this.shown.has(id)) {
      // Only the latest matter, so that the set does not grow with the session.
      if (this.shown.size > 100) {
        this.shown.clear();
      }
      this.shown.add(id);
      this.connection.notify("hearth/didShowCompletion", { id });
    }
  }
}
