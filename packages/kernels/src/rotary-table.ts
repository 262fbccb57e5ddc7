/** By θ and head size: the longest so far. A process has one or two of them. */
const tables = new Map<string, Float32Array>();
const KEPT = 4;

/**
 * [length, 2, headSize / 2]: for each position p the cosines, then the sines of the angles p θ^(−2i / headSize), computed
 * in float64. Several calls share their memory: read it only.
 *
 * @see Su et al. 2021, arXiv:2104.09864, equation 15
 */
export function rotaryTable(theta: number, headSize: number, length: number): Float32Array {
  const key = `${theta}/${headSize}`;
  let table = tables.get(key);
  if (table === undefined || table.length < length * headSize) {
    table = build(theta, headSize, length);
    tables.delete(key);
    tables.set(key, table);
    for (const oldest of tables.keys()) if (tables.size > KEPT) tables.delete(oldest);
  }
  return table.subarray(0, length * headSize);
}

function build(theta: number, headSize: number, length: number): Float32Array {
  const half = headSize / 2;
  const table = new Float32Array(length * headSize);
  for (let i = 0; i < half; i++) {
    const rate = theta ** (-i / half);
    for (let position = 0; position < length; position++) {
      table[position * headSize + i] = Math.cos(position * rate);
      table[position * headSize + half + i] = Math.sin(position * rate);
    }
  }
  return table;
}
