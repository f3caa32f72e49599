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

export function setting<K extends keyof Settings>(name: K): Settings[K] {
  return vscode.workspace.getConfiguration(SECTION).get(name) as Settings[K];
}

/** Write a setting for the user, or in the folder where that has one of its own, which wins over the user's. */
export function update<K extends keyof Settings>(name: K, value: Settings[K]): Thenable<void> {
  const configuration = vscode.workspace.getConfiguration(SECTION);
  const inFolder = configuration.inspect(name)?.workspaceValue !== undefined;
  return configuration.update(name, value, targetOf(inFolder));
}

/** Write one entry of a setting in the same way, and leave its other entries where they are. */
export function updateEntry(name: "languages", key: string, value: boolean): Thenable<void> {
  const configuration = vscode.workspace.getConfiguration(SECTION);
  const { globalValue, workspaceValue } = configuration.inspect<Settings[typeof name]>(name) ?? {};
  const inFolder = workspaceValue?.[key] !== undefined;
  const there = inFolder ? workspaceValue : globalValue;
  return configuration.update(name, { ...there, [key]: value }, targetOf(inFolder));
}

export function needsRestart(event: vscode.ConfigurationChangeEvent): boolean {
  return AT_START.some((name) => event.affectsConfiguration(`${SECTION}.${name}`));
}

function targetOf(inFolder: boolean): vscode.ConfigurationTarget {
  return inFolder ? vscode.ConfigurationTarget.Workspace : vscode.ConfigurationTarget.Global;
}
