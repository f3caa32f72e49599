/**
 * Ghost text that grows while the server streams.
 *
 * VS Code asks a provider once and shows what it returned. So the first part is returned as soon as it is there, and
 * as more arrives VS Code is made to ask again, which is answered from what has come, at once and without blinking.
 */

import * as vscode from "vscode";
import type { Connection } from "./connection";
import type { Latency } from "./latency";
import { type CompletionItem, type CompletionList, INLINE_COMPLETION, SERVER_ACCEPTED } from "./protocol";
import { Reports } from "./reports";
import { type Scope, WRITTEN } from "./scope";
import { type Part, type Step, Suggestion } from "./suggestion";

/** Between two steps of growing; VS Code itself waits 50 ms in each, so that about 15 steps fit a second. */
const PAUSE_MS = 15;

/**
 * Ask our provider only, and as if by typing: after an explicit request VS Code keeps the shorter text that it shows
 * and offers the longer one as an alternative.
 */
const GROW = { providerId: "hearth.hearth:*", explicit: false };

/** The place that a suggestion is for. It moves along while the user types what is suggested. */
interface Place {
  document: vscode.TextDocument;
  version: number;
  offset: number;
  position: vscode.Position;
  selected: vscode.SelectedCompletionInfo | undefined;
}

interface Running {
  place: Place;
  /** What is shown, or the one of the others that the user took in its place. */
  suggestion: Suggestion;
  range: vscode.Range | undefined;
  cancel: vscode.CancellationTokenSource;
  /** Resolves when there is something to show, or nothing will come. */
  first: Promise<void>;
  /** The text that VS Code was last given for this place. */
  given: string | undefined;
  /** Whether a key ended the stream, so that the server has to be asked for the rest. */
  cutShort: boolean;
  /** Milliseconds from asking until there was text. */
  latency: number | undefined;
  /** Others for the place, of which the user may take one instead. */
  others: Suggestion[];
  /** Resolves when all has come. */
  whole: Promise<void>;
}

export class InlineCompletions implements vscode.Disposable {
  private running: Running | undefined;
  private registration: vscode.Disposable;
  private growing = false;
  /** The document as it was when the last suggestion was given up. */
  private left: { document: vscode.TextDocument; version: number } | undefined;
  private readonly reports: Reports;
  private readonly subscriptions: vscode.Disposable[] = [];

  constructor(
    private readonly connection: Connection,
    private readonly scope: Scope,
    private readonly latency: Latency,
  ) {
    this.reports = new Reports(connection);
    this.registration = this.register();
    this.subscriptions.push(
      vscode.workspace.onDidChangeTextDocument((event) => this.documentChanged(event)),
      vscode.workspace.onDidCloseTextDocument((document) => this.leave(document)),
      vscode.window.onDidChangeTextEditorSelection((event) => this.selectionChanged(event)),
      vscode.window.onDidChangeActiveTextEditor(() => this.stop()),
      scope.onDidChange(() => this.scopeChanged()),
    );
  }

  /** The suggestion that was shown last, for `Hearth: Why this suggestion?`. */
  get lastId(): string {
    return this.reports.lastId;
  }

  dispose(): void {
    this.stop();
    this.reports.dispose();
    this.registration.dispose();
    for (const subscription of this.subscriptions) {
      subscription.dispose();
    }
  }

  /** The user pressed Escape: hide the ghost text, stop the work, and say so to the server. */
  async dismiss(): Promise<void> {
    this.reject();
    await vscode.commands.executeCommand("editor.action.inlineSuggest.hide");
  }

  /** The command of an item ran: it was taken as a whole. */
  accepted(id: string): void {
    this.reports.taken(id);
    if (this.running?.suggestion.shown.id === id) {
      this.stop();
    }
  }

  /** Forget what is there, and stop what is under way. */
  stop(): void {
    if (this.running !== undefined) {
      const { document, version } = this.running.place;
      this.left = { document, version };
      this.running.cancel.cancel();
      this.running = undefined;
    }
    this.reports.hidden();
  }

  private register(): vscode.Disposable {
    return vscode.languages.registerInlineCompletionItemProvider(WRITTEN, {
      provideInlineCompletionItems: (document, position, context, token) =>
        this.provide(document, position, context, token),
    });
  }

  private async provide(
    document: vscode.TextDocument,
    position: vscode.Position,
    context: vscode.InlineCompletionContext,
    token: vscode.CancellationToken,
  ): Promise<vscode.InlineCompletionItem[]> {
    const editor = vscode.window.activeTextEditor;
    // With several cursors the others would get text that was made for the first.
    if (!this.connection.ready || this.scope.whyOff(document) !== "" || (editor?.selections.length ?? 1) > 1) {
      return [];
    }
    const offset = document.offsetAt(position);
    const place: Place = {
      document,
      version: document.version,
      offset,
      position,
      selected: context.selectedCompletionInfo,
    };
    const echo = this.growing;
    const explicit = context.triggerKind === vscode.InlineCompletionTriggerKind.Invoke;
    let running = this.running;
    if (running === undefined || !isSame(running.place, place)) {
      if (echo && this.left?.document === document && this.left.version === document.version) {
        // We asked to grow, and meanwhile the user dismissed the text or moved away.
        return [];
      }
      running = this.ask(place, context);
    } else if (explicit && running.suggestion.complete && running.others.length === 0) {
      // Who asks where a suggestion is shown wants to see others.
      running = this.ask(place, context, { id: running.suggestion.shown.id, text: running.suggestion.rest });
      await Promise.race([running.whole, cancelled(token)]);
    } else if (running.cutShort || (running.suggestion.rest === "" && running.suggestion.complete && !echo)) {
      running = this.ask(place, context, { id: running.suggestion.shown.id, text: running.suggestion.rest });
    }
    await Promise.race([running.first, cancelled(token)]);
    return this.running === running && isSame(running.place, place) && !token.isCancellationRequested
      ? this.give(running)
      : [];
  }

  private ask(place: Place, context: vscode.InlineCompletionContext, seed?: { id: string; text: string }): Running {
    this.running?.cancel.cancel();
    const suggestion = new Suggestion(seed);
    const cancel = new vscode.CancellationTokenSource();
    let arrived: () => void = () => undefined;
    const first = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    let ended: () => void = () => undefined;
    const whole = new Promise<void>((resolve) => {
      ended = resolve;
    });
    const asked = performance.now();
    const running: Running = {
      place,
      suggestion,
      range: undefined,
      cancel,
      first,
      given: undefined,
      cutShort: false,
      latency: undefined,
      others: [],
      whole,
    };
    this.running = running;
    if (suggestion.rest !== "") {
      arrived();
    }
    const take = (list: CompletionList | null): void => {
      const item = list?.items[0];
      if (this.running !== running || suggestion.complete) {
        return;
      }
      suggestion.receive(toPart(item));
      if (item !== undefined && running.latency === undefined) {
        running.latency = performance.now() - asked;
        this.latency.note(running.latency);
      }
      running.range = item?.range === undefined ? undefined : toRange(item.range);
    };
    const params = {
      textDocument: { uri: this.connection.uri(place.document) },
      position: { line: place.position.line, character: place.position.character },
      context: {
        triggerKind: context.triggerKind === vscode.InlineCompletionTriggerKind.Invoke ? 1 : 2,
        ...(place.selected === undefined
          ? {}
          : { selectedCompletionInfo: { range: fromRange(place.selected.range), text: place.selected.text } }),
      },
    };
    this.connection
      .stream<CompletionList | null>(
        INLINE_COMPLETION,
        params,
        (list) => {
          take(list as CompletionList);
          arrived();
          void this.grow(running);
        },
        cancel.token,
      )
      .then(
        (list) => {
          take(list);
          if (!suggestion.complete) {
            suggestion.end(true);
            running.others = (list?.items ?? []).slice(1).map(toFinished);
          }
        },
        // A request that was overtaken, or a server that went away: what has come is still right.
        () => suggestion.end(false),
      )
      .finally(() => {
        arrived();
        ended();
        cancel.dispose();
        void this.grow(running);
      });
    return running;
  }

  /** Answer VS Code with what there is. */
  private give(running: Running): vscode.InlineCompletionItem[] {
    const { place, suggestion } = running;
    const { id } = suggestion.shown;
    const { rest } = suggestion;
    running.given = rest;
    if (rest === "" || (place.selected !== undefined && !rest.startsWith(place.selected.text))) {
      return [];
    }
    this.reports.given(id, running.latency);
    const untouched = running.range !== undefined && suggestion.taken === 0 && suggestion.shown.id === id;
    const range =
      untouched && running.range !== undefined ? running.range : new vscode.Range(place.position, place.position);
    return [suggestion, ...running.others].map((each) => {
      const item = new vscode.InlineCompletionItem(each.rest, range);
      item.command = { title: "Accepted", command: SERVER_ACCEPTED, arguments: [each.shown.id] };
      return item;
    });
  }

  /** Make VS Code ask again until it has all that arrived, at a pace that can be followed. */
  private async grow(running: Running): Promise<void> {
    if (this.growing || running.given === undefined) {
      return;
    }
    this.growing = true;
    try {
      while (this.running === running && running.given !== running.suggestion.rest && isAtCursor(running.place)) {
        // VS Code asks again for the same place only when the providers are others than before.
        const previous = this.registration;
        this.registration = this.register();
        previous.dispose();
        await vscode.commands.executeCommand("editor.action.inlineSuggest.trigger", GROW);
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    } finally {
      this.growing = false;
    }
    const current = this.running;
    if (current !== undefined && current !== running) {
      void this.grow(current);
    }
  }

  private documentChanged(event: vscode.TextDocumentChangeEvent): void {
    const running = this.running;
    if (running === undefined || event.document !== running.place.document || event.contentChanges.length === 0) {
      return;
    }
    const [change] = event.contentChanges;
    const { place } = running;
    const inserted =
      event.contentChanges.length === 1 &&
      change !== undefined &&
      change.rangeLength === 0 &&
      change.rangeOffset === place.offset &&
      place.selected === undefined
        ? change.text
        : undefined;
    const step = inserted === undefined ? "left" : this.follow(running, inserted);
    if (inserted === undefined || step === "left") {
      this.reject();
      return;
    }
    const { suggestion } = running;
    // The server ends its work at any change, so that nothing more comes for this request.
    running.cutShort ||= !suggestion.complete;
    suggestion.end(false);
    running.cancel.cancel();
    place.version = event.document.version;
    place.offset += inserted.length;
    place.position = event.document.positionAt(place.offset);
    running.given = undefined;
    if (step === "partly accepted") {
      this.reports.partlyTaken(suggestion.shown.id, suggestion.taken);
    }
  }

  /** Go on with the texts that begin with what was typed or taken in part: the first of them is what is shown now. */
  private follow(running: Running, inserted: string): Step {
    const followed = [running.suggestion, ...running.others]
      .map((suggestion) => ({ suggestion, step: suggestion.insert(inserted) }))
      .filter(({ step }) => step !== "left");
    const [first, ...others] = followed;
    if (first === undefined) {
      return "left";
    }
    running.suggestion = first.suggestion;
    running.others = others.map(({ suggestion }) => suggestion).filter(({ rest }) => rest !== "");
    return first.step;
  }

  private selectionChanged(event: vscode.TextEditorSelectionChangeEvent): void {
    const place = this.running?.place;
    if (place === undefined || event.textEditor.document !== place.document) {
      return;
    }
    const selection = event.selections[0];
    // While a change is on its way the cursor is told of before or after it, so only a real move counts.
    if (
      event.kind !== undefined &&
      event.kind !== vscode.TextEditorSelectionChangeKind.Command &&
      (event.selections.length > 1 ||
        selection === undefined ||
        !selection.isEmpty ||
        !selection.active.isEqual(place.position)) &&
      event.textEditor.document.version === place.version
    ) {
      this.stop();
    }
  }

  private scopeChanged(): void {
    if (this.running !== undefined && this.scope.whyOff(this.running.place.document) !== "") {
      this.stop();
      void vscode.commands.executeCommand("editor.action.inlineSuggest.hide");
    }
  }

  private leave(document: vscode.TextDocument): void {
    if (this.running?.place.document === document) {
      this.stop();
    }
  }

  private reject(): void {
    this.reports.rejected(this.running?.suggestion.shown.id ?? "");
    this.stop();
  }
}

function isSame(left: Place, right: Place): boolean {
  return (
    left.document === right.document &&
    left.version === right.version &&
    left.offset === right.offset &&
    left.selected?.text === right.selected?.text &&
    (left.selected === undefined || right.selected === undefined || left.selected.range.isEqual(right.selected.range))
  );
}

function isAtCursor(place: Place): boolean {
  const editor = vscode.window.activeTextEditor;
  return (
    editor?.document === place.document &&
    place.document.version === place.version &&
    editor.selection.active.isEqual(place.position)
  );
}

function cancelled(token: vscode.CancellationToken): Promise<void> {
  return new Promise((resolve) => token.onCancellationRequested(() => resolve()));
}

function toPart(item: CompletionItem | undefined): Part {
  const id: unknown = item?.command?.arguments?.[0];
  return { id: typeof id === "string" ? id : "", text: item?.insertText ?? "" };
}

function toFinished(item: CompletionItem): Suggestion {
  const suggestion = new Suggestion();
  suggestion.receive(toPart(item));
  suggestion.end(true);
  return suggestion;
}

function toRange(range: NonNullable<CompletionItem["range"]>): vscode.Range {
  return new vscode.Range(range.start.line, range.start.character, range.end.line, range.end.character);
}

function fromRange(range: vscode.Range): object {
  return {
    start: { line: range.start.line, character: range.start.character },
    end: { line: range.end.line, character: range.end.character },
  };
}
