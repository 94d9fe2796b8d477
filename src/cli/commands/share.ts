/** `bhatti share`: a link that opens a shell of a sandbox in a browser. */
import { maximumShareSeconds } from "../../contract/limits.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { timeLimit } from "../arguments/duration.ts";
import { badFlag, toggle } from "../arguments/flags.ts";
import { given } from "../arguments/given.ts";
import { command } from "../command.ts";
import { future } from "../terminal/moment.ts";

export const share = command({
  description:
    "Prints a link to a shell in the browser. The link grants access without an API key. A sandbox has one link: " +
    "creating another revokes it and disconnects its clients.\n" +
    "The link starts with the URL of the daemon (--url); one with 127.0.0.1 works on this machine only.\n" +
    "The TTL is 30s, 5m, 2h, 1d or a number of seconds.",
  arguments: ["sandbox"],
  flags: {
    revoke: toggle("Revoke the link and disconnect its clients"),
    ttl: timeLimit("Expire the link after this time (default: never)", {
      max: maximumShareSeconds,
    }),
    "read-only": toggle("Show the newest shell without accepting input"),
  },
  examples: [
    "bhatti share dev",
    "bhatti share dev --ttl 1h --read-only",
    "bhatti share dev --revoke",
  ],
  async run(context, { sandbox: ref, revoke, ttl, "read-only": readOnly }) {
    if (revoke && (ttl !== undefined || readOnly)) {
      throw badFlag("revoke", "cannot be used with --ttl or --read-only");
    }
    const client = await context.client();
    if (revoke) {
      await client.call("share.revoke", { params: { ref } });
      await context.result({ sandbox: ref, revoked: true }, () => `share/${ref} revoked\n`);
      return undefined;
    }
    const body = { ...given("ttl_s", ttl), read_only: readOnly };
    const { result } = await client.call("share.create", { params: { ref }, body });
    // The daemon knows by which address it was reached; only we know which one leads there from here.
    const link = URL.parse(result.url ?? "");
    if (!link) throw new BhattiError("not_bhatti", `the daemon at ${client.url} sent no link`);
    const shown = { ...result, url: `${client.url}${link.pathname}${link.hash}` };
    await context.result(shown, () => {
      const expiry = future(result.expires_at);
      return [
        `${readOnly ? "Shell (read-only)" : "Shell"}: ${shown.url}`,
        ...(expiry ? [`Expires: ${expiry}`] : []),
        "",
      ].join("\n");
    });
    return undefined;
  },
});
