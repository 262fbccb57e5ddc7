import { DataError, expectLength, ShapeError } from '@tsrl/core';

/** Throws unless there is an example, each has one finite number per class, and each label is a class. */
export function expectClassRows(
  who: string,
  name: string,
  rows: readonly ArrayLike<number>[],
  labels: ArrayLike<number>,
): void {
  if (labels.length === 0) throw new DataError(who, 'there is no example to evaluate');
  expectLength(who, name, rows, labels.length);
  const classes = rows[0]?.length ?? 0;
  rows.forEach((row, i) => {
    if (row.length !== classes) {
      throw new ShapeError(who, `${name}[${i}]`, `of length ${classes} like ${name}[0]`, `length ${row.length}`);
    }
    const label = labels[i] as number;
    if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
      throw new DataError(who, `labels[${i}] must be one of the classes 0 to ${classes - 1}; got ${label}`);
    }
    for (let k = 0; k < classes; k++) {
      if (!Number.isFinite(row[k])) throw new DataError(who, `${name}[${i}][${k}] must be finite; got ${row[k]}`);
    }
  });
}
