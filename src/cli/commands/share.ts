/** `bhatti share`: a link that opens a shell of a sandbox in a browser. */
import { duration } from "../arguments/duration.ts";
import { badFlag, toggle } from "../arguments/flags.ts";
import { given } from "../arguments/given.ts";
import { command } from "../command.ts";
import { future } from "../terminal/moment.ts";

export const share = command({
  description:
    "Whoever has the link has a shell, without a key. A sandbox has one link: another one takes its place, and\n" +
    "disconnects who came by it. It leads to the address at which this command reaches the daemon (--url): one with\n" +
    "127.0.0.1 is of use on this machine only.\n" +
    "A duration is 30s, 5m, 2h or 1d, or a bare number of seconds.",
  arguments: ["sandbox"],
  flags: {
    revoke: toggle("Make its link useless, and disconnect who came by it"),
    ttl: duration("Refuse it after so long; otherwise it lasts until it is revoked"),
    "read-only": toggle("Only show what happens in the newest shell"),
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
    if (ttl === 0)
      throw badFlag("ttl", "must be at least 1 second; omit it for a link without expiry");
    const client = await context.client();
    if (revoke) {
      await client.call("share.revoke", { params: { ref } });
      await context.result({ sandbox: ref, revoked: true }, () => `share/${ref} revoked\n`);
      return undefined;
    }
    const body = { ...given("ttl_s", ttl), read_only: readOnly };
    const { result } = await client.call("share.create", { params: { ref }, body });
    // The daemon knows by which address it was reached; only we know which one leads there from here.
    const { pathname, hash } = new URL(result.url);
    const shown = { ...result, url: `${client.url}${pathname}${hash}` };
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
