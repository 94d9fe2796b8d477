/** `bhatti create --from`: copies of a sandbox, which go on from where it is. */
import { badFlag } from "../arguments/flags.ts";
import { given } from "../arguments/given.ts";
import type { Context } from "../context.ts";

interface ForkInput {
  from: string;
  name: string | undefined;
  count: number | undefined;
  label: Record<string, string> | undefined;
  "keep-hot": boolean;
  "idle-warm": number | undefined;
  "idle-cold": number | undefined;
  ttl: number | undefined;
}

const fitting = [
  ...["from", "name", "count", "label"],
  ...["keep-hot", "idle-warm", "idle-cold", "ttl"],
];

export async function fork(context: Context, input: ForkInput): Promise<void> {
  const { from, name, count, label } = input;
  for (const [flag, value] of Object.entries(input)) {
    if (fitting.includes(flag) || !isGiven(value)) continue;
    throw badFlag(
      flag,
      "cannot be used with --from: a fork has its source's hardware, image and environment",
    );
  }
  const client = await context.client();
  const { result } = await client.call("sandbox.fork", {
    params: { ref: from },
    body: {
      ...given("name", name),
      ...given("count", count),
      ...given("labels", label),
      ...(input["keep-hot"] && { keep_hot: true }),
      ...given("idle_warm_s", input["idle-warm"]),
      ...given("idle_cold_s", input["idle-cold"]),
      ...given("ttl_s", input.ttl),
    },
  });
  await context.result(result, () =>
    result.map((sandbox) => `sandbox/${sandbox.name ?? "-"} forked from ${from}\n`).join(""),
  );
  for (const sandbox of result) {
    const note = sandbox.engine_meta?.["reason"];
    if (note) await context.remark(`Warning: sandbox/${sandbox.name ?? "-"}: ${note}`);
  }
}

/** Whether a flag was written, by what it became. */
function isGiven(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return value !== undefined && value !== false;
}
