/** A server on this machine: the program `hearth lsp`. */

import { accessSync, constants, statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import * as vscode from "vscode";
import type { InitializationOptions } from "../protocol";
import { setting } from "../settings";
import { Unreachable } from "./errors";
import type { Reached } from "./reached";

/**
 * Say how the program is started.
 *
 * @throws Unreachable when there is no such program.
 */
export function reachLocal(): Reached {
  const wanted = setting("server.path");
  const command = findProgram(wanted);
  if (command === undefined) {
    throw new Unreachable(
      "server not found",
      `Hearth's server was not found: there is no program "${wanted}". ` +
        "Sign in to your team's server, or install Hearth on this machine and say where it is in the setting " +
        '"hearth.server.path".',
      { mends: [{ kind: "signIn" }, { kind: "setting", name: "server.path" }], retry: false },
    );
  }
  return { server: { command, args: ["lsp", ...setting("server.arguments")] }, options: startOptions() };
}

function startOptions(): InitializationOptions {
  const data = setting("data");
  const config = setting("config");
  return {
    ...(data === "" ? {} : { data }),
    ...(config === "" ? {} : { config }),
    // Indexing runs git in the folder, which is not safe before the user trusts it.
    autoIndex: vscode.workspace.isTrusted && setting("autoIndex"),
  };
}

/** Find a program as a shell does, but never in the current folder: that may be anybody's repository. */
function findProgram(name: string): string | undefined {
  if (isAbsolute(name)) {
    return isProgram(name) ? name : undefined;
  }
  if (name.includes("/") || name.includes("\\")) {
    return undefined;
  }
  const endings = process.platform === "win32" ? [".exe"] : [""];
  return (process.env.PATH ?? "")
    .split(delimiter)
    .filter(isAbsolute)
    .flatMap((directory) => endings.map((ending) => join(directory, name.endsWith(ending) ? name : name + ending)))
    .find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
