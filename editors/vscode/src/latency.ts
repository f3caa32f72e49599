/** How long it took until the first text of a suggestion was there, for the status bar. */

import * as vscode from "vscode";

const REMEMBERED = 50;

export class Latency implements vscode.Disposable {
  private readonly recent: number[] = [];
  private readonly changed = new vscode.EventEmitter<void>();

  /** Fires when there is another time. */
  readonly onDidChange = this.changed.event;

  dispose(): void {
    this.changed.dispose();
  }

  /** Take one in, in milliseconds. */
  note(milliseconds: number): void {
    this.recent.push(milliseconds);
    if (this.recent.length > REMEMBERED) {
      this.recent.shift();
    }
    this.changed.fire();
  }

  /** Say it in words; empty before the first suggestion. */
  describe(): string {
    const last = this.recent.at(-1);
    const median = [...this.recent].sort((left, right) => left - right)[Math.floor(this.recent.length / 2)];
    return last === undefined || median === undefined
      ? ""
      : `Last suggestion after ${Math.round(last)} ms, half of the last ${this.recent.length} within ${Math.round(median)} ms`;
  }
}
