/** Files of the index that are in no open folder, shown as documents that cannot be edited. */

import * as vscode from "vscode";
import type { Connection } from "./connection";
import { INDEXED } from "./protocol";
import { messageOf } from "./server/errors";

/** A line (from 1) of a file; `uri` is there when the file is in an open folder. */
export interface Place {
  repository: string;
  path: string;
  startLine: number;
  uri?: string;
}

export class IndexedFiles implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly registration = vscode.workspace.registerTextDocumentContentProvider(INDEXED, this);

  constructor(private readonly connection: Connection) {}

  dispose(): void {
    this.registration.dispose();
  }

  async provideTextDocumentContent(uri: vscode.Uri, token: vscode.CancellationToken): Promise<string> {
    const file = await this.connection.request(
      "hearth/file",
      { repository: uri.query, path: uri.path.slice(1) },
      token,
    );
    if (file === null) {
      throw new Error(`${uri.path.slice(1)} of ${uri.query} is not in the index any more`);
    }
    return file.text;
  }

  /** Show a place in its file, or in the index's copy of it. */
  async open({ repository, path, startLine, uri }: Place, viewColumn?: vscode.ViewColumn): Promise<void> {
    const file =
      uri === undefined
        ? vscode.Uri.from({ scheme: INDEXED, path: `/${path}`, query: repository })
        : vscode.Uri.parse(uri);
    const line = new vscode.Position(Math.max(startLine - 1, 0), 0);
    try {
      await vscode.window.showTextDocument(file, {
        selection: new vscode.Range(line, line),
        ...(viewColumn === undefined ? {} : { viewColumn }),
      });
    } catch (error) {
      void vscode.window.showErrorMessage(`Hearth cannot open ${path} of ${repository}: ${messageOf(error)}`);
    }
  }
}
