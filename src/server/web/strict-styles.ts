/**
 * xterm.js makes style elements, and style attributes for colours of 24 bits; a policy without `unsafe-inline` refuses
 * both. Here the elements get the page's nonce, and attributes are set through the object model, which a policy leaves
 * alone: it restricts injected markup, not the page's own script.
 */
export function allowOwnStyles(nonce: string): void {
  const create = document.createElement.bind(document);
  document.createElement = ((name: string, options?: ElementCreationOptions) => {
    const element = create(name, options);
    if (name === "style") element.nonce = nonce;
    return element;
  }) as typeof document.createElement;

  const set = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (name, value) {
    if (name === "style" && this instanceof HTMLElement) this.style.cssText = value;
    else set.call(this, name, value);
  };
}
