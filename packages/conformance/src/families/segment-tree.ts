import { proverAdvantage, type SegmentTree, treeAdvantages, treeValues, type ValuedNode } from '@tsrl/advantages';
import type { Json } from '@tsrl/core';
import { type GoldenCase, UnmappedError } from '../golden.js';
import { onHost } from '../host.js';
import { flagOf, textOf } from '../inputs.js';
import { byFunction, type Computed, type Family, type Values } from '../outcome.js';

/** The nested lists of a case: a list is an inner node, anything else a leaf. */
function treeOf(nested: Json | undefined, reward: (leaf: Json) => number): SegmentTree<null> {
  if (!Array.isArray(nested)) return { segment: null, reward: reward(nested ?? null) };
  return { segment: null, children: nested.map((child: Json) => treeOf(child, reward)) };
}

interface Located {
  readonly path: readonly number[];
  readonly node: ValuedNode;
}

/** Depth first, a parent before its children. */
const nodesOf = (node: ValuedNode, path: readonly number[] = []): readonly Located[] => [
  { path, node },
  ...node.children.flatMap((child, i) => nodesOf(child, [...path, i])),
];

/** A list of records as outputs: its length, and each value by position and name. What has no value is NaN. */
function listed(name: string, records: readonly Readonly<Record<string, Parts>>[]): Record<string, Values> {
  const entries = records.flatMap((record, i) =>
    Object.entries(record).map(([key, value]): [string, Values] => [
      `${name}.${i}.${key}`,
      typeof value === 'object' && value !== null
        ? { shape: [value.length], data: value }
        : { shape: [], data: [value === null ? Number.NaN : Number(value)] },
    ]),
  );
  if (records.length === 0) return { [name]: { shape: [0], data: [] } };
  return { ...Object.fromEntries(entries), [`${name}.length`]: { shape: [], data: [records.length] } };
}

type Parts = number | boolean | null | readonly number[];

function extracted(golden: GoldenCase): Computed {
  const tree = treeOf(golden.params['tree'], Number);
  const method = textOf(golden, 'adv_method');
  if (method !== 'rloo' && method !== 'grpo') throw new UnmappedError(`no mapping of the method ${method}`);
  const { edges } = treeAdvantages(tree, {
    scale: method === 'grpo' ? 'siblings' : 'none',
    keepZero: !flagOf(golden, 'only_nonzero'),
  });
  const nodes = nodesOf(treeValues(tree)).map(({ path, node: { value, std, leaf } }) => ({
    path,
    reward: value,
    reward_std: leaf ? null : std,
    leaf,
  }));
  const samples = edges.map((edge) => {
    const prover = proverAdvantage(edge);
    const { path, advantage, value } = edge;
    return { path, advantage, prover_advantage: prover, value, pav: value + 5 * prover };
  });
  return onHost({ ...listed('nodes', nodes), ...listed('edges', samples) });
}

/** Leaves are answers: 1 for the right one. */
function scored(golden: GoldenCase): Computed {
  const gold = textOf(golden, 'gold');
  const tree = treeOf(golden.params['tree'], (answer) => (answer === gold ? 1 : 0));
  const { edges } = treeAdvantages(tree, { keepZero: true });
  const advantageAt = new Map(edges.map(({ path, advantage }) => [path.join(), advantage]));
  const nodes = nodesOf(treeValues(tree)).map(({ path, node }) => ({
    path,
    score: node.value,
    advantage: advantageAt.get(path.join()) ?? null,
  }));
  return onHost(listed('nodes', nodes));
}

export const segmentSpoTree: Family = byFunction('advantages.spo-tree', {
  extract_edges_from_tree: extracted,
  'compute_score, compute_advantage': scored,
});
