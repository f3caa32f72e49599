/** `Hearth: Why this suggestion?`: what the last suggestion was made of. */

import * as vscode from "vscode";
import type { Connection } from "./connection";
import type { Why } from "./protocol";

const REUSED = {
  recycled: "Begun for an earlier key, and used again",
  cached: "Kept from before, and used again",
};

const PLACE = vscode.Uri.from({ scheme: "hearth-why", path: "/Why this suggestion.md" });

/** Shows reasons as one document that cannot be edited, and asks nobody to be saved. */
export class Reasons implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<vscode.Uri>();
  private readonly registration = vscode.workspace.registerTextDocumentContentProvider(PLACE.scheme, this);
  private text = "";
  readonly onDidChange = this.changes.event;

  constructor(private readonly connection: Connection) {}

  dispose(): void {
    this.registration.dispose();
    this.changes.dispose();
  }

  provideTextDocumentContent(): string {
    return this.text;
  }

  /** Show what the suggestion of an id was made of; empty for none yet. */
  async show(id: string): Promise<void> {
    if (id === "") {
      void vscode.window.showInformationMessage("Hearth has not suggested anything yet.");
      return;
    }
    const why = await this.connection.request("hearth/why", { id });
    if (why === null) {
      void vscode.window.showInformationMessage("Hearth no longer knows how this suggestion came about.");
      return;
    }
    this.text = describe(why);
    this.changes.fire(PLACE);
    await vscode.window.showTextDocument(PLACE, {
      viewColumn: vscode.ViewColumn.Beside,
      preserveFocus: true,
      preview: true,
    });
  }
}

function describe({ requestId, engine, model, source, confidence, reuse, snippets, dropped, stages }: Why): string {
  const used = snippets.map(
    ({ repository, path, commit, startLine, endLine, score, reason }) =>
      `- ${repository} \`${path}:${startLine}-${endLine}\` at ${commit.slice(0, 8)}, score ${score}: ${reason}`,
  );
  const left = dropped.map(({ repository, path, reason }) => `- ${repository} \`${path}\`: ${reason}`);
  const times = Object.entries(stages).map(([stage, milliseconds]) => `- ${stage}: ${milliseconds.toFixed(1)} ms`);
  return [
    "# Why this suggestion?",
    [
      `- Engine: ${engine}${model === "" ? "" : `, model ${model}`}`,
      ...(source === "" ? [] : [`- Found at \`${source}\``]),
      ...(confidence === null ? [] : [`- Sure to ${(confidence * 100).toFixed(0)} %`]),
      ...(reuse === "" ? [] : [`- ${REUSED[reuse]}`]),
      `- Request \`${requestId}\``,
    ].join("\n"),
    "## Snippets that were used",
    used.length > 0 ? used.join("\n") : "None: the suggestion comes from the file itself.",
    "## Snippets that were left out",
    left.length > 0 ? left.join("\n") : "None.",
    "## Time",
    times.join("\n"),
    "",
  ].join("\n\n");
}
