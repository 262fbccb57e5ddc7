import type { Json } from '@tsrl/core';

/** What is read of JSON at most. */
export interface JsonBounds {
  readonly maxLength: number;
  readonly maxDepth: number;
}

/**
 * JSON of bounded length and depth without duplicate keys; `undefined` for everything else. Depth is looked at before
 * anything is parsed, so that no stack depends on the text.
 */
export function parseBounded(text: string, { maxLength, maxDepth }: JsonBounds): { readonly value: Json } | undefined {
  if (text.length > maxLength || depthOf(text, maxDepth) > maxDepth) return undefined;
  try {
    const value = JSON.parse(text) as Json;
    return hasDuplicateKeys(text) ? undefined : { value };
  } catch {
    return undefined;
  }
}

/** How deep brackets outside of strings are nested; it stops counting beyond `enough`. */
function depthOf(text: string, enough: number): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length && deepest <= enough; at++) {
    const character = text[at];
    if (character === '"') at = endOfString(text, at);
    else if (character === '{' || character === '[') deepest = Math.max(deepest, ++depth);
    else if (character === '}' || character === ']') depth -= 1;
  }
  return deepest;
}

/** Of a text that is JSON. */
function hasDuplicateKeys(text: string): boolean {
  const objects: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '{') objects.push(new Set());
    else if (character === '[') objects.push(undefined);
    else if (character === '}' || character === ']') objects.pop();
    else if (character === '"') {
      const end = endOfString(text, at);
      let next = end + 1;
      while (/\s/.test(text[next] ?? '')) next += 1;
      const keys = objects.at(-1);
      if (keys && text[next] === ':') {
        const key = JSON.parse(text.slice(at, end + 1)) as string;
        if (keys.has(key)) return true;
        keys.add(key);
      }
      at = end;
    }
  }
  return false;
}

/** Where the quote stands that closes the one at `start`; the end of the text where none does. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at;
  }
  return text.length;
}

/** The whole text, or what stands in its last fenced block. */
export function jsonText(text: string): string {
  const close = text.lastIndexOf('```');
  const open = close < 0 ? -1 : text.lastIndexOf('```', close - 1);
  if (open < 0) return text;
  const line = text.indexOf('\n', open);
  return line < 0 || line > close ? text : text.slice(line + 1, close);
}
