import { DataError, show } from '@tsrl/core';
import type { JsonObject } from './json.js';

/** Ids of special tokens, as they stand in a `config.json`. */
export type SpecialTokens = Readonly<Record<string, number | readonly number[]>>;

export interface ConfigFields {
  /** A positive integer. */
  positive(name: string, fallback?: number): number;
  /** A positive number. */
  real(name: string, value: unknown): number;
  flag(name: string, fallback: boolean): boolean;
  /** Refuses a value that would change the numbers and is not implemented; an absent one is fine. */
  only(name: string, value: unknown, allowed: readonly unknown[], supported: string): void;
  specialTokens(): SpecialTokens;
}

const specialNames = ['bos_token_id', 'eos_token_id', 'pad_token_id'];

/** Readers of the fields of a `config.json`; each throws a DataError that names the file and the field. */
export function configFields(json: JsonObject, file: string): ConfigFields {
  return {
    positive(name, fallback) {
      const value = json[name] ?? fallback;
      if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
      throw new DataError(file, `${name} must be a positive integer; got ${show(value)}`);
    },
    real(name, value) {
      if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value;
      throw new DataError(file, `${name} must be a positive number; got ${show(value)}`);
    },
    flag(name, fallback) {
      const value = json[name] ?? fallback;
      if (typeof value === 'boolean') return value;
      throw new DataError(file, `${name} must be true or false; got ${show(value)}`);
    },
    only(name, value, allowed, supported) {
      if (value !== undefined && !allowed.includes(value)) {
        throw new DataError(file, `${name} ${show(value)} is not supported; only ${supported}`);
      }
    },
    specialTokens: () =>
      Object.fromEntries(
        specialNames.flatMap((name) => {
          const value = json[name];
          if (value === undefined || value === null) return [];
          const ids: readonly unknown[] = Array.isArray(value) ? value : [value];
          if (ids.every((id) => Number.isSafeInteger(id))) return [[name, value as number | number[]]];
          throw new DataError(file, `${name} must be a token id; got ${show(value)}`);
        }),
      ),
  };
}
