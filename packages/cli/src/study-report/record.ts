import type { Json } from '@tsrl/core';

export type JsonRecord = Readonly<Record<string, Json>>;

/** A JSON object as what it is; anything else as an empty one. */
export const record = (json: Json | undefined): JsonRecord =>
  typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as JsonRecord) : {};
