/** Numbers of bytes for people. */

const units = ["kB", "MB", "GB", "TB"];

export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  let [value, unit] = [bytes, -1];
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}

export function filesText(files: number): string {
  return files === 1 ? "1 file" : `${files} files`;
}
