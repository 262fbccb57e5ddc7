/** A class of a binary task. */
export type BinaryLabel = 0 | 1;

/** A text and its class; a data set is a readonly array of them. */
export interface LabelledText {
  readonly text: string;
  readonly label: BinaryLabel;
}

/** A labelled text of a file. */
export interface RecordedText extends LabelledText {
  /** On which its record begins, counted from 1. */
  readonly line: number;
}

/** How many examples of class 0 and of class 1. */
export function classCounts(examples: readonly { readonly label: BinaryLabel }[]): readonly [number, number] {
  let ones = 0;
  for (const { label } of examples) ones += label;
  return [examples.length - ones, ones];
}
