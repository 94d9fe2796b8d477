/** Commands of the reference that a later version brings. */
import { beforeAll, expect, test } from "bun:test";
import manifest from "../../package.json" with { type: "json" };
import { isOlder } from "../../src/cli/semver.ts";
import { plannedVersions } from "../../src/contract/planned.ts";
import { ensureBinary, runBinary } from "../support/binary.ts";

beforeAll(ensureBinary);

const run = (args: string[]) => runBinary(args, { env: { BHATTI_CONFIG: "/dev/null" } });

test.each([
  ["publish dev -p 3000 -a my-app --shell", "publish", "0.2.0"],
  ["unpublish dev -p 3000", "unpublish", "0.2.0"],
  ["ports dev", "ports", "0.2.0"],
  ["image pull python:3.12 --auth user:token", "image pull", "0.3.0"],
  ["image import --tar image.tar --name web", "image import", "0.3.0"],
  ["image save dev --name web", "image save", "0.3.0"],
  ["image delete web -y", "image delete", "0.3.0"],
  ["image share web --user bob", "image share", "0.3.0"],
  ["image unshare web --user bob", "image unshare", "0.3.0"],
  ["forward dev 3000", "forward", "0.2.0"],
  ["volume", "volume", "0.4.0"],
  ["volume create --name data --size 1024", "volume", "0.4.0"],
  ["volume backup-delete data b1 -y", "volume", "0.4.0"],
  ["secret set KEY value", "secret", "0.5.0"],
  ["admin events --since 24h", "admin", "0.5.0"],
  ["update --tiers all", "update", "0.6.0"],
  ["completion bash", "completion", "0.6.0"],
])("bhatti %s names the version that brings it", async (line, command, version) => {
  const message = `bhatti ${command} is planned for version ${version}`;
  const args = line.split(" ");
  expect(await run(args)).toMatchObject({ code: 1, stdout: "", stderr: `Error: ${message}\n` });
  const { code, stderr } = await run(["--json", ...args]);
  expect(code).toBe(1);
  expect(JSON.parse(stderr)).toEqual({ error: message, code: "bad_usage" });
});

test.each([
  ["volume", "data:/data:ro", "0.4.0"],
  ["secret", "API_KEY", "0.5.0"],
])("bhatti create --%s names the version that brings it", async (flag, value, version) => {
  expect(await run(["create", "--name", "dev", `--${flag}`, value])).toMatchObject({
    code: 1,
    stdout: "",
    stderr: `Error: --${flag} is planned for version ${version}\n`,
  });
  expect((await run(["create", "--help"])).stdout).not.toContain(`--${flag}`);
});

test("help lists planned commands apart, with their versions", async () => {
  const program = (await run(["--help"])).stdout;
  const [, planned = ""] = program.split("\nPlanned:\n");
  expect(planned).toMatch(
    /^ {2}publish {2,}Publish a port with a public URL \(version 0\.2\.0\)$/m,
  );
  expect(planned).toMatch(
    /^ {2}completion {2,}Generate a shell completion script \(version 0\.6\.0\)$/m,
  );
  const [commands = "", later = ""] = (await run(["image"])).stdout.split("\nPlanned:\n");
  expect(commands).toMatch(/^ {2}list, ls {2,}List images$/m);
  expect(later).toMatch(/^ {2}pull {2,}Pull an image from a registry \(version 0\.3\.0\)$/m);
});

test("no version is planned that has come", () => {
  for (const version of Object.values(plannedVersions)) {
    expect(isOlder(manifest.version, version)).toBe(true);
  }
});
