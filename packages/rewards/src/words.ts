/** Of longer texts only so many words are read: a longest common subsequence takes their product. */
const MAX_WORDS = 4000;

/** The words of a normal form, no more than are read. */
export const wordsOf = (text: string): readonly string[] =>
  text
    .split(' ')
    .filter((word) => word !== '')
    .slice(0, MAX_WORDS);

/** n words in a row, joined by spaces. */
export const ngrams = (words: readonly string[], n: number): readonly string[] =>
  words.slice(n - 1).map((_, i) => words.slice(i, i + n).join(' '));
