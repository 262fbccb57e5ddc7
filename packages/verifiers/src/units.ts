const ALIASES: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries({
    dollar: 'dollar usd buck',
    cent: 'cent',
    euro: 'euro eur',
    yen: 'yen',
    degree: 'degree deg circ',
    cm: 'cm centimeter centimetre',
    mm: 'mm millimeter millimetre',
    m: 'm meter metre',
    km: 'km kilometer kilometre',
    inch: 'in inch inche',
    foot: 'ft foot feet',
    yard: 'yd yard',
    mile: 'mi mile',
    g: 'g gram gramme',
    kg: 'kg kilogram kilogramme',
    pound: 'lb pound',
    ounce: 'oz ounce',
    second: 's sec second',
    minute: 'min minute',
    hour: 'h hr hour',
    day: 'day',
    week: 'week',
    month: 'month',
    year: 'yr year',
    litre: 'l liter litre',
    ml: 'ml milliliter millilitre',
    'mile/hour': 'mph',
    'km/hour': 'kmh kph',
    unit: 'unit',
  }).flatMap(([unit, names]) => names.split(' ').map((name) => [name, unit] as const)),
);

/** Stands behind a number without being a unit. */
const ORDINALS = new Set(['th', 'st', 'nd', 'rd']);

/** Words that are numbers. */
const MAGNITUDES: Readonly<Record<string, string>> = {
  dozen: '12',
  hundred: '10^{2}',
  thousand: '10^{3}',
  million: '10^{6}',
  billion: '10^{9}',
  trillion: '10^{12}',
};
const MAGNITUDE = new RegExp(`^\\s*(${Object.keys(MAGNITUDES).join('|')})(?:\\s+(.*))?$`, 'i');

const CURRENCIES: Readonly<Record<string, string>> = { '€': 'euro', '£': 'pound', '¥': 'yen' };

/** A formula and the unit behind it. */
export interface Measured {
  readonly latex: string;
  /** '' where there is none. */
  readonly unit: string;
  /** A percent sign stood there. */
  readonly percent: boolean;
}

const LAST_COMMAND = /\s*\\(?:text|mathrm|operatorname|mathit)\s*\{([^{}]*)\}\s*(?:\^\s*(?:\{\s*([23])\s*\}|([23])))?$/;
// Each word ends where no letter follows: written so that a text can be cut into words in one way only, which keeps
// the time of a text that does not match from doubling with every letter.
const LAST_WORDS =
  /(?<=[\d)}\s])\s*([A-Za-z]{2,}(?: [A-Za-z]{2,}|\/[A-Za-z]+)*|(?<=[\d\s])[A-Za-z]\/[A-Za-z]+)\s*(?:\^\s*(?:\{\s*([23])\s*\}|([23])))?$/;

/** Takes unit, degrees, money percent and words for powers of ten off a quantity; the base of a numeral (`101_2`) counts as its unit. */
export function measured(text: string): Measured {
  let latex = text;
  let unit = '';
  let percent = false;
  latex = latex.replace(/^([+-]?)\s*(\\dollar|[$€£¥])\s*|\s*(\\dollar|[$€£¥])$/g, (_, sign = '', before, behind) => {
    unit = CURRENCIES[before ?? behind] ?? 'dollar';
    return sign;
  });
  latex = latex.replace(/\s*\^\s*(?:\{\s*\\circ\s*\}|\\circ)\s*$|\s*\\degree\s*$/, () => {
    unit = 'degree';
    return '';
  });
  latex = latex.replace(/\s*\\?%\s*$|\s+percent\s*$/i, () => {
    percent = true;
    return '';
  });
  latex = latex.replace(/(?<=\d)\s*\^\s*\{\s*\\(?:text|mathrm)\s*\{\s*(?:th|st|nd|rd)\s*\}\s*\}$/, '');
  const base = /^(\d+)\s*_\s*(?:\{\s*(\d{1,2})\s*\}|(\d))$/.exec(latex);
  if (base) return { latex: base[1] as string, unit: `base ${base[2] ?? base[3]}`, percent };
  const words = latex.length > 400 ? null : (LAST_COMMAND.exec(latex) ?? LAST_WORDS.exec(latex));
  const before = words ? latex.slice(0, words.index).trim() : '';
  if (words && /[\d)}A-Za-z]$/.test(before) && !/\\[A-Za-z]+$/.test(before)) {
    const [, magnitude, rest] = MAGNITUDE.exec(words[1] ?? '') ?? ['', undefined, words[1]];
    const name = unitName(rest ?? '');
    latex = before.replace(/\^(?:\{\})?$/, '');
    if (magnitude !== undefined) latex = `(${latex})\\cdot ${MAGNITUDES[magnitude.toLowerCase()]}`;
    if (name === 'percent') percent = true;
    else if (name !== undefined) unit = name + (words[2] ?? words[3] ?? '');
  }
  return { latex: latex.trim(), unit, percent };
}

/** `5 m`, which reads as a product, with its letter for a unit; `undefined` for what does not end in a letter that is one. */
export function withLetterUnit(latex: string): Pick<Measured, 'latex' | 'unit'> | undefined {
  const found = /^(.*[\d)}])\s*([A-Za-z])\s*(?:\^\s*(?:\{\s*([23])\s*\}|([23])))?$/.exec(latex);
  const letter = found?.[2]?.toLowerCase() ?? '';
  if (found === null || !Object.hasOwn(ALIASES, letter)) return undefined;
  return { latex: found[1] as string, unit: ALIASES[letter] + (found[3] ?? found[4] ?? '') };
}

function unitName(words: string): string | undefined {
  const plain = words.trim().toLowerCase().replace(/\.$/, '');
  if (plain === '' || ORDINALS.has(plain)) return undefined;
  const square = /^(?:square|sq\.?|cubic) (.+)$/.exec(plain);
  if (square) return `${unitName(square[1] ?? '') ?? ''}${plain.startsWith('c') ? '3' : '2'}`;
  const [per, ...over] = plain.split(/ per |\//).reverse();
  if (over.length > 0) return [...over.reverse(), per].map((part) => unitName(part ?? '') ?? '').join('/');
  const single = plain.length > 2 ? plain.replace(/s$/, '') : plain;
  const known = [plain, single].find((name) => Object.hasOwn(ALIASES, name));
  return known === undefined ? single : ALIASES[known];
}
