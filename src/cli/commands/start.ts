/** `bhatti start`: a stopped sandbox goes on where it was. */
import { toggle } from "../arguments/flags.ts";
import { command } from "../command.ts";
import { forEach } from "../for-each.ts";
import { warn } from "../terminal/warning.ts";

export const start = command({
  description:
    "Resumes processes and memory where they were. Succeeds if the sandbox is already running.\n" +
    "Use --force if the saved memory is damaged or the guest does not respond.",
  arguments: [],
  rest: "sandbox",
  flags: {
    force: toggle("Boot from disk if the sandbox cannot resume; discards its memory"),
  },
  examples: ["bhatti start dev", "bhatti start dev --force"],
  async run(context, { sandbox: names, force }) {
    const client = await context.client();
    return await forEach(context, { word: "sandbox", names }, async (ref) => {
      const input = { params: { ref }, body: { force } };
      const { result, headers } = await client.call("sandbox.start", input);
      await warn(context, headers);
      return { value: result, text: `sandbox/${result.name ?? ref} started\n` };
    });
  },
});
