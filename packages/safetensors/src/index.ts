export type { Dtype, TensorArray } from './dtype.js';
export { parseSafetensors, type Safetensors, type StoredTensor, type TensorInfo } from './parse.js';
export { type TensorToWrite, type WriteOptions, writeSafetensors } from './write.js';
