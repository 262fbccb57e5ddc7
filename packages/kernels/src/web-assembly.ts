/** What this package needs of `WebAssembly.Memory`, whose type the language alone does not bring. */
export interface WasmMemory {
  readonly buffer: ArrayBufferLike;
}

// Present in every environment that the package runs in, but part of no ECMAScript library.
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};
declare const atob: (base64: string) => string;

/** The exports of the module whose bytes are given in base64, working in a memory that it imports. */
export function compileModule(base64: string, memory: WasmMemory): object {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports;
}
