import { type Grid, OptionError } from '@tsrl/core';
import { place } from './masked-input.js';

/** One number for all tokens, or one for each, [B, T]. */
export type PerToken = number | Grid;

/** Throws an OptionError unless each is in [0, 1]; of a grid only the entries where `read` holds. */
export function expectUnit(
  who: string,
  options: Readonly<Record<string, PerToken>>,
  read: (at: number) => boolean = () => true,
): void {
  for (const [name, option] of Object.entries(options)) {
    if (typeof option === 'number') {
      if (!inUnit(option)) throw new OptionError(who, name, 'in [0, 1]', option);
    } else {
      const at = option.data.findIndex((value, i) => read(i) && !inUnit(value));
      if (at >= 0) throw new OptionError(who, `${name}${place(option, at)}`, 'in [0, 1]', option.data[at]);
    }
  }
}

const inUnit = (value: number): boolean => value >= 0 && value <= 1;

/** As one number per entry of the mask. */
export const perToken = (option: PerToken, { data }: Grid): Float64Array =>
  typeof option === 'number' ? new Float64Array(data.length).fill(option) : option.data;
