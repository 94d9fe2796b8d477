/** An Internet for the network namespace of the test: another namespace, with a web server on a public address. */
import { run } from "../../src/host/process.ts";
import { until } from "./until.ts";

export const publicAddress = "9.9.9.9";
/** Of the test's host on the link to it; private to everybody. */
export const uplinkAddress = "198.19.0.2";
/** Covers the link's own range. */
export const uplinkRange = "198.18.0.0/15";
const gateway = "198.19.0.1";
export const greeting = "hello from the Internet\n";

export async function startInternet(): Promise<AsyncDisposable> {
  if (process.env["BHATTI_TEST_NETNS"] === undefined) {
    throw new Error(
      "Needs a network namespace of its own: scripts/in-netns.sh bun test --timeout 300000 FILE",
    );
  }
  const server = `Bun.serve({ hostname: "${publicAddress}", port: 80, fetch: () => new Response(${JSON.stringify(greeting)}) });`;
  // Its namespace ends with the process.
  const setUp = [
    "ip link set lo up",
    `ip address add ${publicAddress}/32 dev lo`,
    "read _",
    `ip address add ${gateway}/24 dev internet`,
    "ip link set internet up",
    'exec "$0" -e "$1"',
  ].join("; ");
  const child = Bun.spawn(["unshare", "--net", "sh", "-c", setUp, process.execPath, server], {
    stdin: "pipe",
    stdout: "inherit",
    stderr: "inherit",
  });
  const own = await Bun.file("/proc/self/ns/net").exists();
  if (!own) throw new Error("no namespaces");
  await until("the Internet's namespace is there", async () => {
    const link = (pid: number | string) =>
      run(["readlink", `/proc/${pid}/ns/net`]).then(({ stdout }) => stdout);
    return (await link(child.pid)) !== (await link("self"));
  });
  await run([
    ...["ip", "link", "add", "uplink", "type", "veth", "peer", "name", "internet"],
    ...["netns", String(child.pid)],
  ]);
  await run(["ip", "address", "add", `${uplinkAddress}/24`, "dev", "uplink"]);
  await run(["ip", "link", "set", "uplink", "up"]);
  child.stdin.write("go\n");
  child.stdin.end();
  await run(["ip", "route", "add", "default", "via", gateway]);
  await until("the Internet answers", async () => {
    const answer = await fetch(`http://${publicAddress}/`).catch(() => undefined);
    return (await answer?.text()) === greeting;
  });
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
      await run(["ip", "link", "delete", "uplink"]).catch(() => {}); // gone with the other end
    },
  };
}
