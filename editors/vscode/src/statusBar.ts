/** One item in the status bar: which engine answers, how fresh the index is, and a menu. */

import * as vscode from "vscode";
import type { Latency } from "./latency";
import type { ServerState } from "./server/languageServer";
import type { Status } from "./protocol";
import { type Scope, WRITTEN } from "./scope";
import { setting } from "./settings";

export class StatusBar implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem("hearth.status", vscode.StatusBarAlignment.Right, 100);
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly scope: Scope,
    private readonly latency: Latency,
    private readonly state: () => ServerState,
    onDidChange: vscode.Event<ServerState>,
  ) {
    this.item.name = "Hearth";
    this.item.command = "hearth.showMenu";
    this.subscriptions = [
      onDidChange(() => this.show()),
      latency.onDidChange(() => this.show()),
      vscode.window.onDidChangeActiveTextEditor(() => this.show()),
      scope.onDidChange(() => this.show()),
    ];
    this.show();
    this.item.show();
  }

  dispose(): void {
    this.item.dispose();
    for (const subscription of this.subscriptions) {
      subscription.dispose();
    }
  }

  private show(): void {
    const { text, tooltip, warning } = describe(this.state(), this.off(), this.latency.describe());
    this.item.text = text;
    this.item.tooltip = tooltip;
    this.item.backgroundColor = warning ? new vscode.ThemeColor("statusBarItem.warningBackground") : undefined;
  }

  /** Why there are no suggestions in the active editor, or nothing. */
  private off(): string {
    const document = vscode.window.activeTextEditor?.document;
    // One that nobody types in, such as a citation's or an output channel's, says nothing about suggestions.
    if (document === undefined || vscode.languages.match(WRITTEN, document) === 0) {
      return setting("enabled") ? "" : "suggestions are off";
    }
    return this.scope.whyOff(document);
  }
}

interface Description {
  text: string;
  tooltip: string;
  warning: boolean;
}

function describe(state: ServerState, off: string, latency: string): Description {
  switch (state.kind) {
    case "stopped":
      return { text: "$(circle-slash) Hearth: stopped", tooltip: "Hearth's server is stopped.", warning: false };
    case "starting":
      return { text: "$(loading~spin) Hearth: starting", tooltip: "Hearth's server is starting.", warning: false };
    case "waiting":
      return {
        text: `$(warning) Hearth: ${state.short}, again in ${state.seconds} s`,
        tooltip: `${state.reason} It is tried again by itself. Click for its log.`,
        warning: true,
      };
    case "stuck":
      return { text: `$(warning) Hearth: ${state.short}`, tooltip: state.reason, warning: true };
    case "running":
      return state.status === undefined
        ? { text: "$(loading~spin) Hearth: starting", tooltip: "Hearth's server is starting.", warning: false }
        : describeRunning(state.status, off, latency);
  }
}

function describeRunning({ engine, index }: Status, off: string, latency: string): Description {
  const engines = { vllm: "model", embedded: "index only", quiet: "quiet" };
  const states = { ready: "", indexing: ", indexing", empty: ", nothing indexed", failed: ", indexing failed" };
  const icon = off !== "" ? "$(circle-slash)" : index.state === "indexing" ? "$(sync~spin)" : "$(flame)";
  const rows = index.repositories.map(
    ({ name, ref, commit, files, behind }) =>
      `${name} ${ref} ${commit.slice(0, 8)}: ${files} files${behind ? `, ${behind} commits behind` : ""}`,
  );
  const lines = [`Engine: ${engine.rung}${engine.model === "" ? "" : ` (${engine.model})`}`];
  if (engine.detail !== "") {
    lines.push(engine.detail);
  }
  if (engine.tokens !== "") {
    lines.push(`Tokens of its prompts: ${engine.tokens}`);
  }
  if (latency !== "") {
    lines.push(latency);
  }
  if (!vscode.workspace.isTrusted && setting("server.url") === "") {
    lines.push("The folder is not trusted, so that it is not indexed.");
  }
  return {
    text: `${icon} Hearth: ${off === "" ? engines[engine.rung] : off}${states[index.state]}`,
    tooltip: [...lines, `Index: ${index.state}`, ...rows].join("\n"),
    warning: index.state === "failed",
  };
}
