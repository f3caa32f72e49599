// Usage: node format.mjs [--check] FILE-OR-DIRECTORY…
//
// Formats Lua with StyLua, as compiled to WebAssembly, by the settings of ../.stylua.toml.
// With --check it changes nothing, names the files that are not formatted, and fails if there are any.
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Config, IndentType, LineEndings, OutputVerification, QuoteStyle, formatCode } from "@johnnymorganz/stylua";

const WORDS = {
  column_width: Number,
  indent_width: Number,
  indent_type: (word) => IndentType[word],
  line_endings: (word) => LineEndings[word],
  quote_style: (word) => QuoteStyle[word],
};

function settings() {
  const config = Config.new();
  const text = readFileSync(new URL("../.stylua.toml", import.meta.url), "utf8");
  for (const line of text.split("\n")) {
    const found = /^(\w+) = "?(\w+)"?$/.exec(line);
    if (found === null) {
      if (line.trim() !== "") throw new Error(`.stylua.toml: cannot read "${line}"`);
      continue;
    }
    const value = WORDS[found[1]]?.(found[2]);
    if (value === undefined) throw new Error(`.stylua.toml: unknown setting "${line}"`);
    config[found[1]] = value;
  }
  return config;
}

function* luaFiles(path) {
  if (statSync(path).isDirectory()) {
    for (const name of readdirSync(path).sort()) {
      if (name !== "node_modules") yield* luaFiles(join(path, name));
    }
  } else if (path.endsWith(".lua")) {
    yield path;
  }
}

const paths = process.argv.slice(2).filter((argument) => argument !== "--check");
const checkOnly = process.argv.includes("--check");
let untidy = 0;
for (const file of paths.flatMap((path) => [...luaFiles(path)])) {
  const before = readFileSync(file, "utf8");
  // The settings are consumed by each call.
  const after = formatCode(before, settings(), undefined, OutputVerification.Full);
  if (after === before) continue;
  untidy += 1;
  console.log(checkOnly ? `not formatted: ${file}` : `formatted: ${file}`);
  if (!checkOnly) writeFileSync(file, after);
}
process.exitCode = checkOnly && untidy > 0 ? 1 : 0;
