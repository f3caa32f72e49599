/** Puts the parts of the extension together. */

import * as vscode from "vscode";
import { ExplainPanel } from "./explain/panel";
import { InlineCompletions } from "./inlineCompletions";
import { IndexedFiles } from "./indexedFiles";
import { Latency } from "./latency";
import { indexAgain } from "./indexAgain";
import { showMenu } from "./menu";
import { Scope } from "./scope";
import { search } from "./search";
import { Account } from "./server/account";
import { LanguageServer } from "./server/languageServer";
import { needsRestart } from "./settings";
import { StatusBar } from "./statusBar";
import { Reasons } from "./why";

let server: LanguageServer | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const scope = new Scope(context.workspaceState);
  const account = new Account(context.secrets);
  const connection = new LanguageServer(scope, account);
  server = connection;
  const latency = new Latency();
  const status = new StatusBar(scope, latency, () => connection.state, connection.onDidChange);
  const completions = new InlineCompletions(connection, scope, latency);
  const files = new IndexedFiles(connection);
  const reasons = new Reasons(connection);
  const panel = new ExplainPanel(connection, scope, files, context.extensionUri);
  const command = (name: string, run: () => unknown): vscode.Disposable => vscode.commands.registerCommand(name, run);

  context.subscriptions.push(
    scope,
    account,
    connection,
    latency,
    status,
    completions,
    files,
    reasons,
    panel,
    command("hearth.dismiss", () => completions.dismiss()),
    vscode.commands.registerTextEditorCommand("hearth.explainSelection", (editor) => {
      void panel.explainSelection(editor);
    }),
    command("hearth.why", () => reasons.show(completions.lastId)),
    command("hearth.search", () => search(connection, files)),
    command("hearth.signIn", () => account.signIn()),
    command("hearth.signOut", () => account.signOut()),
    command("hearth.showMenu", () => showMenu(scope)),
    command("hearth.showLog", () => connection.showLog()),
    command("hearth.restart", () => connection.restart()),
    command("hearth.reindexFolders", () => indexAgain(connection)),
    vscode.workspace.onDidChangeConfiguration((event) => (needsRestart(event) ? connection.restart() : undefined)),
    account.onDidChange(() => connection.restart()),
    // The walkthrough's first step is done then.
    connection.onDidChange(({ kind }) =>
      vscode.commands.executeCommand("setContext", "hearth.running", kind === "running"),
    ),
    vscode.workspace.onDidGrantWorkspaceTrust(() => connection.restart()),
  );
  void connection.restart({
    explain: (target) => void panel.explain(target),
    accepted: (id) => completions.accepted(id),
  });
}

export async function deactivate(): Promise<void> {
  await server?.stop();
}
