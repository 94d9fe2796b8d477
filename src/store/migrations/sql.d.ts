/** SQL files are imported as text, so that they live inside the compiled binary. */
declare module "*.sql" {
  const text: string;
  // biome-ignore lint/style/noDefaultExport: the shape of an asset import
  export default text;
}
