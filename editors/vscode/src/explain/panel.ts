/** The panel beside the editor in which explanations grow. */

import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import type { Connection } from "../connection";
import type { IndexedFiles } from "../indexedFiles";
import {
  type Citation,
  type ExplainArguments,
  type Explanation,
  type ExplanationPart,
  INDEXED,
  SERVER_EXPLAIN,
} from "../protocol";
import type { Scope } from "../scope";
import { messageOf } from "../server/errors";
import { render } from "./markdown";
import type { FromWebview, Source, ToWebview } from "./messages";

const DRAW_EVERY_MS = 50;

export class ExplainPanel implements vscode.Disposable {
  private panel: vscode.WebviewPanel | undefined;
  private loaded: Promise<void> = Promise.resolve();
  private target: ExplainArguments | undefined;
  private running: vscode.CancellationTokenSource | undefined;
  private markdown = "";
  private citations: readonly Citation[] = [];

  constructor(
    private readonly connection: Connection,
    private readonly scope: Scope,
    private readonly files: IndexedFiles,
    private readonly extension: vscode.Uri,
  ) {}

  dispose(): void {
    this.running?.cancel();
    this.panel?.dispose();
  }

  /** Explain what is selected in an editor; without a selection the definition around the cursor. */
  async explainSelection(editor: vscode.TextEditor): Promise<void> {
    const hidden = this.scope.whyHidden(editor.document);
    if (hidden !== "") {
      void vscode.window.showInformationMessage(`Hearth explains nothing here: ${hidden}.`);
      return;
    }
    const { start, end } = editor.selection;
    const place = ({ line, character }: vscode.Position) => ({ line, character });
    await this.explain({ uri: this.connection.uri(editor.document), range: { start: place(start), end: place(end) } });
  }

  /** Stream an explanation into the panel; one that is under way is stopped. */
  async explain(target: ExplainArguments): Promise<void> {
    this.target = target;
    this.running?.cancel();
    const running = new vscode.CancellationTokenSource();
    this.running = running;
    this.markdown = "";
    this.citations = [];
    this.open();
    let drawing: NodeJS.Timeout | undefined;
    const draw = (): void => {
      drawing = undefined;
      this.post({ kind: "text", html: render(this.markdown, new Set()) });
    };
    let note = "";
    try {
      await this.loaded;
      if (this.running !== running) {
        return;
      }
      this.post({ kind: "start", title: titleOf(target), question: target.question ?? "" });
      const explanation = await this.connection.stream<Explanation | null>(
        "workspace/executeCommand",
        { command: SERVER_EXPLAIN, arguments: [target] },
        (part) => {
          if (this.running === running) {
            this.markdown += (part as ExplanationPart).delta;
            drawing ??= setTimeout(draw, DRAW_EVERY_MS);
          }
        },
        running.token,
      );
      if (this.running === running && explanation !== null) {
        this.markdown = explanation.markdown;
        this.citations = explanation.citations;
        note = noteOf(explanation);
      }
    } catch (error) {
      const what = this.markdown === "" ? "No explanation" : "The explanation ended early";
      note = running.token.isCancellationRequested ? "Stopped." : `${what}: ${messageOf(error)}`;
    } finally {
      clearTimeout(drawing);
      if (this.running === running) {
        this.running = undefined;
        this.finish(note);
      }
      running.dispose();
    }
  }

  private finish(note: string): void {
    const known = new Set(this.citations.map(({ number }) => number));
    this.post({ kind: "end", html: render(this.markdown, known), sources: this.citations.map(toSource), note });
  }

  private open(): void {
    if (this.panel !== undefined) {
      this.panel.reveal(undefined, true);
      return;
    }
    const panel = vscode.window.createWebviewPanel(
      "hearth.explanation",
      "Hearth: Explanation",
      { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true },
      {
        enableScripts: true,
        retainContextWhenHidden: true,
        localResourceRoots: [vscode.Uri.joinPath(this.extension, "dist"), vscode.Uri.joinPath(this.extension, "media")],
      },
    );
    this.panel = panel;
    this.loaded = new Promise((resolve) => {
      panel.webview.onDidReceiveMessage((message: FromWebview) => {
        if (message.kind === "ready") {
          resolve();
        } else {
          void this.act(message);
        }
      });
      panel.onDidDispose(() => {
        this.panel = undefined;
        this.running?.cancel();
        resolve();
      });
    });
    panel.webview.html = this.page(panel.webview);
  }

  private async act(message: FromWebview): Promise<void> {
    switch (message.kind) {
      case "stop":
        this.running?.cancel();
        break;
      case "copy":
        await vscode.env.clipboard.writeText(this.markdown);
        vscode.window.setStatusBarMessage("Hearth: the explanation was copied", 3_000);
        break;
      case "leave":
        await vscode.commands.executeCommand("workbench.action.focusFirstEditorGroup");
        break;
      case "ask":
        if (this.target !== undefined) {
          await this.explain({ ...this.target, question: message.question });
        }
        break;
      case "open": {
        const citation = this.citations.find(({ number }) => number === message.number);
        if (citation !== undefined) {
          await this.files.open(citation, vscode.ViewColumn.One);
        }
        break;
      }
    }
  }

  private post(message: ToWebview): void {
    void this.panel?.webview.postMessage(message);
  }

  private page(webview: vscode.Webview): string {
    const nonce = randomBytes(16).toString("base64");
    const file = (...path: string[]) => webview.asWebviewUri(vscode.Uri.joinPath(this.extension, ...path)).toString();
    const policy = `default-src 'none'; style-src ${webview.cspSource}; script-src 'nonce-${nonce}'`;
    return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<link rel="stylesheet" href="${file("media", "explain.css")}">
<title>Hearth</title>
</head>
<body>
<header><h1 id="title"></h1><button id="stop" hidden>Stop</button><button id="copy" disabled>Copy</button></header>
<main>
<p id="asked"></p>
<div id="text" aria-live="polite"></div>
<p id="note" role="status"></p>
<ol id="sources" aria-label="Sources"></ol>
</main>
<form id="ask" aria-label="Question"><input id="question" maxlength="4000" placeholder="Ask about this code" aria-label="Ask about this code"><button>Ask</button></form>
<script nonce="${nonce}" src="${file("dist", "webview.js")}"></script>
</body>
</html>`;
  }
}

function titleOf({ uri, range }: ExplainArguments): string {
  const file = vscode.Uri.parse(uri);
  const name = file.scheme === INDEXED ? `${file.query} ${file.path.slice(1)}` : vscode.workspace.asRelativePath(file);
  const last = range.end.character === 0 && range.end.line > range.start.line ? range.end.line : range.end.line + 1;
  const first = range.start.line + 1;
  return first === last ? `${name}:${first}` : `${name}:${first}-${last}`;
}

function noteOf({ engine, endedEarly }: Explanation): string {
  if (endedEarly !== undefined) {
    return `The explanation ended early. ${endedEarly}`;
  }
  return engine === "vllm" ? "" : "Written from the index alone, without a model.";
}

function toSource(citation: Citation): Source {
  const lines =
    citation.startLine === citation.endLine ? `${citation.startLine}` : `${citation.startLine}-${citation.endLine}`;
  return {
    number: citation.number,
    title: citation.title === "" ? citation.path : citation.title,
    place: `${citation.repository} ${citation.path}:${lines}`,
  };
}
