import { expect, test } from "bun:test";
import { formatAddress } from "./ipv4.ts";
import { addGuest, addNetwork, type Guest, type Network, noRuleset, ruleset } from "./ruleset.ts";

const names = { table: "bhatti_test", tapPrefix: "bhtestt" };

const networks = (count: number): Network[] =>
  Array.from({ length: count }, (_, at) => ({
    bridge: `bhtestb${at + 1}`,
    subnet: `10.208.${at + 1}.0/24`,
    gateway: `10.208.${at + 1}.1`,
  }));

const guests = (count: number): Guest[] =>
  Array.from({ length: count }, (_, at) => ({
    tap: `${names.tapPrefix}${at.toString(16).padStart(8, "0")}`,
    mac: `52:54:00:00:${(at >> 8).toString(16).padStart(2, "0")}:${(at & 255).toString(16).padStart(2, "0")}`,
    address: formatAddress(0x0a_d0_01_02 + at),
  }));

/** Lines of rules and declarations, without the elements of sets. */
const rules = (text: string) =>
  text.split("\n").filter((line) => !line.startsWith("add element ")).length;

test("more networks and machines are more elements, and no more rules", () => {
  const empty = ruleset(names, [], []);
  const full = ruleset(names, networks(50), guests(200));
  expect(rules(full)).toBe(rules(empty));
  expect(full.split("\n").length - empty.split("\n").length).toBe(50 * 4 + 200);
});

test("what is added one by one is what the whole text has", () => {
  const [one, other] = [networks(2), guests(3)];
  const added = [
    ruleset(names, [], []).trimEnd(),
    ...one.map((network) => addNetwork(names, network)),
    ...other.map((guest) => addGuest(names, guest)),
  ];
  expect(`${added.join("\n")}\n`).toBe(ruleset(names, one, other));
});

// nft needs root even to check.
test.skipIf(process.getuid?.() !== 0)("nft takes the text, and its removal", () => {
  const texts = [
    ruleset(names, [], []),
    ruleset(names, networks(50), guests(200)),
    `${noRuleset(names)}\n`,
  ];
  for (const text of texts) {
    const { exitCode, stderr } = Bun.spawnSync(["nft", "--check", "--file", "-"], {
      stdin: new TextEncoder().encode(text),
    });
    expect(`${exitCode} ${stderr}`).toBe("0 ");
  }
});
