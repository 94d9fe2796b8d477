/** Waits until something holds, and says what did not. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  milliseconds = 120_000,
): Promise<void> {
  const deadline = performance.now() + milliseconds;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${milliseconds} ms`);
    await Bun.sleep(5);
  }
}
