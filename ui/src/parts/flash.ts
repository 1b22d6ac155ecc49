/** Cells that light up when their value changes, and how many may: a page that flickers everywhere says nothing. */

const PER_SECOND = 80;
const FADE_MS = 380;
const still = matchMedia('(prefers-reduced-motion: reduce)');

let second = 0;
let used = 0;
/** What is lit, the oldest first, with the time (ms) at which it has faded. */
let lit: { element: HTMLElement; animation: Animation; until: number }[] = [];

/** Let `element` light up and fade at `now` (ms), while this second's allowance lasts. */
export function light(element: HTMLElement, rose: boolean, now: number): boolean {
  darken(now);
  if (!mayFlash(now)) return false;
  element.className = rose ? 'flash rose' : 'flash fell';
  const animation = element.animate([{ opacity: 0.34 }, { opacity: 0 }], {
    duration: FADE_MS,
    easing: 'ease-out',
    fill: 'forwards',
  });
  lit.push({ element, animation, until: now + FADE_MS });
  return true;
}

/** Put out what has faded: a cell with an opacity of its own costs each paint, seen or not. */
function darken(now: number): void {
  const faded = lit.findIndex(({ until }) => until > now);
  for (const { element, animation } of lit.splice(0, faded < 0 ? lit.length : faded)) {
    element.className = 'flash';
    animation.cancel();
  }
}

/** Take one flash of this second's allowance; false when motion is unwanted. */
function mayFlash(now: number): boolean {
  if (still.matches) return false;
  const current = Math.floor(now / 1000);
  if (current !== second) {
    second = current;
    used = 0;
  }
  used += 1;
  return used <= PER_SECOND;
}
