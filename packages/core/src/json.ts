/** What survives `JSON.parse(JSON.stringify(value))` unchanged; NaN and infinities do not. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
