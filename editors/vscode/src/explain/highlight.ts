/** Light colours for code in explanations: comments, strings, numbers and the words most languages reserve. */

const KEYWORDS = new Set(
  (
    "abstract as assert async await break case catch class const continue def default defer del do elif else enum " +
    "except export extends extern false finally fn for from func function global go if impl implements import in " +
    "instanceof interface is lambda let loop match mod module mut namespace new nil none not null nullptr or override " +
    "package pass private protected pub public raise readonly return self static struct super switch this throw " +
    "trait true try type typeof undefined unsafe use using val var void when where while with yield None True False"
  ).split(" "),
);

/** `#` begins a comment only in these; elsewhere it is a directive, an attribute or a private name. */
const HASH_COMMENTS = new Set([
  "py",
  "python",
  "rb",
  "ruby",
  "sh",
  "bash",
  "shell",
  "yaml",
  "yml",
  "toml",
  "r",
  "perl",
]);

const TOKENS =
  /(?<comment>\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|(?<hash>#[^\n]*)|(?<string>"""[\s\S]*?(?:"""|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|(?<number>\b\d[\w.]*)|(?<word>[\p{L}_$][\p{L}\p{N}_$]*)/gu;

/** Return HTML for code; everything in it is escaped. */
export function highlight(code: string, language: string): string {
  const python = HASH_COMMENTS.has(language.toLowerCase());
  let html = "";
  let at = 0;
  for (const match of code.matchAll(TOKENS)) {
    const kind = kindOf(match.groups ?? {}, match[0], python);
    html += escapeHtml(code.slice(at, match.index));
    html += kind === "" ? escapeHtml(match[0]) : `<span class="${kind}">${escapeHtml(match[0])}</span>`;
    at = match.index + match[0].length;
  }
  return html + escapeHtml(code.slice(at));
}

export function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function kindOf(groups: Record<string, string | undefined>, text: string, hashComments: boolean): string {
  if (groups.comment !== undefined || (groups.hash !== undefined && hashComments)) {
    return "comment";
  }
  if (groups.string !== undefined) {
    return "string";
  }
  if (groups.number !== undefined) {
    return "number";
  }
  return groups.word !== undefined && KEYWORDS.has(text) ? "keyword" : "";
}
