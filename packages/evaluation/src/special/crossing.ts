/** Where an increasing function crosses 0 between two ends, to the last bit, by bisection. */
export function crossing(f: (x: number) => number, low: number, high: number): number {
  let [below, above] = [low, high];
  for (;;) {
    const middle = below + (above - below) / 2;
    if (!(middle > below && middle < above)) return above;
    if (f(middle) < 0) below = middle;
    else above = middle;
  }
}
