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

export function update<K extends keyof Settings>(name: K, value: Settings[K]): Thenable<void> {
  return vscode.workspace.getConfiguration(SECTION).update(name, value, vscode.ConfigurationTarget.Global);
}

export function needsRestart(event: vscode.ConfigurationChangeEvent): boolean {
  return AT_START.some((name) => event.affectsConfiguration(`${SECTION}.${name}`));
}
