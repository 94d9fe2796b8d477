/** How the ids, names and keys that bhatti makes up look. */
import { longestName } from "../contract/limits.ts";

const hex = (bytes: number): string => crypto.getRandomValues(new Uint8Array(bytes)).toHex();

export const newSandboxId = (): string => hex(8);
/** A stem that is long loses its end: the whole must be a name too. */
export const newSandboxName = (stem: string): string =>
  `${stem.slice(0, longestName - 7)}-${hex(3)}`;
export const newSnapshotId = (): string => `snap_${hex(8)}`;
export const newOperationId = (): string => `op_${hex(8)}`;
export const newTemplateId = (): string => `tpl_${hex(4)}`;
export const newUserId = (): string => `usr_${hex(4)}`;
export const newKeyId = (): string => `key_${hex(8)}`;
export const newImageId = (): string => `img_${hex(8)}`;
export const newShareToken = (): string => hex(32);
export const newApiKey = (): string => `bht_${hex(32)}`;

export function sha256Hex(text: string): string {
  return new Bun.CryptoHasher("sha256").update(text).digest("hex");
}

/** The guest's machine id: the same for a sandbox's whole life, whatever happens to its disk. */
export function machineIdOf(sandboxId: string): string {
  return sha256Hex(`machine-id ${sandboxId}`).slice(0, 32);
}

/** A locally administered address, the same for a sandbox's whole life. */
export function hardwareAddressOf(sandboxId: string): string {
  const digits = sha256Hex(`mac ${sandboxId}`).slice(0, 6);
  return `52:54:00:${digits.match(/../g)?.join(":")}`;
}
