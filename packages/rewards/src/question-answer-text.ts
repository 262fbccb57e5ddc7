/** The punctuation of ASCII. */
const PUNCTUATION = /[!-/:-@[-`{-~]/g;
const ARTICLES = new Set(['a', 'an', 'the']);

/**
 * Lower case, without ASCII punctuation and without articles, white space collapsed, in this order: the normal form of
 * SQuAD's exact match. Compatibility forms of Unicode (full-width digits, ligatures) are unified first.
 *
 * Differences: SQuAD and verl do not unify; elsewhere they agree.
 *
 * @see Rajpurkar et al. 2016, arXiv:1606.05250
 */
export function questionAnswerText(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(PUNCTUATION, '')
    .split(/\s+/)
    .filter((word) => word !== '' && !ARTICLES.has(word))
    .join(' ');
}
