/** The token by which the team's server knows the user, kept in VS Code's store of secrets. */

import * as vscode from "vscode";
import { setting, update } from "../settings";
import { readAddress } from "./address";
import { Unreachable } from "./errors";

export class Account {
  constructor(private readonly secrets: vscode.SecretStorage) {}

  async token(origin: string): Promise<string | undefined> {
    return this.secrets.get(keyOf(origin));
  }

  /** Ask for the address, unless there is one, and for a token; returns whether both were given. */
  async signIn(): Promise<boolean> {
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
      return false;
    }
    const { origin } = readAddress(url.trim());
    const token = await vscode.window.showInputBox({
      title: `Hearth: Sign in to ${origin}`,
      prompt: "Your token. Whoever runs the server gives you one; it is kept in this editor's store of secrets.",
      placeHolder: "hearth_…",
      password: true,
      ignoreFocusOut: true,
      validateInput: (value) => (/^\s*[\x21-\x7e]+\s*$/.test(value) ? undefined : "A token is one word."),
    });
    if (token === undefined) {
      return false;
    }
    await this.secrets.store(keyOf(origin), token.trim());
    if (setting("server.url") === "") {
      await update("server.url", url.trim());
    }
    return true;
  }

  /** Forget the token. */
  async signOut(): Promise<void> {
    await this.secrets.delete(keyOf(readAddress(setting("server.url")).origin));
  }
}

function keyOf(origin: string): string {
  return `hearth.token ${origin}`;
}

function problemOf(check: () => unknown): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return error instanceof Unreachable ? error.message : String(error);
  }
}
