/** Where a sandbox that exists already is not what a create asks for, as far as it can be seen from here. */
import { formatDuration } from "../../config/duration.ts";
import type { Input } from "../../contract/all.ts";
import type { ReceivedSandbox } from "../terminal/created.ts";

/** One for each, in the words of the flags: `cpus 1 instead of 2`. What was not asked for may be as it likes. */
export function differences(asked: Input<"sandbox.create">["body"], is: ReceivedSandbox): string[] {
  const labels = Object.entries(asked.labels ?? {});
  const rows: [what: string, is: unknown, asked: unknown][] = [
    ["image", is.image, asked.image || undefined],
    ["cpus", is.cpus, asked.cpus],
    ["memory", megabytes(is.memory_mb), megabytes(asked.memory_mb)],
    ["disk-size", megabytes(is.disk_size_mb), megabytes(asked.disk_size_mb)],
    ["keep-hot", is.keep_hot, asked.keep_hot],
    ["idle-warm", idle(is.idle_warm_s) ?? "the daemon's setting", idle(asked.idle_warm_s)],
    ["idle-cold", idle(is.idle_cold_s) ?? "the daemon's setting", idle(asked.idle_cold_s)],
    ...labels.map(([key, value]): [string, unknown, unknown] => [
      `label ${key}`,
      is.labels?.[key] ?? "absent",
      value,
    ]),
  ];
  return rows
    .filter(([, has, wanted]) => wanted !== undefined && has !== wanted)
    .map(([what, has, wanted]) => `${what} ${has} instead of ${wanted}`);
}

/** Nothing for 0, which leaves the choice to the daemon. */
function megabytes(size: number | undefined): string | undefined {
  return size ? `${size} MB` : undefined;
}

function idle(seconds: number | undefined): string | undefined {
  return seconds === undefined ? undefined : formatDuration(seconds);
}
