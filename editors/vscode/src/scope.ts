/** Where Hearth may work: which documents the server sees at all, and where suggestions are wanted. */

import * as vscode from "vscode";
import { setting, update, updateEntry } from "./settings";

const FILES_OFF = "hearth.filesOff";

/** Documents that the server may see; others, such as an output channel or a diff's left side, are no source code. */
export const SELECTOR: { scheme: string }[] = [{ scheme: "file" }, { scheme: "untitled" }];

export class Scope implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly listening = vscode.workspace.onDidChangeConfiguration((event) =>
    event.affectsConfiguration("hearth") ? this.changed.fire() : undefined,
  );

  /** Fires when suggestions may be wanted elsewhere than before. */
  readonly onDidChange = this.changed.event;

  constructor(private readonly state: vscode.Memento) {}

  dispose(): void {
    this.listening.dispose();
    this.changed.dispose();
  }

  /** Why the server may not read this document, in a few words; empty when it may. Nothing of one that it may not read leaves the editor. */
  whyHidden(document: vscode.TextDocument): string {
    if (vscode.languages.match(SELECTOR, document) === 0) {
      return "this is no source file";
    }
    const excluded = setting("exclude").some((pattern) => vscode.languages.match({ pattern }, document) > 0);
    return excluded ? "this file is excluded" : "";
  }

  /** Why no suggestions are wanted in this document, in a few words; empty when they are. */
  whyOff(document: vscode.TextDocument): string {
    if (!setting("enabled")) {
      return "suggestions are off";
    }
    const hidden = this.whyHidden(document);
    if (hidden !== "") {
      return hidden;
    }
    if (!this.fileOn(document.uri)) {
      return "off for this file";
    }
    return this.languageOn(document.languageId) ? "" : `off for ${document.languageId}`;
  }

  languageOn(language: string): boolean {
    const languages = setting("languages");
    return languages[language] ?? languages["*"] ?? true;
  }

  fileOn(uri: vscode.Uri): boolean {
    return !this.filesOff().includes(uri.toString());
  }

  async toggle(): Promise<void> {
    await update("enabled", !setting("enabled"));
  }

  async toggleLanguage(language: string): Promise<void> {
    await updateEntry("languages", language, !this.languageOn(language));
  }

  async toggleFile(uri: vscode.Uri): Promise<void> {
    const name = uri.toString();
    const off = this.filesOff();
    await this.state.update(FILES_OFF, off.includes(name) ? off.filter((other) => other !== name) : [...off, name]);
    this.changed.fire();
  }

  private filesOff(): string[] {
    return this.state.get<string[]>(FILES_OFF, []);
  }
}
