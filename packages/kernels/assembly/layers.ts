// The layers of a transformer between its matrix products, forward and backward, one pass over memory each. Rows are
// dense unless a stride is named; sizes are in floats, addresses in bytes. What the gradients need beyond their inputs
// is two numbers a row at most.

export * from './activations';
export * from './norms';
export * from './rotary';
export * from './row-softmax';
// The loops of a row are exported so that they stay functions, which V8 compiles by themselves.
export { dot, dot3, drain, exponentials, prepare, squares, sum, times, top, workBytes } from './vectors';
