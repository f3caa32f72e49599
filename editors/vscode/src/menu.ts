/** The menu behind the status bar item. */

import * as vscode from "vscode";
import type { Scope } from "./scope";
import { setting, update } from "./settings";

interface Choice extends vscode.QuickPickItem {
  run: () => unknown;
}

export async function showMenu(scope: Scope, changed: () => void): Promise<void> {
  const document = vscode.window.activeTextEditor?.document;
  const command = (label: string, name: string): Choice => ({
    label,
    run: () => vscode.commands.executeCommand(name),
  });
  const on = setting("enabled");
  const choices: Choice[] = [
    { label: `$(power) Turn suggestions ${on ? "off" : "on"}`, run: () => update("enabled", !on) },
  ];
  if (document !== undefined) {
    const { languageId, uri } = document;
    choices.push(
      {
        label: `$(symbol-file) Turn suggestions ${scope.languageOn(languageId) ? "off" : "on"} for ${languageId}`,
        run: () => scope.toggleLanguage(languageId),
      },
      {
        label: `$(file) Turn suggestions ${scope.fileOn(uri) ? "off" : "on"} for this file`,
        run: () => scope.toggleFile(uri),
      },
    );
  }
  choices.push(
    command("$(search) Search the company's code", "hearth.search"),
    command("$(question) Why this suggestion?", "hearth.why"),
    setting("server.url") === ""
      ? command("$(database) Index the open folders again", "hearth.reindexFolders")
      : command("$(account) Sign in again", "hearth.signIn"),
    command("$(output) Show the log", "hearth.showLog"),
    command("$(debug-restart) Restart the server", "hearth.restart"),
  );
  const choice = await vscode.window.showQuickPick(choices, { title: "Hearth" });
  await choice?.run();
  changed();
}
