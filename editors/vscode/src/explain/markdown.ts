/** Markdown of an explanation as HTML. What a model wrote is not trusted: no HTML, no images, no links but citations. */

import MarkdownIt from "markdown-it";
import { highlight } from "./highlight";

/** Render; numbers in brackets become links when `known` has them. */
export function render(markdown: string, known: ReadonlySet<number>): string {
  return parser.render(markdown, { known });
}

const parser = new MarkdownIt({
  html: false,
  linkify: false,
  highlight: (code, language) => highlight(code, language),
});
parser.disable(["image", "link", "autolink", "reference"]);
parser.inline.ruler.before("text", "citation", (state, silent) => {
  const found = /^\[(\d{1,4})\]/.exec(state.src.slice(state.pos, state.pos + 6));
  if (found?.[1] === undefined) {
    return false;
  }
  if (!silent) {
    state.push("citation", "", 0).content = found[1];
  }
  state.pos += found[0].length;
  return true;
});
parser.renderer.rules.citation = (tokens, index, _options, env: { known: ReadonlySet<number> }) => {
  const number = tokens[index]?.content ?? "";
  return env.known.has(Number(number))
    ? `<a href="#" class="citation" data-number="${number}">[${number}]</a>`
    : `<span class="citation">[${number}]</span>`;
};
