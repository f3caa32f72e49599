/** One suggestion of the server while it arrives, and how much of it the user has taken: no editor, no connection. */

import { continues, follow, isOneKey } from "./follow";

/** What a part from the server says. */
export interface Part {
  id: string;
  text: string;
}

/** What typing did to a suggestion. */
export type Step = "typed" | "partly accepted" | "all taken" | "left";

export class Suggestion {
  private latest: Part = { id: "", text: "" };
  private takenUnits = 0;
  private ended = false;
  private withdrawn = false;

  /** `seed` is what is left of the suggestion before this one; it stays on screen until this one has caught up. */
  constructor(private readonly seed: Part = { id: "", text: "" }) {}

  /** Take over all of the text so far. */
  receive(part: Part): void {
    this.latest = part;
  }

  /** Note that no more text comes: `finished` when the server said so, else because the document changed. */
  end(finished: boolean): void {
    this.ended = true;
    if (finished && this.takenUnits === 0 && this.latest.text === "") {
      this.withdrawn = true;
    }
  }

  /** Whether nothing more will arrive. */
  get complete(): boolean {
    return this.ended;
  }

  /** The suggestion as it was sent, of which `taken` UTF-16 code units are in the document already. */
  get shown(): Part {
    if (this.withdrawn) {
      return this.latest;
    }
    const caughtUp = this.latest.text.length >= this.seed.text.length || (this.ended && this.latest.text !== "");
    const agrees = continues(this.latest.text, this.seed.text);
    return this.seed.text !== "" && !(caughtUp && (agrees || this.ended)) ? this.seed : this.latest;
  }

  get taken(): number {
    return this.takenUnits;
  }

  /** What is left to show. */
  get rest(): string {
    return this.shown.text.slice(this.takenUnits);
  }

  /** Follow an insertion at the cursor. */
  insert(inserted: string): Step {
    const shown = this.shown;
    const next = follow(shown.text, this.takenUnits, inserted);
    if (next < 0 || shown.text === "") {
      return "left";
    }
    this.takenUnits = next;
    this.latest = shown;
    if (next === shown.text.length) {
      return "all taken";
    }
    return isOneKey(inserted) ? "typed" : "partly accepted";
  }
}
