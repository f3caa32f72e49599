/** The settings of the user, read when they are needed; package.json documents them and holds their defaults. */

import * as vscode from "vscode";

const SECTION = "hearth";

export interface Settings {
  enabled: boolean;
  languages: Record<string, boolean>;
  exclude: string[];
  telemetry: boolean;
  autoIndex: boolean;
  "server.url": string;
  "server.certificateAuthority": string;
  "server.path": string;
  "server.arguments": string[];
  data: string;
  config: string;
}

/** Settings that take effect only when the server starts. */
const AT_START: (keyof Settings)[] = [
  "server.url",
  "server.certificateAuthority",
  "server.path",
  "server.arguments",
  "data",
  "config",
  "autoIndex",
  "exclude",
];

/** Read a setting; those that a folder may have for itself, as it is for a file in that folder. */
export function setting<K extends keyof Settings>(name: K, file?: vscode.Uri): Settings[K] {
  return vscode.workspace.getConfiguration(SECTION, file).get(name) as Settings[K];
}

/** Write a setting where it counts for a file: in its folder or workspace if that has one of its own, or for the user. */
export function update<K extends keyof Settings>(name: K, value: Settings[K], file?: vscode.Uri): Thenable<void> {
  const [target] = where(name, file, (there) => there !== undefined);
  return vscode.workspace.getConfiguration(SECTION, file).update(name, value, target);
}

/** Write one entry of a setting in the same way, and leave its other entries where they are. */
export function updateEntry(name: "languages", key: string, value: boolean, file: vscode.Uri): Thenable<void> {
  const [target, there] = where(name, file, (there) => there?.[key] !== undefined);
  return vscode.workspace.getConfiguration(SECTION, file).update(name, { ...there, [key]: value }, target);
}

export function needsRestart(event: vscode.ConfigurationChangeEvent): boolean {
  return AT_START.some((name) => event.affectsConfiguration(`${SECTION}.${name}`));
}

/** The innermost place that says something of a setting, or else the user's, and what is there. */
function where<K extends keyof Settings>(
  name: K,
  file: vscode.Uri | undefined,
  says: (there: Settings[K] | undefined) => boolean,
): [vscode.ConfigurationTarget, Settings[K] | undefined] {
  const found = vscode.workspace.getConfiguration(SECTION, file).inspect<Settings[K]>(name);
  if (says(found?.workspaceFolderValue)) {
    return [vscode.ConfigurationTarget.WorkspaceFolder, found?.workspaceFolderValue];
  }
  return says(found?.workspaceValue)
    ? [vscode.ConfigurationTarget.Workspace, found?.workspaceValue]
    : [vscode.ConfigurationTarget.Global, found?.globalValue];
}
