/** What the team's server is told of the open folders: it cannot look at this machine's disk. */

import { readFile } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import * as vscode from "vscode";
import type { RepositoryClaim } from "../protocol";

const MAX_FILE_CHARACTERS = 256 * 1024;

/** Describe the work tree of each open folder that is in one. Nothing is run, git's files are only read. */
export async function claimRepositories(): Promise<RepositoryClaim[]> {
  const folders = (vscode.workspace.workspaceFolders ?? []).filter(({ uri }) => uri.scheme === "file");
  const claims = await Promise.all(folders.map(({ uri }) => claim(uri.fsPath)));
  const known = new Map(claims.filter((item) => item !== undefined).map((item) => [item.uri, item]));
  return [...known.values()];
}

async function claim(folder: string): Promise<RepositoryClaim | undefined> {
  for (let root = folder; ; root = dirname(root)) {
    const directory = await gitDirectory(root);
    if (directory !== undefined) {
      const common = await commonDirectory(directory);
      return {
        uri: vscode.Uri.file(root).toString(),
        remote: remoteIn(await read(join(common, "config"))),
        head: /^ref: refs\/heads\/(.+)$/m.exec(await read(join(directory, "HEAD")))?.[1] ?? "",
      };
    }
    if (dirname(root) === root) {
      return undefined;
    }
  }
}

/** `.git` is a folder, or in linked work trees and submodules a file that names one. */
async function gitDirectory(root: string): Promise<string | undefined> {
  const marker = join(root, ".git");
  if ((await read(join(marker, "HEAD"))) !== "") {
    return marker;
  }
  const linked = /^gitdir: (.+)$/m.exec(await read(marker))?.[1];
  return linked === undefined ? undefined : absolute(root, linked);
}

async function commonDirectory(directory: string): Promise<string> {
  const common = (await read(join(directory, "commondir"))).trim();
  return common === "" ? directory : absolute(directory, common);
}

/** Return the address of `origin`, or else of the first remote, without a name or password in it. */
function remoteIn(config: string): string {
  const remotes = new Map<string, string>();
  let section = "";
  for (const line of config.split(/\r?\n/)) {
    section = /^\s*\[(.*)\]/.exec(line)?.[1] ?? section;
    const name = /^remote "(.+)"$/.exec(section)?.[1];
    const url = /^\s*url\s*=\s*(.+?)\s*$/.exec(line)?.[1];
    if (name !== undefined && url !== undefined && !remotes.has(name)) {
      remotes.set(name, url);
    }
  }
  const remote = remotes.get("origin") ?? [...remotes.values()][0] ?? "";
  return remote.replace(/^([a-z+]+:\/\/)[^/@]*@/i, "$1");
}

function absolute(base: string, path: string): string {
  return isAbsolute(path) ? path : join(base, path);
}

/** Return a file's text; empty when there is none. */
async function read(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).slice(0, MAX_FILE_CHARACTERS);
  } catch {
    return "";
  }
}
