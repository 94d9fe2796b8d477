/** How the ids, names and keys that bhatti makes up look. */

const hex = (bytes: number): string => crypto.getRandomValues(new Uint8Array(bytes)).toHex();

export const newSandboxId = (): string => hex(8);
export const newSandboxName = (): string => `sandbox-${hex(3)}`;
export const newUserId = (): string => `usr_${hex(4)}`;
export const newKeyId = (): string => `key_${hex(8)}`;
export const newImageId = (): string => `img_${hex(8)}`;
export const newApiKey = (): string => `bht_${hex(32)}`;

export function sha256Hex(text: string): string {
  return new Bun.CryptoHasher("sha256").update(text).digest("hex");
}

/** The guest's machine id: the same for a sandbox's whole life, whatever happens to its disk. */
export function machineIdOf(sandboxId: string): string {
  return sha256Hex(`machine-id ${sandboxId}`).slice(0, 32);
}
