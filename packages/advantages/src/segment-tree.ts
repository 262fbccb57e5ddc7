import { DataError, OptionError } from '@tsrl/core';
import { expectEpsilon, NEGLIGIBLE_VARIANCE } from './moments.js';

/**
 * A prompt and the segments that were sampled after it, each continued by several others. A node that is finished has
 * a reward, one that goes on has children; `segment` is whatever the caller wants to find again (text, token ids).
 */
export type SegmentTree<Segment = unknown> =
  | { readonly segment: Segment; readonly reward: number }
  | { readonly segment: Segment; readonly children: readonly SegmentTree<Segment>[] };

/** A node with its value. */
export interface ValuedNode<Segment = unknown> {
  readonly segment: Segment;
  /** The reward of a leaf, else the mean of the values of the children; 0 without any. */
  readonly value: number;
  /** Deviation of the values of the children, population; 0 of a leaf. */
  readonly std: number;
  /** Whether it has a reward of its own. */
  readonly leaf: boolean;
  readonly children: readonly ValuedNode<Segment>[];
}

/** A segment as a sample to train on: `prefix` is what the policy saw, `segment` what it did. */
export interface SegmentEdge<Segment = unknown> {
  /** Position among its siblings at each level, from the root. */
  readonly path: readonly number[];
  /** The segments from the root to the parent. */
  readonly prefix: readonly Segment[];
  readonly segment: Segment;
  /** V of the node that the segment leads to. */
  readonly value: number;
  /** V of the node that it starts from. */
  readonly parentValue: number;
  /** Of every token of the segment. */
  readonly advantage: number;
}

/** A smaller difference of two means is what their rounding leaves. */
const ROUNDING = 1e-12;

/** Options of {@link treeAdvantages}. */
export interface TreeAdvantagesOptions {
  /** `mean` (default) of all siblings, the value of the parent, or of the others only (`leave-one-out`). */
  readonly baseline?: 'mean' | 'leave-one-out';
  /** Whether the difference is divided by the deviation of the siblings. Default `none`. */
  readonly scale?: 'none' | 'siblings';
  /** Added to the deviation; at least 0. Default 1e-8. */
  readonly epsilon?: number;
  /** Whether segments of advantage 0 stay in the result. Default `false`: they teach nothing. */
  readonly keepZero?: boolean;
}

/** The samples of a tree. */
export interface TreeAdvantages<Segment = unknown> {
  /** Depth first, a parent before its children. */
  readonly edges: readonly SegmentEdge<Segment>[];
  readonly metrics: Readonly<Record<string, number>>;
}

/**
 * The value of every node, from the leaves up: V = reward of a leaf, mean of the children of any other.
 *
 * @throws DataError that names the path of a leaf whose reward is not finite
 * @see Guo et al. 2025, arXiv:2505.23564
 */
export function treeValues<Segment>(tree: SegmentTree<Segment>): ValuedNode<Segment> {
  return valued('treeValues', tree, []);
}

function valued<Segment>(who: string, tree: SegmentTree<Segment>, path: readonly number[]): ValuedNode<Segment> {
  const { segment } = tree;
  if ('reward' in tree) {
    if (Number.isFinite(tree.reward)) return { segment, value: tree.reward, std: 0, leaf: true, children: [] };
    throw new DataError(who, `the reward of the leaf at [${path.join(', ')}] must be finite; got ${tree.reward}`);
  }
  const children = tree.children.map((child, i) => valued(who, child, [...path, i]));
  const mean = (of: (node: ValuedNode) => number): number =>
    children.length === 0 ? 0 : children.reduce((sum, child) => sum + of(child), 0) / children.length;
  const value = mean((child) => child.value);
  return { segment, value, std: Math.sqrt(mean((child) => (child.value - value) ** 2)), leaf: false, children };
}

/**
 * Segment policy optimization, tree form: how much better the state after a segment is than the state before it,
 *
 *   A = V(child) − V(parent),   divided by (std of the siblings + ε) with `scale: 'siblings'`
 *
 * V(parent) is the mean over all children, this one among them. With `baseline: 'leave-one-out'` it is the mean of the
 * b − 1 others, which makes A larger by b / (b − 1). An only child has advantage 0; a difference of at most 1e-12 is
 * rounding and counts as none, as do siblings whose variance is at most 1e-12 where it is divided by. Along a path from
 * the root the advantages (`mean`, `none`) sum to the reward of the leaf less V(root), and over siblings to 0.
 *
 * Metrics: `edges` of the tree, `zeroEdges` of advantage 0, `childlessNodes` that have neither reward nor children.
 *
 * Differences: the reference calls `mean` "rloo" and `siblings` "grpo". A tree of one level is its group form.
 *
 * @throws OptionError for an option out of range, DataError that names the path of a leaf whose reward is not finite
 * @see Guo et al. 2025, arXiv:2505.23564
 */
export function treeAdvantages<Segment>(
  tree: SegmentTree<Segment>,
  { baseline = 'mean', scale = 'none', epsilon = 1e-8, keepZero = false }: TreeAdvantagesOptions = {},
): TreeAdvantages<Segment> {
  if (baseline !== 'mean' && baseline !== 'leave-one-out') {
    throw new OptionError('treeAdvantages', 'baseline', "'mean' or 'leave-one-out'", baseline);
  }
  if (scale !== 'none' && scale !== 'siblings') {
    throw new OptionError('treeAdvantages', 'scale', "'none' or 'siblings'", scale);
  }
  expectEpsilon('treeAdvantages', epsilon);
  const edges: SegmentEdge<Segment>[] = [];
  let childlessNodes = 0;
  const visit = (parent: ValuedNode<Segment>, path: readonly number[], prefix: readonly Segment[]): void => {
    const b = parent.children.length;
    if (b === 0 && !parent.leaf) childlessNodes += 1;
    const others = baseline === 'mean' ? 1 : b / (b - 1); // of an only child not used: it differs by 0
    const equal = scale === 'siblings' && parent.std ** 2 <= NEGLIGIBLE_VARIANCE;
    const by = scale === 'siblings' ? others / (parent.std + epsilon) : others;
    parent.children.forEach((child, i) => {
      const { segment, value } = child;
      const edge = { path: [...path, i], prefix: [...prefix, parent.segment], segment, value };
      const difference = value - parent.value;
      const advantage = equal || Math.abs(difference) <= ROUNDING ? 0 : difference * by;
      edges.push({ ...edge, parentValue: parent.value, advantage });
      visit(child, edge.path, edge.prefix);
    });
  };
  visit(valued('treeAdvantages', tree, []), [], []);
  const telling = edges.filter(({ advantage }) => advantage !== 0);
  return {
    edges: keepZero ? edges : telling,
    metrics: { edges: edges.length, zeroEdges: edges.length - telling.length, childlessNodes },
  };
}
