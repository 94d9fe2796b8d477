/**
 * How long each step of the engine may take, in milliseconds. Their sums must be shorter than the deadlines
 * of contract/deadlines.ts: tests/deadlines.test.ts adds them up.
 */
export const deadlineMs = {
  /** Until a new QEMU answers on its control connection. */
  launch: 10_000,
  /** Between the end of QEMU's control connection and its own. */
  lastBreath: 1_000,
  quit: 2_000,
  console: 1_000,
  /** A boot takes 2 s under TCG on an idle host, and took 24 s on one with six times more to do than cores. */
  boot: 30_000,
  /** A running guest answers within milliseconds; one that was restored within tens of them. */
  guest: 30_000,
  /** Mounting the root disk, and growing its file system. */
  mount: 30_000,
  configure: 20_000,
  /** Loading a saved state. */
  restore: 30_000,
  /** An agent that does not answer is never stopped. */
  answer: 5_000,
  /** lohar itself gives up freezing after 2 s. */
  freeze: 15_000,
  /** Undoing a failed pause or suspend. */
  wakeAgain: 10_000,
  thaw: 2_000,
  cancelMigration: 5_000,
  /** Pausing a machine whose host runs out of disk space. */
  hold: 5_000,
  merge: 15_000,
  /** A host that has just started has much to do. */
  adopt: 10_000,
  warmUp: 20_000,
  settle: 20_000,
  saveGolden: 30_000,
  prepare: 60_000,
} as const;

/** Copying so much memory, at 10 MB/s on a shared disk; hosts with larger machines have faster disks. */
export function copyMs(memoryMB: number): number {
  return 100 * Math.min(memoryMB, 4096);
}
