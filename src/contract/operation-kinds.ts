/** The kinds, states and targets of operations. No schemas, so that the command line starts without them. */
export const operationKinds = [
  "sandbox.create",
  "sandbox.fork",
  "sandbox.stop",
  "snapshot.create",
  "snapshot.resume",
  "snapshot.restore",
  "image.build",
] as const;
export type OperationKind = (typeof operationKinds)[number];

const finalStates = ["succeeded", "failed", "cancelled"] as const;
export const operationStates = ["pending", "running", ...finalStates] as const;
export type FinalOperationState = (typeof finalStates)[number];

export const operationTargets = ["sandbox", "snapshot", "image"] as const;
