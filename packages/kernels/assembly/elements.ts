// What losses do to every number on its own, one pass over memory each.

export * from './choices';
export * from './k3';
export * from './masked';
