/** Permission bits as the guest writes them, such as `0644`. */

const permissionBits = 0o7777;

export function octal(mode: number): string {
  return (mode & permissionBits).toString(8).padStart(4, "0");
}
