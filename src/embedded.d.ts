/** Files that are compiled into the binary and imported by path. */
declare module "*/release/lohar" {
  const path: string;
  // biome-ignore lint/style/noDefaultExport: that is how the bundler hands over a file
  export default path;
}
