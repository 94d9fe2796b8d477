/** `bhatti start`: a stopped sandbox goes on where it was. */
import { toggle } from "../arguments/flags.ts";
import { command } from "../command.ts";
import { warn } from "../terminal/warning.ts";

export const start = command({
  description:
    "Starting what runs succeeds.\n" +
    "--force is for a sandbox that cannot go on: its saved memory is damaged, or its guest does not answer. It gives that\n" +
    "memory up, and boots from the disk.",
  arguments: ["sandbox"],
  flags: {
    force: toggle(
      "Boot from the disk if it cannot go on where it was; its processes and their memory are lost then",
    ),
  },
  examples: ["bhatti start dev", "bhatti start dev --force"],
  async run(context, { sandbox: ref, force }) {
    const client = await context.client();
    const { result, headers } = await client.call("sandbox.start", {
      params: { ref },
      body: { force },
    });
    await context.result(result, () => `sandbox/${result.name} started\n`);
    await warn(context, headers);
  },
});
