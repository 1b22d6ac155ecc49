/** Addresses of other programs and sites, with the symbol put in. */

/** Schemes that a link may have: pages, and platforms that register their own. */
const FORBIDDEN = /^(javascript|data|vbscript|file|blob|about):/i;

/** Return the address with `{symbol}` put in; null for what may not be a link. */
export function address(template: string, symbol: string): string | null {
  const filled = template.trim().replaceAll('{symbol}', encodeURIComponent(symbol));
  if (!/^[a-z][a-z0-9+.-]*:/i.test(filled) || FORBIDDEN.test(filled)) return null;
  return URL.canParse(filled) ? filled : null;
}
