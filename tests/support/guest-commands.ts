/** Commands that tests run in sandboxes. */

export function zeros(bytes: number): string[] {
  return ["head", "-c", String(bytes), "/dev/zero"];
}

/** To be run as root. The agent ends what is left after two seconds, this command among it. */
export const powerOff = ["sh", "-c", "trap '' TERM; kill -TERM 1; exec sleep 600"];

/** Says that it is ready, waits for INT or TERM, says which came, and exits with the code. */
export function trap(code: number): string[] {
  const traps = `for s in INT TERM; do trap "echo $s; exit ${code}" $s; done`;
  return ["sh", "-c", `${traps}; sleep 600 >/dev/null 2>&1 & echo ready; wait`];
}

/** Into memory, which is lost when the machine starts from its disk. */
export function remember(key: string, value: string): string[] {
  return ["sh", "-c", 'printf %s "$1" > "/dev/shm/$0"', key, value];
}

export function recall(key: string): string[] {
  return ["cat", `/dev/shm/${key}`];
}
