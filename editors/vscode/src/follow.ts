/** How typing relates to a suggestion: pure text, no editor. */

/**
 * How far into `text` one is after `typed` at offset `from`, in UTF-16 code units; -1 when the text goes on otherwise.
 *
 * Every kind of line end equals every other, because an editor inserts the one of its document.
 */
export function follow(text: string, from: number, typed: string): number {
  let at = from;
  for (let i = 0; i < typed.length; ) {
    const wanted = lineEnd(typed, i);
    const found = lineEnd(text, at);
    if (wanted > 0 && found > 0) {
      i += wanted;
      at += found;
    } else if (wanted === 0 && found === 0 && at < text.length && typed[i] === text[at]) {
      i += 1;
      at += 1;
    } else {
      return -1;
    }
  }
  return at;
}

/** Whether an insertion is what one key makes, and so is typing: a character (of one or two units), or Enter with the editor's indentation. */
export function isOneKey(inserted: string): boolean {
  return /^.?$/su.test(inserted) || /^(\r\n|\n|\r)[ \t]*$/.test(inserted);
}

/** Whether `longer` begins with `shorter`, whatever their line ends. */
export function continues(longer: string, shorter: string): boolean {
  return follow(longer, 0, shorter) >= 0;
}

function lineEnd(text: string, at: number): number {
  const unit = text[at];
  if (unit === "\r") {
    return text[at + 1] === "\n" ? 2 : 1;
  }
  return unit === "\n" ? 1 : 0;
}
