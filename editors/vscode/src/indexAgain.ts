/** `Hearth: Index the open folders again`. */

import * as vscode from "vscode";
import type { Connection } from "./connection";
import { SERVER_REINDEX } from "./protocol";

export async function indexAgain(connection: Connection): Promise<void> {
  if (!vscode.workspace.isTrusted) {
    const manage = "Manage trust";
    const why = "Hearth indexes this folder when it is trusted, because git runs in it then.";
    if ((await vscode.window.showWarningMessage(why, manage)) === manage) {
      await vscode.commands.executeCommand("workbench.trust.manage");
    }
    return;
  }
  await vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title: "Hearth: indexing" }, () =>
    connection.request("workspace/executeCommand", { command: SERVER_REINDEX, arguments: [] }),
  );
}
