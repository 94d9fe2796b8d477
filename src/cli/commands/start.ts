/** `bhatti start`: a stopped sandbox goes on where it was. */
import { toggle } from "../arguments/flags.ts";
import { command } from "../command.ts";
import { warn } from "../terminal/warning.ts";

export const start = command({
  description:
    "Resumes processes and memory where they were. Succeeds if the sandbox is already running.\n" +
    "Use --force if the saved memory is damaged or the guest does not respond.",
  arguments: ["sandbox"],
  flags: {
    force: toggle("Boot from disk if the sandbox cannot resume; discards its memory"),
  },
  examples: ["bhatti start dev", "bhatti start dev --force"],
  async run(context, { sandbox: ref, force }) {
    const client = await context.client();
    const { result, headers } = await client.call("sandbox.start", {
      params: { ref },
      body: { force },
    });
    await context.result(result, () => `sandbox/${result.name ?? ref} started\n`);
    await warn(context, headers);
  },
});
