/** The menu behind the status bar item. */

import * as vscode from "vscode";
import type { Scope } from "./scope";
import { setting } from "./settings";

interface Choice extends vscode.QuickPickItem {
  run: () => unknown;
}

export async function showMenu(scope: Scope): Promise<void> {
  const document = vscode.window.activeTextEditor?.document;
  const off = document === undefined ? "" : scope.whyOff(document);
  const choices = [
    ...forSuggestions(scope, document),
    command("$(search) Search the company's code", "hearth.search"),
    command("$(question) Why this suggestion?", "hearth.why"),
    ...(setting("server.url") === ""
      ? [
          command("$(database) Index the open folders again", "hearth.reindexFolders"),
          command("$(account) Sign in to your team's server", "hearth.signIn"),
        ]
      : [command("$(account) Sign in again", "hearth.signIn")]),
    command("$(output) Show the log", "hearth.showLog"),
    command("$(refresh) Restart the server", "hearth.restart"),
  ];
  const choice = await vscode.window.showQuickPick(choices, { title: off === "" ? "Hearth" : `Hearth: ${off}` });
  await choice?.run();
}

function forSuggestions(scope: Scope, document: vscode.TextDocument | undefined): Choice[] {
  const on = setting("enabled", document?.uri);
  const all = { label: `${icon(on)} Turn suggestions ${change(on)}`, run: () => scope.toggle(document?.uri) };
  if (document === undefined) {
    return [all];
  }
  if (scope.whyHidden(document) !== "") {
    const run = () => vscode.commands.executeCommand("workbench.action.openSettings", "hearth.exclude");
    return [all, { label: "$(settings-gear) Say which files are excluded", run }];
  }
  const { languageId, uri } = document;
  return [
    all,
    {
      label: `$(symbol-file) Turn suggestions ${change(scope.languageOn(document))} for ${languageId}`,
      run: () => scope.toggleLanguage(document),
    },
    {
      label: `$(file) Turn suggestions ${change(scope.fileOn(uri))} for this file`,
      run: () => scope.toggleFile(uri),
    },
  ];
}

function icon(on: boolean): string {
  return on ? "$(circle-slash)" : "$(flame)";
}

function change(on: boolean): string {
  return on ? "off" : "on";
}

function command(label: string, name: string): Choice {
  return { label, run: () => vscode.commands.executeCommand(name) };
}
