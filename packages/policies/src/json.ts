import { DataError, show } from '@tsrl/core';

export type JsonObject = Readonly<Record<string, unknown>>;

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @throws DataError when the text is not a JSON object */
export function parseJsonObject(text: string, file: string): JsonObject {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new DataError(file, 'not JSON', { cause });
  }
  if (!isJsonObject(json)) throw new DataError(file, `must hold a JSON object; got ${show(json)}`);
  return json;
}
