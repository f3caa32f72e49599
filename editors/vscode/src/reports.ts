/** Tells the server what became of its suggestions, as far as the setting `hearth.telemetry` lets it: never text. */

import type * as vscode from "vscode";
import type { Connection } from "./connection";
import type { Notifications } from "./protocol";
import { setting } from "./settings";

/** Shorter than this nobody has read it (docs/protocol.md). */
const SHOWN_AFTER_MS = 750;

export class Reports implements vscode.Disposable {
  private readonly shown = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  private waiting: Notifications["hearth/didShowCompletion"] = { id: "" };

  /** The id of the suggestion that was on screen last. */
  lastId = "";

  constructor(private readonly connection: Connection) {}

  dispose(): void {
    this.hidden();
  }

  /** VS Code was given this suggestion to show, `latency` milliseconds after it was asked for. */
  given(id: string, latency: number | undefined): void {
    this.lastId = id;
    if (this.waiting.id === id || this.shown.has(id)) {
      return;
    }
    this.hidden();
    this.waiting = latency === undefined ? { id } : { id, latency: Math.round(latency) };
    this.timer = setTimeout(() => this.note(id), SHOWN_AFTER_MS);
  }

  /** Nothing is on screen any more. */
  hidden(): void {
    clearTimeout(this.timer);
    this.waiting = { id: "" };
  }

  /** `length` UTF-16 code units from the start are in the document. */
  partlyTaken(id: string, length: number): void {
    this.note(id);
    this.tell("hearth/didPartiallyAcceptCompletion", { id, acceptedLength: length });
  }

  /** All of it was taken; the command of the item tells the server so. */
  taken(id: string): void {
    this.note(id);
  }

  /** The user turned away from it; one that nobody has read is not a refusal. */
  rejected(id: string): void {
    if (this.shown.has(id)) {
      this.tell("hearth/didRejectCompletion", { id });
    }
  }

  private note(id: string): void {
    const { latency } = this.waiting.id === id ? this.waiting : {};
    this.hidden();
    if (id !== "" && !this.shown.has(id)) {
      // Only the latest matter, so that the set does not grow with the session.
      if (this.shown.size > 100) {
        this.shown.clear();
      }
      this.shown.add(id);
      this.tell("hearth/didShowCompletion", latency === undefined ? { id } : { id, latency });
    }
  }

  private tell<M extends keyof Notifications>(method: M, params: Notifications[M]): void {
    if (setting("telemetry")) {
      this.connection.notify(method, params);
    }
  }
}
