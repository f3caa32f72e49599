/** Where Hearth may work: which documents the server sees at all, and where suggestions are wanted. */

import * as vscode from "vscode";
import { setting, update } from "./settings";

const FILES_OFF = "hearth.filesOff";

/** Documents that the server may see; others, such as an output channel or a diff's left side, are no source code. */
export const SELECTOR: { scheme: string }[] = [{ scheme: "file" }, { scheme: "untitled" }];

export class Scope {
  constructor(private readonly state: vscode.Memento) {}

  /** Whether the server may read this document; nothing of an excluded file leaves the editor. */
  mayRead(document: vscode.TextDocument): boolean {
    const globs = setting("exclude");
    return !globs.some((pattern) => vscode.languages.match({ pattern }, document) > 0);
  }

  /** Whether suggestions are wanted in this document. */
  wantsSuggestions(document: vscode.TextDocument): boolean {
    return (
      setting("enabled") && this.languageOn(document.languageId) && this.fileOn(document.uri) && this.mayRead(document)
    );
  }

  languageOn(language: string): boolean {
    const languages = setting("languages");
    return languages[language] ?? languages["*"] ?? true;
  }

  fileOn(uri: vscode.Uri): boolean {
    return !this.filesOff().includes(uri.toString());
  }

  async toggleLanguage(language: string): Promise<void> {
    const languages = setting("languages");
    await update("languages", { ...languages, [language]: !this.languageOn(language) });
  }

  async toggleFile(uri: vscode.Uri): Promise<void> {
    const name = uri.toString();
    const off = this.filesOff();
    await this.state.update(FILES_OFF, off.includes(name) ? off.filter((other) => other !== name) : [...off, name]);
  }

  private filesOff(): string[] {
    return this.state.get<string[]>(FILES_OFF, []);
  }
}
