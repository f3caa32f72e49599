/** Opens a file at a line. */

import * as vscode from "vscode";

/** `line` counts from 1. */
export async function openAt(uri: string, line: number, viewColumn?: vscode.ViewColumn): Promise<void> {
  const place = new vscode.Position(Math.max(line - 1, 0), 0);
  const selection = new vscode.Range(place, place);
  await vscode.window.showTextDocument(vscode.Uri.parse(uri), {
    selection,
    ...(viewColumn === undefined ? {} : { viewColumn }),
  });
}
