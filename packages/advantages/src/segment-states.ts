import { expectLength, expectSameGrid, type Grid } from '@tsrl/core';
import type { GroupIds } from './group-moments.js';
import { expectMask } from './masked-input.js';

/** Inputs of {@link segmentStates}. */
export interface SegmentStatesInputs {
  /** Which prompt each response answers, [B]. */
  readonly groups: GroupIds;
  /** Token ids of the responses, [B, T]. */
  readonly tokens: Grid;
  /** 1 where a segment starts, [B, T]. */
  readonly starts: Grid;
  /** 1 where a token counts, [B, T]. */
  readonly mask: Grid;
}

/** A state whose value is wanted: the prompt of a row and its tokens before a column. */
export interface SegmentState {
  readonly row: number;
  readonly column: number;
}

/** Which states to complete, and where their values belong. */
export interface SegmentStates {
  readonly states: readonly SegmentState[];
  /** Which of them each segment starts in, [B · T]; −1 where none starts. */
  readonly segments: Int32Array;
  /** Which of them is the prompt of each row, [B]. */
  readonly prompts: Int32Array;
}

interface Node {
  readonly next: Map<number, Node>;
  state: number;
}

/**
 * The states for which `segmentSpo` needs values, each once: those before the segments, and the prompts. Rows of one
 * prompt that begin with the same tokens share theirs. Tokens where the mask is 0 belong to a state, too (the answer of
 * a tool); a segment that starts at the first valid token starts in the prompt.
 *
 * With V̂ = `states.map(complete)`, the inputs of `segmentSpo` are `promptValues: prompts.map((i) => V̂[i])` and
 * `values.data[at] = V̂[segments[at]]` where that is not −1.
 *
 * @throws ShapeError when sizes differ, DataError when the mask is not 0 or 1
 */
export function segmentStates({ groups, tokens, starts, mask }: SegmentStatesInputs): SegmentStates {
  expectSameGrid('segmentStates', { mask, tokens, starts });
  expectLength('segmentStates', 'groups', groups, mask.rows);
  expectMask('segmentStates', mask);
  const { rows, columns } = mask;
  const roots = new Map<number | string, Node>();
  const states: SegmentState[] = [];
  const segments = new Int32Array(rows * columns).fill(-1);
  const prompts = new Int32Array(rows);
  const stateOf = (node: Node, row: number, column: number): number => {
    if (node.state < 0) node.state = states.push({ row, column }) - 1;
    return node.state;
  };
  for (let row = 0; row < rows; row++) {
    const root = child(roots, groups[row] as number | string);
    prompts[row] = stateOf(root, row, 0);
    let [node, begun] = [root, false];
    for (let column = 0; column < columns; column++) {
      const at = row * columns + column;
      if (mask.data[at] === 1 && starts.data[at] === 1) segments[at] = stateOf(begun ? node : root, row, column);
      if (mask.data[at] === 1) begun = true;
      node = child(node.next, tokens.data[at] as number);
    }
  }
  return { states, segments, prompts };
}

function child<Key>(nodes: Map<Key, Node>, key: Key): Node {
  const known = nodes.get(key);
  if (known) return known;
  const node: Node = { next: new Map(), state: -1 };
  nodes.set(key, node);
  return node;
}
