/** The token by which the team's server knows the user, kept in VS Code's store of secrets. */

import * as vscode from "vscode";
import { setting, update } from "../settings";
import { readAddress } from "./address";
import { giveBack, signInWithBrowser } from "./browserSignIn";
import { messageOf } from "./errors";

export class Account implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly listening: vscode.Disposable;

  /** Fires when the token for the server is another one, also when that was done in another window. */
  readonly onDidChange = this.changed.event;

  constructor(private readonly secrets: vscode.SecretStorage) {
    this.listening = secrets.onDidChange(({ key }) => (isInUse(key) ? this.changed.fire() : undefined));
  }

  dispose(): void {
    this.listening.dispose();
    this.changed.dispose();
  }

  async token(origin: string): Promise<string | undefined> {
    return this.secrets.get(keyOf(origin));
  }

  /** Ask for the address, unless there is one, and sign in there. */
  async signIn(): Promise<void> {
    const url =
      setting("server.url") ||
      (await vscode.window.showInputBox({
        title: "Hearth: Sign in (1 of 2)",
        prompt: "Address of your team's server",
        placeHolder: "https://hearth.example.com",
        ignoreFocusOut: true,
        validateInput: (value) => problemOf(() => readAddress(value.trim())),
      }));
    if (url === undefined || url === "") {
      return;
    }
    const { origin, device } = readAddress(url.trim());
    const token = await obtain(origin, device);
    if (token === undefined) {
      return;
    }
    await this.secrets.store(keyOf(origin), token.trim());
    if (setting("server.url") === "") {
      await update("server.url", url.trim());
    }
  }

  /** Forget the token, and give it back if it is from a browser's sign-in. */
  async signOut(): Promise<void> {
    const { origin, device } = readAddress(setting("server.url"));
    const token = await this.token(origin);
    await this.secrets.delete(keyOf(origin));
    if (token === undefined) {
      return;
    }
    try {
      await giveBack(device, token);
    } catch (error) {
      const reason = messageOf(error);
      void vscode.window.showWarningMessage(
        `Hearth: the token is forgotten here, and lasts until it expires. ${reason}`,
      );
    }
  }
}

/** Get a token from a browser or from the user; `undefined` when there is none. */
async function obtain(origin: string, device: string): Promise<string | undefined> {
  const title = `Hearth: Sign in to ${origin}`;
  const browser = "Sign in with the browser";
  const way = await vscode.window.showQuickPick([browser, "Enter a token"], {
    title,
    placeHolder: "How do you sign in?",
    ignoreFocusOut: true,
  });
  if (way !== browser) {
    return way && askForToken(title);
  }
  try {
    return await signInWithBrowser(device);
  } catch (error) {
    void vscode.window.showErrorMessage(messageOf(error));
    return undefined;
  }
}

function askForToken(title: string): Thenable<string | undefined> {
  return vscode.window.showInputBox({
    title,
    prompt: "Your token. Whoever runs the server gives you one; it is kept in this editor's store of secrets.",
    placeHolder: "hearth_…",
    password: true,
    ignoreFocusOut: true,
    validateInput: (value) => (/^\s*[\x21-\x7e]+\s*$/.test(value) ? undefined : "A token is one word."),
  });
}

function keyOf(origin: string): string {
  return `hearth.token ${origin}`;
}

/** Whether this is the key of the server that the settings name. */
function isInUse(key: string): boolean {
  try {
    return key === keyOf(readAddress(setting("server.url")).origin);
  } catch {
    return false;
  }
}

function problemOf(check: () => unknown): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
