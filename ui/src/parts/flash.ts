/** How many cells may light up: a page that flickers everywhere says nothing. */

const PER_SECOND = 80;
const still = matchMedia('(prefers-reduced-motion: reduce)');

let second = 0;
let used = 0;

/** Take one flash of this second's allowance at `now` (ms); false when motion is unwanted. */
export function mayFlash(now: number): boolean {
  if (still.matches) return false;
  const current = Math.floor(now / 1000);
  if (current !== second) {
    second = current;
    used = 0;
  }
  used += 1;
  return used <= PER_SECOND;
}
