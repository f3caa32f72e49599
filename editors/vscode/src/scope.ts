/** Where Hearth may work: which documents the server sees at all, and where suggestions are wanted. */

import * as vscode from "vscode";
import { INDEXED } from "./protocol";
import { setting, update, updateEntry } from "./settings";

const FILES_OFF = "hearth.filesOff";

/** Documents that people write in, so that suggestions may be wanted. */
export const WRITTEN: { scheme: string }[] = [{ scheme: "file" }, { scheme: "untitled" }];

/** Documents that the server may see; others, such as an output channel or a diff's left side, are no source code. */
export const SEEN: { scheme: string }[] = [...WRITTEN, { scheme: INDEXED }];

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
    if (vscode.languages.match(SEEN, document) === 0) {
      return "this is no source file";
    }
    const folder = vscode.workspace.getWorkspaceFolder(document.uri);
    const excluded = setting("exclude", document.uri).some(
      (pattern) =>
        vscode.languages.match({ pattern }, document) > 0 ||
        (folder !== undefined &&
          vscode.languages.match({ pattern: new vscode.RelativePattern(folder, pattern) }, document) > 0),
    );
    return excluded ? "this file is excluded" : "";
  }

  /** Why no suggestions are wanted in this document, in a few words; empty when they are. */
  whyOff(document: vscode.TextDocument): string {
    if (!setting("enabled", document.uri)) {
      return "suggestions are off";
    }
    const hidden = this.whyHidden(document);
    if (hidden !== "") {
      return hidden;
    }
    if (!this.fileOn(document.uri)) {
      return "off for this file";
    }
    return this.languageOn(document) ? "" : `off for ${document.languageId}`;
  }

  languageOn({ languageId, uri }: vscode.TextDocument): boolean {
    const languages = setting("languages", uri);
    return languages[languageId] ?? languages["*"] ?? true;
  }

  fileOn(uri: vscode.Uri): boolean {
    return !this.filesOff().includes(uri.toString());
  }

  /** Turn suggestions on or off where it counts for this file. */
  async toggle(file: vscode.Uri | undefined): Promise<void> {
    await update("enabled", !setting("enabled", file), file);
  }

  async toggleLanguage(document: vscode.TextDocument): Promise<void> {
    await updateEntry("languages", document.languageId, !this.languageOn(document), document.uri);
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
